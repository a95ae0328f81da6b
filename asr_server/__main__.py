"""The ASR server's process: `python -m asr_server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr_server.config import AsrConfig
from asr_server.engine import Batching
from asr_server.engines import open_engine, open_turn_model
from asr_server.front_end.front_end import FrontEndConfig
from asr_server.scheduler import Scheduler
from asr_server.service import SERVICE, AsrServicer
from asr_server.transcriber import Models
from asr_server.turn_setup import TurnSetup
from parley.v1.asr_pb2_grpc import add_AsrServiceServicer_to_server
from serving.grpc_server import Listen, run, serve
from serving.status import EngineFacts, StatusServicer
from serving.threads import Worker

if TYPE_CHECKING:
    from serving.telemetry import Telemetry

_MAX_MESSAGE_BYTES = 64 * 1024


async def main(config: AsrConfig, telemetry: Telemetry) -> None:
    """Load the engine, and serve until told to stop."""
    engine = open_engine(config)
    worker = Worker("asr-engine")
    turns = TurnSetup(config, open_turn_model(config))
    scheduler = Scheduler(worker, engine if isinstance(engine, Batching) else None, config.batch_wait_ms / 1000)
    front_end = FrontEndConfig(config.highpass, config.agc)
    servicer = AsrServicer(Models(engine, scheduler, turns.detector, front_end), telemetry, config.max_streams)

    def facts() -> EngineFacts:
        return EngineFacts(engine.name, engine.model, turn_detection=turns.told)

    status = StatusServicer(
        "asr", telemetry.registry, facts, "parley_asr_streams_active", lambda: scheduler.wait_seconds
    )

    async def load() -> None:
        await worker.run(engine.load)
        await turns.load()

    listen = Listen(
        config.host,
        config.port,
        "PARLEY_ASR_PORT",
        config.metrics_port,
        config.drain_seconds,
        _MAX_MESSAGE_BYTES,
        config.tls,
    )
    try:
        await serve(
            SERVICE,
            lambda server: add_AsrServiceServicer_to_server(servicer, server),
            listen,
            load=load,
            telemetry=telemetry,
            status=status,
        )
    finally:
        worker.close()
        turns.close()


if __name__ == "__main__":
    run("asr", AsrConfig, main)
