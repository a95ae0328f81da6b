"""Host and Origin headers that are anything: as what the gateway may be opened, and whose pages may connect."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from hypothesis import strategies as st
from yarl import URL

from edge_gateway.transports.access import Access
from tests.edge_gateway.rig import Script, house
from tests.fuzz.common import FUZZER, fuzz, served, texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = FUZZER

_NAMED = "parley.example,10.1.2.3:9000,[2001:db8::1],b\u00fccher.example:443"
_HOSTS = ("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]")
_STRANGERS = (
    "evil.example",
    "localhost.evil.example",
    "10.1.2.3",
    "evil",
    "127.0.0.1.evil.example",
    "xn--bcher-kva.example",
)
_PORTS = ("", ":", ":80", ":443", ":8080", ":9000", ":99999", ":-1", ":8_0", ":\u0661")

_pieces = st.sampled_from(
    (*_HOSTS, *_STRANGERS, *_PORTS, *_NAMED.split(","), "@", "/", "#", "?", "\\", "[", "]", "%", " ")
)
_hosts = st.one_of(
    st.builds(lambda host, port: host + port, st.sampled_from((*_HOSTS, *_STRANGERS)), st.sampled_from(_PORTS)),
    st.lists(_pieces, max_size=5).map("".join),
    texts(2_000),
)
_origins = st.one_of(
    st.builds(lambda scheme, host: f"{scheme}://{host}", st.sampled_from(("http", "HTTPS", "ws", "app", "")), _hosts),
    st.sampled_from(("null", "*", "https://friend.example", "http://[::1", "http://x:99999")),
    texts(2_000),
)


def _is_known(host: str) -> bool:
    """What another reader of addresses takes a header for, which was let in; it takes no zone in brackets."""
    name = URL(f"http://{host.partition('%')[0]}]" if "[" in host and "%" in host else f"http://{host}").host or ""
    name = name.lower().rstrip(".").partition("%")[0]
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name in ("localhost", "parley.example", "b\u00fccher.example") or name.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or str(address) in ("192.168.7.7", "10.1.2.3", "2001:db8::1")


def _refusal(ask: Callable[[], object]) -> str | None:
    """What somebody who is not let in is told."""
    try:
        ask()
    except web.HTTPException as refusal:
        return refusal.text or ""
    return None


def test_no_header_lets_a_stranger_in() -> None:
    access = Access("192.168.7.7", _NAMED, "https://friend.example")

    def check(given: tuple[list[str], list[str]]) -> None:
        hosts, origins = given
        host = access.check_host(["localhost"])
        refusals = [_refusal(lambda: access.check_host(hosts)), _refusal(lambda: access.check_origin(origins, host))]
        assert all(len(each) < 2_000 for each in refusals if each is not None)
        if refusals[0] is None:
            [known] = hosts
            assert _is_known(f"[{known}]" if known.count(":") > 1 and "[" not in known else known)

    fuzz("headers", st.tuples(st.lists(_hosts, max_size=2), st.lists(_origins, max_size=2)), check)


@asynccontextmanager
async def _address() -> AsyncIterator[tuple[str, int]]:
    async with house(Script(allowed_hosts="parley.example")) as parley:
        yield "127.0.0.1", int(parley.url.rpartition(":")[2])


async def _status(address: tuple[str, int], request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(request)
        return (await reader.readline()).split()[1]
    finally:
        writer.close()
        await writer.wait_closed()


def test_no_request_is_answered_with_a_failure_of_the_gateway() -> None:
    with served(_address) as gateway:

        def check(given: tuple[str, str, str, str]) -> None:
            path, host, origin, more = (each.encode("utf-8", "replace") for each in given)
            head = b"GET /%s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\n" % (path, host, origin)
            upgrade = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n" % more
            status = gateway.call(_status(gateway.thing, head + b"Connection: Upgrade\r\n" + upgrade + b"\r\n"))
            assert status in (b"101", b"200", b"304", b"400", b"403", b"404", b"405", b"421"), (status, given)

        paths = st.sampled_from(
            ("", "metrics", "healthz", "v1/conversation", "v1/nothing", "web/main.js", "web/../x", "%00", "//evil")
        )
        keys = st.just("dGhlIHNhbXBsZSBub25jZQ==") | texts(100)
        fuzz("requests", st.tuples(paths, _hosts, _origins, keys), check, gateway.watch)
