"""The ASR server's requests and events as messages, and back. Knows nothing of calls."""

from __future__ import annotations

from typing import Final

from parley._convert import extract, fill, member
from parley.asr.events import (
    AudioAck,
    EagerEndOfTurn,
    EndOfTurn,
    Event,
    Languages,
    Partial,
    Ready,
    SpeechStarted,
    TurnDiscarded,
    TurnResumed,
    VoiceOnset,
    VoiceStopped,
)
from parley.asr.requests import Assistant, Audio, Config, Endpointing, Flush, Request, TurnContext
from parley.v1 import asr_pb2, audio_pb2

SERVICE: Final = "parley.v1.AsrService"
"""Full name of the service."""

_EVENTS: Final[dict[str, type[Event]]] = {
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
_EVENT_FIELDS: Final = {kind: name for name, kind in _EVENTS.items()}


def request_to_proto(request: Request) -> asr_pb2.TranscribeRequest:
    """A request as its message."""
    match request:
        case Audio():
            # By hand: fifty a second of each session.
            chunk = audio_pb2.AudioChunk(
                pcm=request.pcm,
                first_sample=request.first_sample,
                sequence=request.sequence,
                captured_unix_us=request.captured_unix_us,
            )
            return asr_pb2.TranscribeRequest(audio=chunk)
        case Config():
            return asr_pb2.TranscribeRequest(config=_config_to_proto(request))
        case TurnContext():
            trace = audio_pb2.TraceContext(traceparent=request.traceparent)
            context = asr_pb2.TurnContext(turn=request.turn, trace=trace, previous_ignored=request.previous_ignored)
            return asr_pb2.TranscribeRequest(turn_context=context)
        case Flush():
            return asr_pb2.TranscribeRequest(flush=asr_pb2.Flush())
        case Assistant():
            state = asr_pb2.AssistantState.ValueType(request.value)
            return asr_pb2.TranscribeRequest(assistant=asr_pb2.AssistantActivity(state=state))


def request_from_proto(message: asr_pb2.TranscribeRequest) -> Request | None:
    """A message as a request; None for what this version does not know."""
    match message.WhichOneof("request"):
        case "audio":
            chunk = message.audio
            return Audio(chunk.pcm, chunk.first_sample, chunk.sequence, chunk.captured_unix_us)
        case "config":
            return _config_from_proto(message.config)
        case "turn_context":
            context = message.turn_context
            return TurnContext(context.turn, context.trace.traceparent, context.previous_ignored)
        case "flush":
            return Flush()
        case "assistant":
            return member(Assistant, message.assistant.state)
        case _:
            return None


def event_to_proto(event: Event) -> asr_pb2.TranscribeResponse:
    """An event as its message."""
    response = asr_pb2.TranscribeResponse()
    nested = getattr(response, _EVENT_FIELDS[type(event)])
    nested.SetInParent()
    fill(nested, event)
    return response


def event_from_proto(response: asr_pb2.TranscribeResponse) -> Event | None:
    """A message as an event; None for what a newer server may say and this version does not know."""
    name = response.WhichOneof("response")
    return None if name is None or name not in _EVENTS else extract(_EVENTS[name], getattr(response, name))


def languages_from_proto(answer: asr_pb2.ListLanguagesResponse) -> Languages:
    """What can be transcribed."""
    return Languages(answer.engine, answer.model, tuple(answer.languages))


def _config_to_proto(config: Config) -> asr_pb2.TranscribeConfig:
    return asr_pb2.TranscribeConfig(
        language=config.language,
        sample_rate_hz=config.sample_rate_hz,
        hints=config.hints,
        endpointing=fill(asr_pb2.EndpointingConfig(), config.endpointing),
        no_partials=not config.partials,
        session_id=config.session_id,
        first_sample=config.first_sample,
        first_turn=config.first_turn,
        trace=audio_pb2.TraceContext(traceparent=config.traceparent),
    )


def _config_from_proto(config: asr_pb2.TranscribeConfig) -> Config:
    return Config(
        language=config.language,
        hints=tuple(config.hints),
        endpointing=extract(Endpointing, config.endpointing),
        partials=not config.no_partials,
        session_id=config.session_id,
        first_sample=config.first_sample,
        first_turn=config.first_turn or 1,
        traceparent=config.trace.traceparent,
        sample_rate_hz=config.sample_rate_hz or 16_000,
    )
