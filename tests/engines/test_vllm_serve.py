"""The OpenAI-compatible engine against the server that vLLM brings."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest

from llm_server.engine import Conversation, Delta, Finish, Message, Role, StopReason
from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.endpoint import Endpoint
from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

OPTIONS = ("--dtype", "bfloat16", "--enforce-eager", "--max-model-len", "512", "--block-size", "32")


@asynccontextmanager
async def vllm_serving(model: Path) -> AsyncIterator[str]:
    """vLLM's own server with that model; gives its address."""
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)),
        *("--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port), *OPTIONS),
        env=os.environ,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(200), aiohttp.ClientSession() as http:
            while not await is_healthy(http, address):
                await some_time(process)
                assert process.returncode is None, "vLLM's server did not start"
        yield address
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def is_healthy(http: aiohttp.ClientSession, address: str) -> bool:
    with suppress(aiohttp.ClientError):
        async with http.get(f"{address}/health") as response:
            return response.status == 200
    return False


async def some_time(process: asyncio.subprocess.Process) -> None:
    """Half a second, or less when the process ends."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await process.wait()


async def running(address: str) -> float:
    """Replies that vLLM is writing, by its own count."""
    async with aiohttp.ClientSession() as http, http.get(f"{address}/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("vllm:num_requests_running"))


async def test_replies_are_streamed_counted_and_ended_when_nobody_wants_them(llama: Path) -> None:
    ask = Conversation((Message(Role.USER, "Hello."),), max_tokens=20, temperature=0)
    endless = Conversation((Message(Role.USER, "Tell me everything."),), max_tokens=400, temperature=0)
    async with vllm_serving(llama) as address:
        engine = EndpointsEngine((Endpoint(f"{address}/v1", "tiny"),))
        try:
            events = [event async for event in engine.reply(ask)]
            async with aclosing(engine.reply(endless)) as reply:
                async for _ in reply:
                    break
            async with asyncio.timeout(5):
                while await running(address):
                    pass
        finally:
            await engine.close()
    finish = events.pop()
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.completion_tokens) == (StopReason.LENGTH, 20)
    assert finish.prompt_tokens > 20
    assert finish.model.startswith("tiny@127.0.0.1")
    assert len([event for event in events if isinstance(event, Delta)]) > 1
