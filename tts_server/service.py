"""`TtsService`: one call for each reply. The only place in this server that knows the generated messages."""

from __future__ import annotations

import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from parley._duplex import first_of
from parley.errors import InvalidInput, WrongState
from parley.tts import SERVICE as TTS_SERVICE
from parley.tts import Pronunciation, check_lexicon
from parley.v1 import audio_pb2, tts_pb2, tts_pb2_grpc
from serving.admission import Slots
from serving.call_status import statuses
from serving.calls import Peer
from serving.metrics import exemplar
from serving.status import EngineFacts
from tts_server.cache.synthesizer import CachedSynthesizer
from tts_server.engine import StandingIn, choose, speaking
from tts_server.lexicons import NO_WORDS, Lexicons
from tts_server.metrics import TtsMetrics
from tts_server.prosody import Adjust, Prosody
from tts_server.spans import SentenceSpans
from tts_server.speaker import Chunk, Delta, Event, Mark, Sentence, Speaker
from tts_server.synthesizer import EngineSynthesizer
from tts_server.text.spoken import prepare

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    import grpc.aio
    from prometheus_client import Histogram

    from serving.telemetry import Telemetry
    from serving.threads import Worker
    from tts_server.cache.store import Store
    from tts_server.engine import Engine, Voice
    from tts_server.synthesizer import Synthesizer

    Requests = AsyncIterable[tts_pb2.SynthesizeRequest]
    Context = grpc.aio.ServicerContext[tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeResponse]
    ListContext = grpc.aio.ServicerContext[tts_pb2.ListVoicesRequest, tts_pb2.ListVoicesResponse]

SERVICE: Final = TTS_SERVICE

_RATES: Final = (16_000, 24_000, 48_000)
_DEFAULT_RATE_HZ: Final = 24_000
_SPEEDS: Final = (0.5, 2.0)
_GAINS_DB: Final = (-20.0, 12.0)
# The first sounds of a reply are waited for; what follows comes before it is played, and goes with others' first ones.
_AWAITED_CHUNKS: Final = 2
# Who speaks a language is looked for among a hundred voices: choices that are remembered, since callers may name any.
_CHOICES: Final = 64


class TtsServicer(tts_pb2_grpc.TtsServiceServicer):
    """Speaks replies."""

    def __init__(  # noqa: PLR0913 - each is named where there are many
        self,
        engine: Engine,
        worker: Worker,
        telemetry: Telemetry,
        max_calls: int,
        store: Store | None = None,
        *,
        lexicons: Lexicons = NO_WORDS,
    ) -> None:
        """Share `engine`, on `worker`, among at most `max_calls` calls; `load` comes before the first.

        What was spoken is put into `store`. Words are pronounced as a call says, and otherwise as `lexicons` does.
        """
        self._lexicons = lexicons
        self._engine = engine
        self._worker = worker
        self._metrics = TtsMetrics(telemetry)
        self._synthesizer: Synthesizer = EngineSynthesizer(engine, worker, self._metrics)
        if store is not None:
            self._synthesizer = CachedSynthesizer(engine.name, self._synthesizer, store, self._metrics.cache)
        self._telemetry = telemetry
        self._voices: tuple[Voice, ...] = ()
        self._choose: Callable[[str, str], Voice] = partial(choose, ())
        self._problem = ""
        self._slots = Slots(max_calls, self._metrics.calls, "calls", retry_after_ms=500)

    async def load(self, default_voice: str) -> None:
        """Make the engine ready; `default_voice` comes first among the voices.

        Raises:
            Unavailable: something is missing.
            InvalidInput: there is no such voice.
        """
        await self._worker.run(prepare)
        voices = await self._worker.run(self._engine.load)
        if isinstance(self._engine, StandingIn):
            self._problem = self._engine.problem
        # Who stands in may not know the voice of the other, and speaks all the same.
        known = not self._problem or any(voice.name == default_voice.lower() for voice in voices)
        first = choose(voices, default_voice if known else "", "")
        self._voices = (first, *(voice for voice in voices if voice != first))
        self._choose = lru_cache(_CHOICES)(partial(choose, self._voices))

    def engine_wait(self) -> float:
        """How long the work has waited that waits longest for the engine, seconds."""
        return self._metrics.workload.wait_seconds

    def facts(self) -> EngineFacts:
        """What is known of the engine; its model is the voice that speaks where none is asked for."""
        return EngineFacts(self._engine.name, next((voice.name for voice in self._voices), ""), self._problem)

    async def ListVoices(  # noqa: N802 - the name in the proto
        self,
        request: tts_pb2.ListVoicesRequest,
        context: ListContext,
    ) -> tts_pb2.ListVoicesResponse:
        """The voices of a language, or all."""
        return tts_pb2.ListVoicesResponse(
            engine=self._engine.name,
            voices=[
                tts_pb2.Voice(
                    name=voice.name,
                    language=voice.language,
                    description=voice.description,
                    sample_rate_hz=voice.sample_rate_hz,
                )
                for voice in speaking(self._voices, request.language)
            ],
        )

    async def Synthesize(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: Requests, context: Context
    ) -> None:
        """Speak one reply."""
        async with statuses(context):
            try:
                with self._slots.take():
                    await self._reply(Peer(request_iterator, context))
            except BaseExceptionGroup as group:
                raise first_of(group) from None

    async def _reply(self, peer: Peer[tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeResponse]) -> None:
        config = _config(await anext(peer, None))
        words = [Pronunciation(entry.written, entry.spoken) for entry in config.lexicon]
        own = check_lexicon(words, "config.lexicon")
        voice = self._choose(config.voice, config.language)
        rate = config.sample_rate_hz or _DEFAULT_RATE_HZ
        prosody = Prosody(config.speed if config.HasField("speed") else 1.0, config.gain_db)
        engine = voice.engine or self._engine.name
        ready = tts_pb2.SynthesizeReady(engine=engine, voice=voice.name, sample_rate_hz=rate)
        await peer.write_later(tts_pb2.SynthesizeResponse(ready=ready))
        speaker = Speaker(self._synthesizer, voice, rate, prosody, self._lexicons.lexicon(voice.language, own))
        parent = config.trace.traceparent or peer.traceparent
        spans = SentenceSpans(self._telemetry, parent, config.session_id, engine)

        async def emit(event: Event) -> None:
            if isinstance(event, Sentence):
                self._observe(self._metrics.first_audio, (event.first_audio_ns - event.ready_ns) / 1e9, parent)
                spans.made(event)
            is_awaited = isinstance(event, Chunk) and event.number < _AWAITED_CHUNKS
            send = peer.write if is_awaited else peer.write_later
            await send(_to_proto(event))

        try:
            with spans.of(speaker):
                await speaker.speak(_pieces(peer), emit)
        finally:
            if speaker.left_seconds:
                self._observe(self._metrics.cancel_to_idle, time.monotonic() - speaker.left_seconds, parent)
        finished = tts_pb2.SynthesizeFinished(samples=speaker.samples, characters=speaker.characters)
        await peer.write(tts_pb2.SynthesizeResponse(finished=finished))

    def _observe(self, histogram: Histogram, seconds: float, traceparent: str) -> None:
        self._telemetry.later(lambda: histogram.observe(seconds, exemplar(traceparent)))


