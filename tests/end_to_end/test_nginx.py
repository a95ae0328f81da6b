"""A Parley behind a real nginx with TLS, a path and its default buffering."""

from __future__ import annotations

import json
import re
import ssl
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from parley import SessionConfig
from parley_cli.client import converse
from tests.certificates import Authority
from tests.end_to_end.nginx import needs_nginx, nginx
from tests.end_to_end.started import started
from tests.end_to_end.test_tls import page, parley

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from parley import Tls
    from tests.end_to_end.started import Up

pytestmark = [pytest.mark.timeout(180), needs_nginx]

# The proxy asks from 127.0.0.1, so that its client must come from elsewhere on this machine.
CLIENT: Final = "127.0.0.2"
CLAIMED: Final = "203.0.113.9"


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Authority().issue(tmp_path / "tls")


async def logged(up: Up, url: str, tls: Tls, **headers: str) -> str:
    """Begin a session from `CLIENT`; the address that the gateway logs."""
    trusting = ssl.create_default_context(cafile=tls.ca)
    connector = aiohttp.TCPConnector(local_addr=(CLIENT, 0), ssl=trusting)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as http, converse(url, http) as conversation:
        await conversation.configure(SessionConfig())
        line = await up.told("session begins", '"client"')
    found = re.search(r"\{.*\}", line)
    assert found is not None
    return str(json.loads(found[0])["client"])


@pytest.fixture
async def up(request: pytest.FixtureRequest) -> AsyncIterator[Up]:
    settings: dict[str, str] = getattr(request, "param", {})
    async with started(PARLEY_LOG_LEVEL="INFO", **settings) as running:
        await running.listening()
        yield running


async def test_a_spoken_turn_works_over_wss_below_a_path(up: Up, tls: Tls, tmp_path: Path) -> None:
    async with nginx(tmp_path / "nginx", page(up), tls) as url:
        status, said = await parley(up, "talk", "--url", url, "--json", PARLEY_TLS_CA=tls.ca, PARLEY_LOG_LEVEL="")
    assert status == 0, said
    turns = [json.loads(line) for line in said.splitlines()]
    assert [turn["transcript"] for turn in turns if turn["outcome"] == "completed" and turn["heard"]], said


async def test_the_page_comes_with_its_files_below_the_path(up: Up, tls: Tls, tmp_path: Path) -> None:
    trusting = ssl.create_default_context(cafile=tls.ca)
    async with nginx(tmp_path / "nginx", page(up), tls) as url, aiohttp.ClientSession() as http:
        for path in ("/", "/web/client/microphone.js", "/v1/page"):
            async with http.get(f"{url}{path}", ssl=trusting) as response:
                assert response.status == 200, path
        async with http.ws_connect(f"{url}/v1/conversation", ssl=trusting, origin=url.removesuffix("/parley")):
            pass


@pytest.mark.parametrize("up", [{"PARLEY_TRUSTED_PROXIES": "127.0.0.1"}], indirect=True)
async def test_a_named_proxy_says_whose_session_it_is(up: Up, tls: Tls, tmp_path: Path) -> None:
    async with nginx(tmp_path / "nginx", page(up), tls) as url:
        assert await logged(up, url, tls) == CLIENT
        # What the client claims stands to the left of what the proxy has seen.
        assert await logged(up, url, tls, **{"X-Forwarded-For": CLAIMED, "Forwarded": f"for={CLAIMED}"}) == CLIENT
    # Who comes by another way is believed nothing.
    assert await logged(up, page(up), tls, **{"X-Forwarded-For": CLAIMED}) == CLIENT


async def test_a_proxy_that_nobody_named_says_nothing(up: Up, tls: Tls, tmp_path: Path) -> None:
    async with nginx(tmp_path / "nginx", page(up), tls) as url:
        assert await logged(up, url, tls, **{"X-Forwarded-For": CLAIMED}) == "127.0.0.1"
