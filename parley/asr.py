"""Client of the ASR server: sound goes up, turns of text come down.

Knows nothing of microphones, codecs or replies.
"""

from __future__ import annotations

import asyncio
import enum
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from parley._channel import open_channel
from parley._convert import extract, fill
from parley._duplex import duplex
from parley.v1 import asr_pb2, asr_pb2_grpc, audio_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

SERVICE = "parley.v1.AsrService"


class Assistant(enum.Enum):
    """What the assistant is doing, since thresholds differ while it speaks."""

    IDLE = asr_pb2.ASSISTANT_STATE_IDLE
    THINKING = asr_pb2.ASSISTANT_STATE_THINKING
    SPEAKING = asr_pb2.ASSISTANT_STATE_SPEAKING


@dataclass(frozen=True, slots=True)
class Endpointing:
    """When turns begin and end; None keeps the server's default. Meanings: `EndpointingConfig` in asr.proto."""

    start_threshold: float | None = None
    """Voice probability that starts voice, 0 to 1."""
    release_threshold: float | None = None
    """Voice probability under which voice ends, 0 to 1."""
    min_speech_ms: int | None = None
    """Voiced milliseconds that make a start of speech."""
    min_speech_while_assistant_speaks_ms: int | None = None
    """The same while the assistant speaks."""
    pre_roll_ms: int | None = None
    """Milliseconds of sound kept from before the first voice."""
    eager_silence_ms: int | None = None
    """Silence after which a head start may begin; 0 turns head starts off."""
    finished_silence_ms: int | None = None
    """Silence that ends a turn whose words look finished."""
    default_silence_ms: int | None = None
    """Silence that ends a turn where nothing is known of the words."""
    unfinished_silence_ms: int | None = None
    """Silence that ends a turn whose words look unfinished."""
    dictation_silence_ms: int | None = None
    """Silence that ends a turn in which digits are dictated."""
    soft_limit_ms: int | None = None
    """Speech after which the next pause ends the turn."""
    hard_limit_ms: int | None = None
    """Speech after which the turn ends wherever it is."""
    eager_limit_ms: int | None = None
    """Longest speech for which a head start is worth its cost."""
    patient_silence_ms: int | None = None
    """Silence that ends a finished turn of a speaker who pauses, or is not known yet."""
    patience_limit_ms: int | None = None
    """Longest silence that is waited after words that look finished."""
    hesitant_silence_ms: int | None = None
    """Least silence that ends a turn whose words only lack a full stop."""

    def to_proto(self) -> asr_pb2.EndpointingConfig:
        """The same on the wire."""
        given = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}
        return asr_pb2.EndpointingConfig(**given)

    @classmethod
    def from_proto(cls, config: asr_pb2.EndpointingConfig) -> Self:
        """What a message says; absent fields are None."""
        return cls(**{name: getattr(config, name) for name in cls.__slots__ if config.HasField(name)})  # type: ignore[arg-type]  # names are the message's own


@dataclass(frozen=True, slots=True)
class Config:
    """How a session is to be transcribed."""

    language: str = ""
    """BCP 47; empty: the engine's first language; "auto": the engine finds it out."""
    hints: tuple[str, ...] = ()
    """Words and names to expect."""
    endpointing: Endpointing = field(default_factory=Endpointing)
    """When turns begin and end."""
    partials: bool = True
    """Whether partials are wanted."""
    session_id: str = ""
    """Name for the server's logs."""
    first_sample: int = 0
    """Sample of the session's clock at which this stream begins."""
    first_turn: int = 1
    """Number of the first turn."""
    traceparent: str = ""
    """Trace context of the first turn."""
    sample_rate_hz: int = 16_000
    """Samples per second of the audio."""

    def to_proto(self) -> asr_pb2.TranscribeConfig:
        """The same on the wire."""
        return asr_pb2.TranscribeConfig(
            language=self.language,
            sample_rate_hz=self.sample_rate_hz,
            hints=self.hints,
            endpointing=self.endpointing.to_proto(),
            no_partials=not self.partials,
            session_id=self.session_id,
            first_sample=self.first_sample,
            first_turn=self.first_turn,
            trace=audio_pb2.TraceContext(traceparent=self.traceparent),
        )

    @classmethod
    def from_proto(cls, config: asr_pb2.TranscribeConfig) -> Self:
        """What a message says."""
        return cls(
            language=config.language,
            hints=tuple(config.hints),
            endpointing=Endpointing.from_proto(config.endpointing),
            partials=not config.no_partials,
            session_id=config.session_id,
            first_sample=config.first_sample,
            first_turn=config.first_turn or 1,
            traceparent=config.trace.traceparent,
            sample_rate_hz=config.sample_rate_hz or 16_000,
        )


