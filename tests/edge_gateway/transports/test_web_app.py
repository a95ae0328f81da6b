"""The page's port, as pages of other sites can reach it: every path looks at the name that it is asked for by."""

from __future__ import annotations

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
