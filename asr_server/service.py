"""`AsrService`: one stream for each session. The only place in this server that knows the generated messages."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

from asr_server.endpointing.config import endpoint_config
from asr_server.endpointing.endpointer import Reason
from asr_server.endpointing.turn_model import Judge
from asr_server.recognition import Hearing, Means
from asr_server.turn_telemetry import Records
from parley import asr
from parley._duplex import first_of
from parley.errors import InvalidInput, TooLarge, WrongState
from parley.v1 import asr_pb2_grpc
from serving.admission import Slots
from serving.grpc_server import statuses

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    import grpc.aio

    from asr_server.engine import Engine
    from asr_server.scheduler import Scheduler
    from parley.v1 import asr_pb2
    from serving.telemetry import Telemetry

    Requests = AsyncIterable[asr_pb2.TranscribeRequest]
    Context = grpc.aio.ServicerContext[asr_pb2.TranscribeRequest, asr_pb2.TranscribeResponse]

SERVICE: Final = asr.SERVICE

_log = logging.getLogger("parley.asr")

_RATE_HZ: Final = 16_000
_MAX_CHUNK_BYTES: Final = 60 * 1024
_MOST_HINTS: Final = 100
_LAST_SAMPLE: Final = 2**53
_LAST_TURN: Final = 2**31


class AsrServicer(asr_pb2_grpc.AsrServiceServicer):
    """Transcribes streams."""

    def __init__(
        self, engine: Engine, scheduler: Scheduler, telemetry: Telemetry, max_streams: int, judge: Judge | None = None
    ) -> None:
        """Share `engine` among at most `max_streams` streams, through `scheduler`; without a `judge` words decide."""
        self._engine = engine
        self._means = Means(engine, scheduler, judge or Judge())
        self._telemetry = telemetry
        self._final_seconds = telemetry.histogram("parley_asr_final_seconds", "From the end of a turn to its words.")
        active = Gauge("parley_asr_streams_active", "Streams now.", registry=telemetry.registry)
        self._slots = Slots(max_streams, active, "streams", retry_after_ms=1_000)
        self._unknown = Counter(
            "parley_unknown_requests",
            "Requests of a kind that this version does not know.",
            registry=telemetry.registry,
        )

    async def Transcribe(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: Requests, context: Context
    ) -> None:
        """One session's stream."""
        async with statuses(context):
            try:
                with self._slots.take():
                    await self._stream(request_iterator, context)
            except BaseExceptionGroup as group:
                raise first_of(group) from None

    async def _stream(self, requests: Requests, context: Context) -> None:
        incoming = aiter(requests)
        config = self._agreed(await anext(incoming, None))
        records = Records(self._telemetry, self._final_seconds, config.session_id)
        records.context(config.first_turn, config.traceparent)
        turn_to_write = asyncio.Lock()

        async def emit(event: asr.Event) -> None:
            # grpc.aio takes one write at a time; words come from other tasks than voice.
            async with turn_to_write:
                await context.write(asr.event_to_proto(event))

        hearing = Hearing(self._means, config, records, emit)
        await emit(asr.Ready(self._engine.name, self._engine.model, config.language))
        async with asyncio.TaskGroup() as tasks:
            async for message in incoming:
                await self._take(tasks, hearing, records, config, message)
            await hearing.flush(tasks, Reason.STREAM_END)

    async def _take(
        self,
        tasks: asyncio.TaskGroup,
        hearing: Hearing,
        records: Records,
        config: asr.Config,
        message: asr_pb2.TranscribeRequest,
    ) -> None:
        match asr.request_from_proto(message):
            case asr.Audio() as audio:
                if len(audio.pcm) > _MAX_CHUNK_BYTES:
                    raise TooLarge(f"a chunk of {len(audio.pcm)} bytes: at most {_MAX_CHUNK_BYTES}", field="audio.pcm")
                await hearing.hear(tasks, audio)
            case asr.TurnContext() as turn:
                records.context(turn.turn, turn.traceparent)
                if turn.previous_ignored:
                    hearing.unlearn()
            case asr.Flush():
                await hearing.flush(tasks)
            case asr.Assistant() as state:
                hearing.assistant(state)
            case asr.Config() as update:
                hearing.update(_checked_update(config, update))
            case None:
                self._unknown.inc()

    def _agreed(self, message: asr_pb2.TranscribeRequest | None) -> asr.Config:
        """The first request as a configuration that this server can serve."""
        first = None if message is None else asr.request_from_proto(message)
        if not isinstance(first, asr.Config):
            raise InvalidInput("the first request must be the configuration", field="config")
        if first.sample_rate_hz != _RATE_HZ:
            raise InvalidInput(
                f"sample_rate_hz {first.sample_rate_hz}: only {_RATE_HZ} is taken", field="config.sample_rate_hz"
            )
        if not 0 <= first.first_sample <= _LAST_SAMPLE or first.first_turn > _LAST_TURN:
            raise InvalidInput("first_sample or first_turn is out of range", field="config.first_sample")
        if len(first.hints) > _MOST_HINTS:
            raise InvalidInput(f"{len(first.hints)} hints: at most {_MOST_HINTS}", field="config.hints")
        endpoint_config(first.endpointing)
        language = self._language(first.language)
        return asr.Config(
            language=language,
            hints=first.hints,
            endpointing=first.endpointing,
            partials=first.partials,
            session_id=first.session_id,
            first_sample=first.first_sample,
            first_turn=first.first_turn,
            traceparent=first.traceparent,
        )

    def _language(self, asked: str) -> str:
        """The engine's language for what was asked; "en-GB" is served by "en"."""
        known = self._engine.languages
        if not asked:
            return known[0]
        for language in known:
            if asked.casefold() == language.casefold() or asked.casefold().startswith(f"{language.casefold()}-"):
                return language
        raise InvalidInput(f"language {asked!r}: {self._engine.name} has {', '.join(known)}", field="config.language")


def _checked_update(config: asr.Config, update: asr.Config) -> asr.Config:
    """A second configuration, if it changes only what a stream can change."""
    if update.sample_rate_hz != config.sample_rate_hz:
        raise WrongState("the sample rate of a stream cannot change", field="config.sample_rate_hz")
    if update.language and not update.language.casefold().startswith(config.language.casefold()):
        raise WrongState("the language of a stream cannot change", field="config.language")
    endpoint_config(update.endpointing)
    return update