@dataclass(frozen=True, slots=True)
class Audio:
    """A run of sound."""

    pcm: bytes
    """s16le mono at the stream's rate, best 40 ms at a time."""
    first_sample: int
    """Its place on the session's audio clock."""
    sequence: int = 0
    """Number of the chunk."""
    captured_unix_us: int = 0
    """When its first sample was captured; 0: not known."""


@dataclass(frozen=True, slots=True)
class TurnContext:
    """Trace context of a turn, sent before its speech begins."""

    turn: int
    """The turn."""
    traceparent: str
    """W3C `traceparent`."""
    previous_ignored: bool = False
    """The turn before was an echo or a nod: its pauses say nothing of the speaker."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Finalise what was said so far."""


Request = Config | Audio | TurnContext | Flush | Assistant


@dataclass(frozen=True, slots=True)
class Ready:
    """The stream is admitted and the model is warm."""

    engine: str
    """Name of the engine."""
    model: str
    """Name of the model."""
    language: str
    """Language that will be transcribed."""


@dataclass(frozen=True, slots=True)
class VoiceOnset:
    """First voiced sound after silence; perhaps no speech."""

    turn: int
    """The turn that it would begin or go on with."""
    sample: int
    """First voiced sample."""


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """Voice has fallen silent, for now."""

    turn: int
    """The turn."""
    sample: int
    """Sample after the last voiced one."""
    voiced_ms: int
    """Voiced milliseconds of the turn so far."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """There was enough voice to call it speech."""

    turn: int
    """Number of the turn."""
    first_sample: int
    """First voiced sample."""
    voiced_ms: int
    """Voiced milliseconds so far."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What the user seems to be saying."""

    turn: int
    """The turn."""
    text: str
    """The whole text so far."""
    stable_characters: int
    """Characters at its start that will not change."""
    voiced_ms: int
    """Voiced milliseconds of the turn so far."""


@dataclass(frozen=True, slots=True)
class EagerEndOfTurn:
    """The user has probably finished."""

    turn: int
    """The turn."""
    text: str
    """The words."""
    speech_end_sample: int
    """Sample after the last voiced one."""


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The user went on after an `EagerEndOfTurn`."""

    turn: int
    """The turn."""
    sample: int
    """First sample of the new voice."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the parts of a turn took in the ASR server."""

    endpoint_ms: float
    """Silence in the audio between the last voiced sample and the decision."""
    queue_ms: float
    """Wait for the engine."""
    transcribe_ms: float
    """The engine's own work."""
    final_ms: float
    """From the decision to the words."""
    eager: bool
    """True when the words are those of an eager end."""
    known_ms: float = 0.0
    """How long before the decision the words were known; 0: they came after it."""


class EndReason(enum.Enum):
    """Why a turn was ended."""

    UNSPECIFIED = asr_pb2.END_REASON_UNSPECIFIED
    SILENCE = asr_pb2.END_REASON_SILENCE
    FLUSH = asr_pb2.END_REASON_FLUSH
    TOO_LONG = asr_pb2.END_REASON_TOO_LONG
    STREAM_END = asr_pb2.END_REASON_STREAM_END


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it sounds."""

    text: str
    """The word."""
    first_sample: int
    """First sample on the session's audio clock."""
    end_sample: int
    """Sample after the last one."""
    confidence: float | None = None
    """How sure the engine is, 0 to 1; None: it does not say."""


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The words of a turn."""

    turn: int
    """The turn."""
    text: str
    """The words, never empty."""
    first_sample: int
    """First sample that the turn accounts for."""
    end_sample: int
    """Sample after the last one that it accounts for, and that had been looked at when it was taken to be over."""
    speech_end_sample: int
    """Sample after the last voiced one: where mic-to-speaker latency begins."""
    reason: EndReason
    """Why the turn was ended."""
    timings: Timings
    """How long things took."""
    voiced_ms: int
    """Voiced milliseconds of the turn."""
    words: tuple[Word, ...] = ()
    """Where each word sounds; empty when the engine does not say."""
    language: str = ""
    """Language that was heard."""
    longest_pause_ms: int = 0
    """The longest silence within the turn."""
    language_confidence: float | None = None
    """How sure the engine is of the language, 0 to 1; None: it was given."""


class DiscardReason(enum.Enum):
    """Why sound was discarded."""

    UNSPECIFIED = asr_pb2.DISCARD_REASON_UNSPECIFIED
    TOO_SHORT = asr_pb2.DISCARD_REASON_TOO_SHORT
    NO_WORDS = asr_pb2.DISCARD_REASON_NO_WORDS
    NOISE = asr_pb2.DISCARD_REASON_NOISE


@dataclass(frozen=True, slots=True)
class TurnDiscarded:
    """What had begun was no turn after all."""

    turn: int
    """The turn; its number is used again."""
    reason: DiscardReason
    """Why."""
    first_sample: int
    """First sample discarded."""
    end_sample: int
    """Sample after the last one discarded."""


@dataclass(frozen=True, slots=True)
class AudioAck:
    """All sound before `end_sample` is accounted for."""

    end_sample: int
    """First sample not yet accounted for."""


Event = (
    Ready
    | VoiceOnset
    | VoiceStopped
    | SpeechStarted
    | Partial
    | EagerEndOfTurn
    | TurnResumed
    | EndOfTurn
    | TurnDiscarded
    | AudioAck
)


class AsrClient:
    """Client of one ASR server, or of several behind one name.

    Example:
        async with AsrClient("localhost:50051") as asr, asr.transcribe(requests()) as events:
            async for event in events: ...
    """

    def __init__(self, address: str) -> None:
        """Prepare a channel to `address` ("host:port"); it connects with the first call."""
        self._channel = open_channel(address, SERVICE)
        self._stub: asr_pb2_grpc.AsrServiceAsyncStub = asr_pb2_grpc.AsrServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        """Use the client as a block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """End every call and close the channel."""
        await self._channel.close()

    @asynccontextmanager
    async def transcribe(self, requests: AsyncIterable[Request]) -> AsyncIterator[AsyncIterator[Event]]:
        """Open a stream; the first request must be a `Config`, the first event is `Ready`.

        Raises:
            ParleyError: the server refused, failed or went away; raised where the events are read.
        """
        admitted = asyncio.Event()
        async with duplex(self._stub.Transcribe, _requests(requests, admitted), "asr") as responses:
            yield _events(responses, admitted)


