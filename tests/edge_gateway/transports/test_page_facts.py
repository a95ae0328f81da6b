"""What the page is told before a conversation."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from edge_gateway.transports.page_facts import add_facts
from parley.tts import TtsClient
from tests.edge_gateway.rig import Script, serve_tts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRACES = "https://grafana.example/explore?trace={trace_id}"


@asynccontextmanager
async def page_facts(tts_address: str) -> AsyncIterator[dict[str, object]]:
    app = web.Application()
    async with TtsClient(tts_address) as tts:
        add_facts(app, tts, TRACES)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            host, port = runner.addresses[0][:2]
            async with aiohttp.ClientSession() as http, http.get(f"http://{host}:{port}/v1/page") as response:
                yield await response.json()
        finally:
            await runner.cleanup()


async def test_the_page_learns_the_voices_and_where_traces_are_shown() -> None:
    async with AsyncExitStack() as stack:
        address = await serve_tts(stack, Script())
        async with page_facts(address) as facts:
            assert facts["trace_url"] == TRACES
            assert facts["voices_problem"] == ""
            voices = facts["voices"]
            assert isinstance(voices, list)
            assert voices
            assert set(voices[0]) == {"name", "language", "description", "gender"}


async def test_without_a_tts_server_the_page_is_told_why_there_are_no_voices() -> None:
    async with page_facts("127.0.0.1:9") as facts:
        assert facts["voices"] == []
        assert "tts" in str(facts["voices_problem"])
