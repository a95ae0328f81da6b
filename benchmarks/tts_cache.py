"""How soon the first sound of a sentence comes: made by the engine, kept in memory, kept in a Redis; over real gRPC.

The engine and the Redis are those of the environment, as for the TTS server; client and server share one event loop.
Run it with the package installed: `PARLEY_REDIS_URL=redis://localhost python benchmarks/tts_cache.py`.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from parley import tts
from parley.v1.tts_pb2_grpc import add_TtsServiceServicer_to_server
from parley_cli.percentiles import percentile
from serving.config import read
from serving.grpc_server import Listen, started
from serving.telemetry import Telemetry, new_provider
from serving.threads import Worker
from tts_server.__main__ import open_store
from tts_server.config import TtsConfig
from tts_server.engines import default_voice, open_engine
from tts_server.service import TtsServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tts_server.engine import Engine

SENTENCES = 40


@asynccontextmanager
async def serving(config: TtsConfig, engine: Engine, worker: Worker) -> AsyncIterator[tts.TtsClient]:
    """A TTS server with nothing in its memory yet."""
    telemetry = Telemetry(new_provider("tts"), CollectorRegistry())
    async with open_store(config, telemetry) as store:
        servicer = TtsServicer(engine, worker, telemetry, 10, store)
        await servicer.load(default_voice(config))
        listen = Listen("127.0.0.1", 0, "PORT", 0, 0.0, 64 * 1024)
        register = started(tts.SERVICE, lambda server: add_TtsServiceServicer_to_server(servicer, server), listen)
        async with register as (port, ready):
            await ready()
            async with tts.TtsClient(f"127.0.0.1:{port}") as client:
                await client.voices()
                yield client


async def one(text: str) -> AsyncIterator[tts.Request]:
    yield text


async def first_sounds(client: tts.TtsClient, texts: Sequence[str], *, cached: bool) -> list[float]:
    """Milliseconds from asking to the first chunk, of each text."""
    taken = []
    for text in texts:
        began, first = time.perf_counter(), 0.0
        async with client.synthesize(tts.Config(), one(text)) as events:
            async for event in events:
                if isinstance(event, tts.Audio):
                    first = first or time.perf_counter()
                elif isinstance(event, tts.SentenceEnd) and event.cached != cached:
                    raise SystemExit(f"cached: {event.cached}, and {cached} was wanted; is something left in Redis?")
        taken.append((first - began) * 1000)
    return taken


def show(what: str, taken: list[float]) -> None:
    print(f"{what:20} first chunk p50 {percentile(taken, 0.5):6.2f} ms, p95 {percentile(taken, 0.95):6.2f} ms")


async def main() -> None:
    config = read(TtsConfig, os.environ)
    engine = open_engine(config)
    worker = Worker("tts", engine.parallel)
    # Others in every run, so that none of them is in the Redis yet.
    texts = [f"Sentence {time.time_ns() % 10**6} is number {number} of them all." for number in range(SENTENCES)]
    try:
        async with serving(replace(config, redis_url=""), engine, worker) as client:
            show(engine.name, await first_sounds(client, texts, cached=False))
            show("memory", await first_sounds(client, texts, cached=True))
        if config.redis_url:
            async with serving(config, engine, worker) as client:
                show(f"{engine.name}, put in Redis", await first_sounds(client, texts, cached=False))
            async with serving(config, engine, worker) as client:
                show("Redis", await first_sounds(client, texts, cached=True))
    finally:
        worker.close()


if __name__ == "__main__":
    asyncio.run(main())