async def _requests(
    requests: AsyncIterable[Request], admitted: asyncio.Event
) -> AsyncIterator[asr_pb2.TranscribeRequest]:
    async for request in requests:
        yield _to_proto(request)
        # A refusal that met a write on its way would lose its words (see parley.errors), so nothing follows the
        # first request before Ready; after it, this costs nothing.
        await admitted.wait()


def _to_proto(request: Request) -> asr_pb2.TranscribeRequest:
    match request:
        case Audio():
            chunk = audio_pb2.AudioChunk(
                pcm=request.pcm,
                first_sample=request.first_sample,
                sequence=request.sequence,
                captured_unix_us=request.captured_unix_us,
            )
            return asr_pb2.TranscribeRequest(audio=chunk)
        case Config():
            return asr_pb2.TranscribeRequest(config=request.to_proto())
        case TurnContext():
            trace = audio_pb2.TraceContext(traceparent=request.traceparent)
            context = asr_pb2.TurnContext(turn=request.turn, trace=trace, previous_ignored=request.previous_ignored)
            return asr_pb2.TranscribeRequest(turn_context=context)
        case Flush():
            return asr_pb2.TranscribeRequest(flush=asr_pb2.Flush())
        case Assistant():
            return asr_pb2.TranscribeRequest(assistant=asr_pb2.AssistantActivity(state=request.value))


def request_from_proto(message: asr_pb2.TranscribeRequest) -> Request | None:
    """A message as a request; None for what this version does not know."""
    match message.WhichOneof("request"):
        case "audio":
            chunk = message.audio
            return Audio(chunk.pcm, chunk.first_sample, chunk.sequence, chunk.captured_unix_us)
        case "config":
            return Config.from_proto(message.config)
        case "turn_context":
            context = message.turn_context
            return TurnContext(context.turn, context.trace.traceparent, context.previous_ignored)
        case "flush":
            return Flush()
        case "assistant":
            state = message.assistant.state
            return next((each for each in Assistant if each.value == state), Assistant.IDLE)
        case _:
            return None


async def _events(
    responses: AsyncIterator[asr_pb2.TranscribeResponse], admitted: asyncio.Event
) -> AsyncIterator[Event]:
    async for response in responses:
        admitted.set()
        event = event_from_proto(response)
        if event is not None:
            yield event


_EVENTS: dict[str, type[Event]] = {
    "ready": Ready,
    "voice_onset": VoiceOnset,
    "voice_stopped": VoiceStopped,
    "speech_started": SpeechStarted,
    "partial": Partial,
    "eager_end_of_turn": EagerEndOfTurn,
    "turn_resumed": TurnResumed,
    "end_of_turn": EndOfTurn,
    "turn_discarded": TurnDiscarded,
    "audio_ack": AudioAck,
}
_EVENT_FIELDS = {kind: name for name, kind in _EVENTS.items()}


def event_to_proto(event: Event) -> asr_pb2.TranscribeResponse:
    """An event as its message."""
    response = asr_pb2.TranscribeResponse()
    nested = getattr(response, _EVENT_FIELDS[type(event)])
    nested.SetInParent()
    fill(nested, event)
    return response


def event_from_proto(response: asr_pb2.TranscribeResponse) -> Event | None:
    """A message as an event; None for what a newer server may say and this client does not know."""
    name = response.WhichOneof("response")
    return None if name is None or name not in _EVENTS else extract(_EVENTS[name], getattr(response, name))
