"""How soon the work behind a cancelled reply ends: from leaving the call to the engine being stopped, over real gRPC.

Client and servers share one event loop, so this is an upper bound of what the code adds; a network's way comes on top.
Run it with the package installed: `python benchmarks/cancel.py`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from llm_server.engine import Conversation, Delta, Finish, StopReason
from llm_server.engines.scripted import ScriptedEngine as ScriptedLlm
from llm_server.service import LlmServicer
from parley import llm, tts
from parley.v1.llm_pb2_grpc import add_LlmServiceServicer_to_server
from parley.v1.tts_pb2_grpc import add_TtsServiceServicer_to_server
from parley_cli.percentiles import percentile
from serving.grpc_server import Listen, started
from serving.telemetry import Telemetry, new_provider
from serving.threads import Worker
from tts_server.engine import Audio, SpeechRequest, WordMark
from tts_server.engines.scripted import ScriptedEngine as ScriptedTts
from tts_server.service import TtsServicer

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

RUNS = 200


class Thinker(ScriptedLlm):
    """Writes one piece, then thinks until it is stopped."""

    def __init__(self) -> None:
        super().__init__("", 0, 0)
        self.stopped = asyncio.Event()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | Finish, None]:
        try:
            yield Delta(conversation.messages[-1].text)
            await asyncio.Event().wait()
            yield Finish(StopReason.STOP)
        finally:
            self.stopped.set()


class Hummer(ScriptedTts):
    """Hums one chunk, then works on until it is stopped."""

    def __init__(self) -> None:
        super().__init__(0, 0.01)
        self.loop = asyncio.get_running_loop()
        self.stopped = asyncio.Event()

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        yield Audio(bytes(9_600 * len(request.text[:1])))
        stop.wait()
        self.loop.call_soon_threadsafe(self.stopped.set)


def listen() -> Listen:
    return Listen("127.0.0.1", 0, "PORT", 0, 0.0, 64 * 1024)


async def text() -> AsyncIterator[tts.Request]:
    yield "Some words that are to be spoken."


async def cancel_llm() -> list[float]:
    engine, seconds = Thinker(), []
    servicer = LlmServicer(engine, Telemetry(new_provider("llm"), CollectorRegistry()), 10)
    serving = started(llm.SERVICE, lambda server: add_LlmServiceServicer_to_server(servicer, server), listen())
    async with serving as (port, ready):
        await ready()
        async with llm.LlmClient(f"127.0.0.1:{port}") as client:
            for _ in range(RUNS):
                engine.stopped.clear()
                async with client.chat(llm.Config((llm.Message(llm.Role.USER, "hello"),))) as events:
                    while not isinstance(await anext(events), llm.Delta):
                        pass
                    left = time.perf_counter()
                await engine.stopped.wait()
                seconds.append(time.perf_counter() - left)
    return seconds


@asynccontextmanager
async def speaking(engine: Hummer, worker: Worker) -> AsyncIterator[tts.TtsClient]:
    servicer = TtsServicer(engine, worker, Telemetry(new_provider("tts"), CollectorRegistry()), 10)
    await servicer.load("")
    serving = started(tts.SERVICE, lambda server: add_TtsServiceServicer_to_server(servicer, server), listen())
    async with serving as (port, ready):
        await ready()
        async with tts.TtsClient(f"127.0.0.1:{port}") as client:
            yield client


async def cancel_tts() -> list[float]:
    engine, worker, seconds = Hummer(), Worker("tts"), []
    async with speaking(engine, worker) as client:
        for _ in range(RUNS):
            engine.stopped.clear()
            async with client.synthesize(tts.Config(), text()) as events:
                while not isinstance(await anext(events), tts.Audio):
                    pass
                left = time.perf_counter()
            await engine.stopped.wait()
            seconds.append(time.perf_counter() - left)
    worker.close()
    return seconds


async def main() -> None:
    for name, run in (("llm", cancel_llm), ("tts", cancel_tts)):
        seconds = await run()
        p50, p95, worst = (1000 * percentile(seconds, share) for share in (0.5, 0.95, 1.0))
        print(f"{name}: cancel to idle over {RUNS} calls: p50 {p50:.1f} ms, p95 {p95:.1f} ms, worst {worst:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
