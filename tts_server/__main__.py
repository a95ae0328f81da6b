"""The TTS server's process: `python -m tts_server`."""

from __future__ import annotations

import importlib.util
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from parley.errors import not_installed
from parley.v1.tts_pb2_grpc import add_TtsServiceServicer_to_server
from serving.grpc_server import Listen, run, serve
from serving.status import StatusServicer
from serving.threads import Worker
from tts_server.cache.store import MemoryStore
from tts_server.config import TtsConfig
from tts_server.engines import default_voice, open_engine
from tts_server.lexicons import read_lexicons
from tts_server.service import SERVICE, TtsServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving.telemetry import Telemetry
    from tts_server.cache.redis_store import RedisStore
    from tts_server.cache.store import Store

_MAX_MESSAGE_BYTES = 64 * 1024
_MB = 1_000_000


async def main(config: TtsConfig, telemetry: Telemetry) -> None:
    """Load the engine, and serve until told to stop."""
    lexicons = read_lexicons(config.lexicon)
    engine = open_engine(config)
    worker = Worker("tts-engine", engine.parallel)
    listen = Listen(
        config.host,
        config.port,
        "PARLEY_TTS_PORT",
        config.metrics_port,
        config.drain_seconds,
        _MAX_MESSAGE_BYTES,
        config.tls,
    )
    try:
        async with open_store(config, telemetry) as store:
            servicer = TtsServicer(engine, worker, telemetry, config.max_calls, store, lexicons=lexicons)
            status = StatusServicer(
                "tts", telemetry.registry, servicer.facts, "parley_tts_calls_active", servicer.engine_wait
            )
            await serve(
                SERVICE,
                lambda server: add_TtsServiceServicer_to_server(servicer, server),
                listen,
                load=lambda: servicer.load(default_voice(config)),
                telemetry=telemetry,
                status=status,
            )
    finally:
        worker.close()


@asynccontextmanager
async def open_store(config: TtsConfig, telemetry: Telemetry) -> AsyncIterator[Store | None]:
    """Where speech is kept to be said again; None: nowhere.

    Raises:
        Unavailable: the package for Redis is missing, or its URL is none.
    """
    if not config.cache_mb:
        yield None
        return
    redis = _open_redis(config.redis_url) if config.redis_url else None
    store = MemoryStore(config.cache_mb * _MB, redis)
    size = Gauge("parley_tts_cache_bytes", "Speech kept in memory to be said again.", registry=telemetry.registry)
    size.set_function(lambda: store.size_bytes)
    try:
        yield store
    finally:
        if redis is not None:
            await redis.close()


def _open_redis(url: str) -> RedisStore:
    if importlib.util.find_spec("redis") is None:
        raise not_installed("redis, which PARLEY_REDIS_URL needs,", "redis")
    from tts_server.cache.redis_store import RedisStore  # noqa: PLC0415 - most servers have no Redis

    return RedisStore(url)


if __name__ == "__main__":
    run("tts", TtsConfig, main)