async def _pieces(requests: AsyncIterator[tts_pb2.SynthesizeRequest]) -> AsyncIterator[Delta]:
    """Text as it comes; None where what there is shall be spoken now."""
    async for request in requests:
        match request.WhichOneof("request"):
            case "text":
                yield request.text.text
            case "speak_now":
                yield None
            case "adjust":
                _check(request.adjust, "adjust")
                speed = request.adjust.speed if request.adjust.HasField("speed") else None
                yield Adjust(speed, request.adjust.gain_db if request.adjust.HasField("gain_db") else None)
            case "config":
                raise WrongState("a second configuration in one call", field="config")
            case _:
                pass


def _config(request: tts_pb2.SynthesizeRequest | None) -> tts_pb2.SynthesizeConfig:
    """The first request as a configuration that this server can serve."""
    if request is None or request.WhichOneof("request") != "config":
        raise InvalidInput("the first request must be the configuration", field="config")
    config = request.config
    if config.sample_rate_hz and config.sample_rate_hz not in _RATES:
        wanted = ", ".join(str(rate) for rate in _RATES)
        raise InvalidInput(f"sample_rate_hz {config.sample_rate_hz}: one of {wanted}", field="config.sample_rate_hz")
    _check(config, "config")
    return config


def _check(given: tts_pb2.SynthesizeConfig | tts_pb2.SynthesizeAdjust, where: str) -> None:
    """See whether speech can be so fast and so loud."""
    if given.HasField("speed") and not _SPEEDS[0] <= given.speed <= _SPEEDS[1]:
        raise InvalidInput(f"speed {given.speed:g}: from {_SPEEDS[0]} to {_SPEEDS[1]}", field=f"{where}.speed")
    if not _GAINS_DB[0] <= given.gain_db <= _GAINS_DB[1]:
        message = f"gain_db {given.gain_db:g}: from {_GAINS_DB[0]:g} to {_GAINS_DB[1]:g}"
        raise InvalidInput(message, field=f"{where}.gain_db")


def _to_proto(event: Event) -> tts_pb2.SynthesizeResponse:
    match event:
        case Mark():
            mark = tts_pb2.WordMark(
                first_character=event.start_char,
                end_character=event.end_char,
                first_sample=event.sample,
                estimated=event.estimated,
            )
            return tts_pb2.SynthesizeResponse(word=mark)
        case Chunk():
            chunk = audio_pb2.AudioChunk(pcm=event.pcm, first_sample=event.sample, sequence=event.number)
            return tts_pb2.SynthesizeResponse(audio=chunk)
        case Sentence():
            return _sentence_end(event)


def _sentence_end(sentence: Sentence) -> tts_pb2.SynthesizeResponse:
    timings = tts_pb2.TtsTimings(
        queue_ms=(sentence.begun_ns - sentence.ready_ns) / 1e6,
        first_audio_ms=(sentence.first_audio_ns - sentence.ready_ns) / 1e6,
        total_ms=(sentence.end_ns - sentence.ready_ns) / 1e6,
        cached=sentence.cached,
    )
    end = tts_pb2.SentenceEnd(
        sentence=sentence.number, end_character=sentence.end_char, end_sample=sentence.end_sample, timings=timings
    )
    return tts_pb2.SynthesizeResponse(sentence_end=end)
