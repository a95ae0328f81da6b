"""The TTS server's process: `python -m tts_server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.v1.tts_pb2_grpc import add_TtsServiceServicer_to_server
from serving.grpc_server import Listen, run, serve
from serving.threads import Worker
from tts_server.config import TtsConfig
from tts_server.engines import default_voice, open_engine
from tts_server.service import SERVICE, TtsServicer

if TYPE_CHECKING:
    from serving.telemetry import Telemetry

_MAX_MESSAGE_BYTES = 64 * 1024


async def main(config: TtsConfig, telemetry: Telemetry) -> None:
    """Load the engine, and serve until told to stop."""
    engine = open_engine(config)
    worker = Worker("tts-engine", engine.parallel)
    servicer = TtsServicer(engine, worker, telemetry, config.max_calls)
    listen = Listen(
        config.host, config.port, "PARLEY_TTS_PORT", config.metrics_port, config.drain_seconds, _MAX_MESSAGE_BYTES
    )
    try:
        await serve(
            SERVICE,
            lambda server: add_TtsServiceServicer_to_server(servicer, server),
            listen,
            load=lambda: servicer.load(default_voice(config)),
            telemetry=telemetry,
        )
    finally:
        worker.close()


if __name__ == "__main__":
    run("tts", TtsConfig, main)
