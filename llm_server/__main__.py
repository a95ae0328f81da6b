"""The LLM server's process: `python -m llm_server`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llm_server.builtin_tools import builtin_tools
from llm_server.config import LlmConfig
from llm_server.engine import Sampling
from llm_server.engines import open_engine
from llm_server.service import SERVICE, LlmServicer
from parley._duplex import first_of
from parley.v1.llm_pb2_grpc import add_LlmServiceServicer_to_server
from serving.grpc_server import Listen, run, serve
from serving.status import StatusServicer
from serving.threads import Worker

if TYPE_CHECKING:
    from serving.telemetry import Telemetry

_MAX_MESSAGE_BYTES = 256 * 1024


async def main(config: LlmConfig, telemetry: Telemetry) -> None:
    """Load the engine, and serve until told to stop."""
    engine = open_engine(config)
    worker = Worker("llm-engine")
    servicer = LlmServicer(
        engine,
        telemetry,
        config.max_calls,
        builtin_tools(config.tools),
        sampling=Sampling(config.temperature, config.top_p, config.seed),
    )
    status = StatusServicer("llm", telemetry.registry, servicer.facts, "parley_llm_calls_active", servicer.engine_wait)
    listen = Listen(
        config.host,
        config.port,
        "PARLEY_LLM_PORT",
        config.metrics_port,
        config.drain_seconds,
        _MAX_MESSAGE_BYTES,
        config.tls,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            warming = tasks.create_task(engine.keep_warm(), name="keep warm")
            await serve(
                SERVICE,
                lambda server: add_LlmServiceServicer_to_server(servicer, server),
                listen,
                load=lambda: worker.run(engine.load),
                telemetry=telemetry,
                status=status,
            )
            warming.cancel()
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    finally:
        worker.close()
        await engine.close()


if __name__ == "__main__":
    run("llm", LlmConfig, main)
