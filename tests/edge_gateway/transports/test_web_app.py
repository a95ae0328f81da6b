"""The page's port, as pages of other sites can reach it: every path looks at the name that it is asked for by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.edge_gateway.rig import Script, house

if TYPE_CHECKING:
    from tests.edge_gateway.rig import Gateway

PATHS = ("/", "/metrics", "/healthz", "/web/main.js", "/web/", "/nowhere", "/v1/conversation")
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "a" * 22 + "==",
}


async def answer(parley: Gateway, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    upgrade = UPGRADE if path == "/v1/conversation" else {}
    async with aiohttp.ClientSession() as http, http.get(parley.url + path, headers=upgrade | headers) as response:
        text = "" if response.status == 101 else await response.text()
        assert response.status == 101 or response.headers["X-Content-Type-Options"] == "nosniff"
        return response.status, text


async def test_a_name_that_is_made_to_lead_here_opens_no_path() -> None:
    async with house() as parley:
        for path in PATHS:
            status, text = await answer(parley, path, Host="evil.example:8080", Origin="http://evil.example:8080")
            assert status == 421
            assert "'evil.example:8080'" in text
            assert "PARLEY_ALLOWED_HOSTS" in text


async def test_a_host_that_the_operator_named_opens_every_path() -> None:
    async with house(Script(allowed_hosts="parley.example")) as parley:
        statuses = [(await answer(parley, path, Host="Parley.Example"))[0] for path in PATHS]
    assert statuses == [200, 200, 200, 200, 403, 404, 101]


@pytest.mark.parametrize("origin", ["http://[::1", "http://x:99999", "http://\N{SNOWMAN}:x", "ht!tp://x", "http://a b"])
async def test_an_origin_that_is_none_is_refused_and_no_failure(origin: str) -> None:
    async with house() as parley:
        status, text = await answer(parley, "/v1/conversation", Origin=origin)
    assert status == 403
    assert "PARLEY_ALLOWED_ORIGINS" in text


@pytest.mark.parametrize(
    "asking",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": " Cross-Site "},
    ],
)
async def test_a_page_of_another_site_has_no_voice_speak(asking: dict[str, str]) -> None:
    async with house() as parley:
        status, text = await answer(parley, "/v1/voice-preview", **asking)
    assert status == 403
    assert "PARLEY_ALLOWED_ORIGINS" in text


@pytest.mark.parametrize(
    "asking",
    [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "https://friend.example"}],
)
async def test_the_own_page_programs_and_named_sites_hear_a_voice(asking: dict[str, str]) -> None:
    async with (
        house() as parley,
        aiohttp.ClientSession() as http,
        http.get(f"{parley.url}/v1/voice-preview", headers=asking) as response,
    ):
        assert response.status == 200
        assert (await response.read())[:4] == b"RIFF"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /\r\n HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: \xff\x00\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_one_line_in_the_log(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "parley.http"):
        async with house() as parley:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(parley.url.rpartition(":")[2]))
            writer.write(sent)
            assert b"400" in await reader.readline()
            writer.close()
            await writer.wait_closed()
    [told] = [record for record in caplog.records if record.name == "parley.http"]
    assert told.getMessage().isprintable()
    assert "no HTTP" in told.getMessage()
    assert (told.levelname, told.exc_info, told.exc_text) == ("INFO", None, None)


async def test_a_proxy_that_ends_tls_may_give_the_port_on() -> None:
    async with house(Script(allowed_hosts="parley.example")) as parley:
        named = {"Host": "parley.example:443", "Origin": "https://parley.example"}
        assert (await answer(parley, "/v1/conversation", **named))[0] == 101


async def test_nothing_that_a_page_asks_for_begins_at_the_root_of_its_host() -> None:
    async with house() as parley:
        _, page = await answer(parley, "/")
    assert 'src="web/main.js"' in page
    assert 'src="/' not in page
    assert 'href="/' not in page


@pytest.mark.parametrize("key", ["\N{SNOWMAN}", "\u00e9" * 24, "not base64", "", "a" * 5_000])
async def test_a_key_that_is_none_is_a_bad_request_and_no_failure(key: str) -> None:
    async with house() as parley:
        status, _ = await answer(parley, "/v1/conversation", **{"Sec-WebSocket-Key": key})
    assert status == 400
