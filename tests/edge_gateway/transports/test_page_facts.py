"""What the page is told before a conversation, and what it can hear of a voice."""

from __future__ import annotations

import io
import wave
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from edge_gateway.config import STATUS_LOOPBACK
from edge_gateway.directory import Directory
from edge_gateway.reply.reply import Servers
from edge_gateway.servers.connect import Addresses, open_pools
from edge_gateway.transports.page_facts import add_facts
from edge_gateway.transports.status_access import StatusAccess
from edge_gateway.transports.voice_preview import add_voice_preview
from tests.edge_gateway.rig import Script, serve_asr, serve_llm, serve_tts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRACES = "https://grafana.example/explore?trace={trace_id}"
NOBODY = "127.0.0.1:9"


@asynccontextmanager
async def gateway(asr: str = NOBODY, llm: str = NOBODY, tts: str = NOBODY) -> AsyncIterator[aiohttp.ClientSession]:
    """What the page asks, before servers at these addresses."""
    app = web.Application()
    async with open_pools(Addresses(asr, llm, tts)) as pools:
        directory = Directory(pools.listens, Servers(pools.writes, pools.speaks))
        add_facts(app, directory, TRACES, StatusAccess(STATUS_LOOPBACK))
        add_voice_preview(app, pools.speaks)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            host, port = runner.addresses[0][:2]
            async with aiohttp.ClientSession(f"http://{host}:{port}") as http:
                yield http
        finally:
            await runner.cleanup()


async def page_facts(http: aiohttp.ClientSession) -> dict[str, Any]:
    async with http.get("/v1/page") as response:
        found: dict[str, Any] = await response.json()
        return found


async def test_the_page_learns_engines_languages_and_voices_and_where_traces_are_shown() -> None:
    async with AsyncExitStack() as stack:
        script = Script()
        addresses = [await serve(stack, script) for serve in (serve_asr, serve_llm, serve_tts)]
        async with gateway(*addresses) as http:
            facts = await page_facts(http)
        assert facts["trace_url"] == TRACES
        assert set(facts["voices"][0]) == {"name", "language", "description", "gender"}
        assert facts["engines"] == {
            "asr": {"name": "scripted", "works": True, "languages": ["en"]},
            "llm": {
                "name": "scripted",
                "works": True,
                "instructions": False,
                "found_at": "",
                "backup_reason": "",
            },
            "tts": {"name": "scripted", "works": True},
        }


@pytest.mark.parametrize("away", [0, 1, 2])
async def test_the_page_learns_which_engine_is_away_and_nothing_of_how_it_was_asked(away: int) -> None:
    async with AsyncExitStack() as stack:
        addresses = [await serve(stack, Script()) for serve in (serve_asr, serve_llm, serve_tts)]
        addresses[away] = NOBODY
        async with gateway(*addresses) as http, http.get("/v1/page") as response:
            text, facts = await response.text(), await response.json()
        assert [each["works"] for each in facts["engines"].values()] == [place != away for place in range(3)]
        assert "connect" not in text


async def test_a_voice_says_a_few_words_faster_when_it_is_to_speak_faster() -> None:
    async with AsyncExitStack() as stack:
        tts = await serve_tts(stack, Script())
        async with gateway(tts=tts) as http:
            voice = (await page_facts(http))["voices"][0]["name"]
            seconds = []
            for speed in ("1", "2"):
                async with http.get("/v1/voice-preview", params={"voice": voice, "speed": speed}) as response:
                    assert (response.status, response.content_type) == (200, "audio/wav")
                    with wave.open(io.BytesIO(await response.read())) as sound:
                        seconds.append(sound.getnframes() / sound.getframerate())
        assert 0.2 < seconds[1] <= seconds[0]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"voice": "nobody"}, "'nobody' is not known"),
        ({"speed": "9"}, "speed '9'"),
        ({"speed": "nan"}, "speed 'nan'"),
        ({"speed": "fast"}, "speed 'fast'"),
        ({"voice": "x" * 300}, "more than 200 characters"),
        ({"language": "x" * 300}, "more than 200 characters"),
    ],
)
async def test_what_cannot_be_previewed_is_named(asked: dict[str, str], words: str) -> None:
    async with AsyncExitStack() as stack:
        tts = await serve_tts(stack, Script())
        async with gateway(tts=tts) as http, http.get("/v1/voice-preview", params=asked) as response:
            assert response.status == 400
            assert words in await response.text()


async def test_a_voice_that_is_away_says_so_without_the_words_of_programs() -> None:
    async with gateway() as http, http.get("/v1/voice-preview") as response:
        assert (response.status, await response.text()) == (503, "the voice is away: try again later\n")
