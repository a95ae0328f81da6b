"""As what the gateway may be opened, and whose pages may connect."""

from __future__ import annotations

import pytest
from aiohttp import web

from edge_gateway.transports.access import Access
from edge_gateway.transports.authority import Authority, Origin, read_authority, read_origin
from serving.config import ConfigError

EVERYWHERE = "0.0.0.0"


def asked(access: Access, host: str, *origins: str) -> None:
    """A request for `host` by a page of `origins`."""
    access.check_origin(origins, access.check_host([host]))


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("localhost:8080", "localhost", 8080),
        ("LocalHost", "localhost", None),
        ("parley.example.", "parley.example", None),
        ("Parley.Example.:443", "parley.example", 443),
        ("parley.example:", "parley.example", None),
        ("[::1]:8080", "::1", 8080),
        ("[0:0:0:0:0:0:0:1]", "::1", None),
        ("[::FFFF:127.0.0.1]", "127.0.0.1", None),
        ("::1", "::1", None),
        ("fe80::1%eth0", "fe80::1", None),
        ("bücher.example", "xn--bcher-kva.example", None),
        ("BÜCHER.example:80", "xn--bcher-kva.example", 80),
        ("straße.example", "xn--strae-oqa.example", None),
        ("１２７。0.0.1", "127.0.0.1", None),
    ],
)
def test_a_host_is_read_in_every_spelling(written: str, host: str, port: int | None) -> None:
    assert read_authority(written) == Authority(host, port)


@pytest.mark.parametrize(
    "written",
    [
        "",
        ":80",
        "a b",
        "a/b",
        "user@host",
        "host:99999",
        "host:-1",
        "host:8_0",
        "host:٨",
        "[::1",
        "::1]",
        "[host]",
        "a..b",
        "*",
        "http://host",
        "host#x",
        "host\\x",
        "\ud800.example",
        "x" * 300,
        "é" * 250,
        "host:1:2",
        "127.0.0.1%eth0",
        "127.0.0.1%",
        "127.0.0.1%:[]",
    ],
)
def test_what_is_no_host_is_none(written: str) -> None:
    assert read_authority(written) is None


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://parley.example", Origin("https", Authority("parley.example", 443))),
        ("HTTP://Parley.Example:80", Origin("http", Authority("parley.example", 80))),
        ("http://[::1]:8080/", Origin("http", Authority("::1", 8080))),
        ("tauri://localhost", Origin("tauri", Authority("localhost", None))),
    ],
)
def test_an_origin_has_the_port_of_its_scheme(written: str, origin: Origin) -> None:
    assert read_origin(written) == origin


@pytest.mark.parametrize(
    "written", ["", "null", "http://", "http://[::1", "http://x:99999", "//x", "http//x", "http://u@x"]
)
def test_what_is_no_origin_is_none(written: str) -> None:
    assert read_origin(written) is None


@pytest.mark.parametrize("bound", ["127.0.0.1", "192.168.1.5", EVERYWHERE, "::", "parley.lan"])
@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST.", "app.localhost:3000", "127.0.0.1:8080", "127.8.9.10", "[::1]:8080"],
)
def test_the_machine_itself_may_always_ask(bound: str, host: str) -> None:
    Access(bound).check_host([host])


@pytest.mark.parametrize("bound", ["127.0.0.1", EVERYWHERE, "::"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.5:8080",
        "10.0.0.1",
        "[2001:db8::1]",
        "notlocalhost",
        "localhost@evil.example",
        "",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "[::1",
        "\ud800",
    ],
)
def test_nobody_else_may_wherever_the_gateway_is_bound(bound: str, host: str) -> None:
    with pytest.raises(web.HTTPMisdirectedRequest) as refused:
        Access(bound).check_host([host])
    assert "PARLEY_ALLOWED_HOSTS" in (refused.value.text or "")


def test_a_request_with_no_host_or_with_two_is_refused() -> None:
    for named in list[str](), ["localhost", "evil.example"], ["localhost", "localhost"]:
        with pytest.raises(web.HTTPMisdirectedRequest):
            Access("127.0.0.1").check_host(named)


@pytest.mark.parametrize(
    ("bound", "host"),
    [
        ("192.168.1.5", "192.168.1.5:8080"),
        ("2001:db8::1", "[2001:DB8:0::1]:8080"),
        ("Parley.LAN", "parley.lan:8080"),
        (EVERYWHERE, f"{EVERYWHERE}:8080"),
    ],
)
def test_the_address_that_was_bound_is_known(bound: str, host: str) -> None:
    Access(bound).check_host([host])


