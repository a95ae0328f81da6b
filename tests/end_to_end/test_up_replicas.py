"""`parley up` with several gateways, ASR and TTS servers."""

from __future__ import annotations

import asyncio
import os
import signal

import aiohttp

from parley._binding import find_problem
from parley.conversation import SessionConfig, SessionReady, TurnReport, UserText
from parley_cli.client import WebSocket
from parley_cli.doctor.network import look_at_page
from tests.edge_gateway.rig import Listener
from tests.end_to_end.started import started
from tests.end_to_end.whole import free_ports


def two_free_ports() -> int:
    """The first of two free ports in a row."""
    while True:
        [port] = free_ports(1)
        if port < 65_535 and find_problem("127.0.0.1", port + 1) is None:
            return port


async def test_several_of_each_serve_and_a_gateway_that_was_killed_is_named_and_comes_back(
    short_folder: object,
) -> None:
    own = str(two_free_ports())
    settings = {"PARLEY_GATEWAY_METRICS_PORT": own, "XDG_RUNTIME_DIR": str(short_folder)}
    async with started("--gateways", "2", "--asr", "2", "--tts", "2", **settings) as up, asyncio.timeout(240):
        await up.listening()
        assert [len(up.children(module)) for module in ("edge_gateway", "asr_server", "tts_server")] == [2, 2, 2]
        page = f"http://127.0.0.1:{up.environment['PARLEY_GATEWAY_PORT']}"
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{own}/stats") as response:
            names = [server["name"] for server in (await response.json())["servers"]]
            assert [names.count(name) for name in ("asr", "llm", "tts")] == [2, 1, 2]
        [finding] = await look_at_page(up.environment)
        assert "2 gateways share its port" in finding.what
        os.kill(up.children("edge_gateway")[0], signal.SIGKILL)
        await up.told("edge_gateway", "was killed", "SIGKILL")
        for _ in range(4):
            async with aiohttp.ClientSession() as http, http.ws_connect(f"{page}/v1/conversation") as socket:
                listener = Listener(WebSocket(socket))
                await listener.send(SessionConfig())
                await listener.until(SessionReady)
                await listener.send(UserText("hello"))
                await listener.until(TurnReport)
        await up.told("edge_gateway", "is back after")
    assert up.process.returncode == 0
