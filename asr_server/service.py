"""`AsrService`: one stream for each session. The only place in this server that knows the generated messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from asr_server.metrics import AsrMetrics
from asr_server.stream import ACK_SAMPLES, Stream
from asr_server.stream_config import agreed
from asr_server.turn_telemetry import TurnTelemetry
from parley import asr
from parley._duplex import first_of
from parley.v1 import asr_pb2, asr_pb2_grpc
from serving.admission import Slots
from serving.call_status import statuses
from serving.calls import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    import grpc.aio

    from asr_server.transcriber import Models
    from serving.telemetry import Telemetry

    Requests = AsyncIterable[asr_pb2.TranscribeRequest]
    Context = grpc.aio.ServicerContext[asr_pb2.TranscribeRequest, asr_pb2.TranscribeResponse]
    ListContext = grpc.aio.ServicerContext[asr_pb2.ListLanguagesRequest, asr_pb2.ListLanguagesResponse]

SERVICE: Final = asr.SERVICE


class AsrServicer(asr_pb2_grpc.AsrServiceServicer):
    """Transcribes streams."""

    def __init__(self, models: Models, telemetry: Telemetry, max_streams: int) -> None:
        """Share `models` among at most `max_streams` streams."""
        self._models = models
        self._telemetry = telemetry
        self._metrics = AsrMetrics(telemetry, models.scheduler)
        self._slots = Slots(max_streams, self._metrics.streams, "streams", retry_after_ms=1_000)

    async def Transcribe(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: Requests, context: Context
    ) -> None:
        """One session's stream."""
        async with statuses(context):
            try:
                with self._slots.take():
                    await self._stream(Peer(request_iterator, context))
            except BaseExceptionGroup as group:
                raise first_of(group) from None

    async def ListLanguages(  # noqa: N802 - the name in the proto
        self, request: asr_pb2.ListLanguagesRequest, context: ListContext
    ) -> asr_pb2.ListLanguagesResponse:
        """The engine and its languages."""
        del request, context
        engine = self._models.engine
        return asr_pb2.ListLanguagesResponse(engine=engine.name, model=engine.model, languages=engine.languages)

    async def _stream(self, peer: Peer[asr_pb2.TranscribeRequest, asr_pb2.TranscribeResponse]) -> None:
        engine = self._models.engine
        first = await anext(peer, None)
        config = agreed(None if first is None else asr.request_from_proto(first), engine)
        telemetry = TurnTelemetry(self._telemetry, self._metrics, config.session_id)
        telemetry.stream(config.first_turn, config.traceparent or peer.traceparent)

        async def write(event: asr.Event) -> None:
            send = peer.write_later if isinstance(event, asr.AudioAck) else peer.write
            await send(asr.event_to_proto(event))

        await write(asr.Ready(engine.name, engine.model, config.language, ACK_SAMPLES))
        async with asyncio.TaskGroup() as tasks:
            stream = Stream(tasks, self._models, config, telemetry, write)
            tasks.create_task(stream.run(), name="stream")
            async for message in peer:
                request = asr.request_from_proto(message)
                if request is None:
                    self._metrics.unknown_requests.inc()
                else:
                    await stream.take(request)
            stream.close()