@pytest.mark.parametrize(
    ("allowed", "host", "known"),
    [
        ("parley.example", "parley.example", True),
        ("parley.example", "Parley.Example.:8443", True),
        (" a.example , parley.example ,", "parley.example:1", True),
        ("parley.example:8443", "parley.example:8443", True),
        ("parley.example:8443", "parley.example", False),
        ("parley.example:443", "parley.example", True),
        ("parley.example:80", "parley.example", True),
        ("parley.example:443", "parley.example:443", True),
        ("parley.example:443", "parley.example:444", False),
        ("parley.example", "sub.parley.example", False),
        ("192.168.1.5:8080", "192.168.1.5:8080", True),
        ("[2001:db8::1]:8080", "[2001:db8:0:0::1]:8080", True),
        ("2001:db8::1", "[2001:db8::1]:9", True),
        ("bücher.example", "xn--bcher-kva.example", True),
    ],
)
def test_the_operator_names_other_hosts(allowed: str, host: str, known: bool) -> None:  # noqa: FBT001 - a column
    access = Access("127.0.0.1", allowed)
    if known:
        access.check_host([host])
    else:
        with pytest.raises(web.HTTPMisdirectedRequest):
            access.check_host([host])


@pytest.mark.parametrize("allowed", ["*", "https://parley.example", "a b", "x:y", "fine.example,no/path"])
def test_a_setting_that_names_no_host_says_what_to_write(allowed: str) -> None:
    with pytest.raises(ConfigError, match=r"^PARLEY_ALLOWED_HOSTS=\S.*: no host; write names"):
        Access("127.0.0.1", allowed)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("LOCALHOST:8080", "http://localhost:8080"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        # A proxy ends TLS, and gives the port on or leaves it out.
        ("parley.example:443", "https://parley.example"),
        ("parley.example", "https://parley.example"),
        ("Parley.Example.", "HTTPS://parley.example"),
        ("parley.example", "https://parley.example:443"),
        ("parley.example:8443", "https://parley.example:8443"),
        ("[::1]:8080", "http://[0:0::1]:8080"),
        ("bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_the_gateways_own_page_may_connect_in_every_spelling(host: str, origin: str) -> None:
    asked(Access("127.0.0.1", "parley.example,bücher.example"), host, origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://stranger.example",
        "http://localhost:3000",
        "https://localhost:8080.evil.example",
        "null",
        "",
        "http://[::1",
        "http://localhost:99999",
        "http://localhost:x",
        "http:///",
        "localhost:8080",
        "http://user@localhost:8080",
        "http://localhost:8080/page",
        "https://localhost",
        "\ud800://\udfff",
        "http://" + "a." * 5000,
    ],
)
def test_pages_of_others_may_not_connect_and_what_is_no_origin_neither(origin: str) -> None:
    with pytest.raises(web.HTTPForbidden) as refused:
        asked(Access("127.0.0.1", "", "https://friend.example"), "localhost:8080", origin)
    assert "PARLEY_ALLOWED_ORIGINS" in (refused.value.text or "")


def test_two_origins_are_none() -> None:
    with pytest.raises(web.HTTPForbidden):
        asked(Access("127.0.0.1"), "localhost", "http://localhost", "http://localhost")


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("https://friend.example", "https://friend.example"),
        ("https://friend.example/", "https://FRIEND.example:443"),
        ("https://a.example, http://friend.example:3000", "http://friend.example:3000"),
        ("null", "null"),
        ("app://.", "app://."),
        ("tauri://localhost", "tauri://localhost"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("*", "https://anybody.example"),
        ("*", "http://[::1"),
    ],
)
def test_pages_that_the_operator_named_may_connect(allowed: str, origin: str) -> None:
    asked(Access("127.0.0.1", "", allowed), "localhost", origin)


@pytest.mark.parametrize("allowed", ["friend.example", "https//friend.example", "https://a.example,b"])
def test_a_setting_that_names_no_origin_says_what_to_write(allowed: str) -> None:
    with pytest.raises(ConfigError, match=r"^PARLEY_ALLOWED_ORIGINS=\S+: no origin; write scheme and host"):
        Access("127.0.0.1", "", allowed)


def test_programs_send_no_origin_and_may_connect() -> None:
    asked(Access("127.0.0.1"), "localhost")
