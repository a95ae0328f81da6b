"""The TTS server's requests and events as messages, and back. Knows nothing of calls."""

from __future__ import annotations

from typing import Final

from parley._convert import extract, fill
from parley.tts.events import Audio, Event, Finished, Ready, SentenceEnd, Voice, Voices, WordMark
from parley.tts.requests import Adjust, Config, Request, SpeakNow
from parley.v1 import audio_pb2, tts_pb2

SERVICE: Final = "parley.v1.TtsService"
"""Full name of the service."""


def request_to_proto(request: Config | Request) -> tts_pb2.SynthesizeRequest:
    """A request as its message."""
    match request:
        case Config():
            return tts_pb2.SynthesizeRequest(config=_config_to_proto(request))
        case SpeakNow():
            return tts_pb2.SynthesizeRequest(speak_now=tts_pb2.SpeakNow())
        case Adjust():
            return tts_pb2.SynthesizeRequest(adjust=fill(tts_pb2.SynthesizeAdjust(), request))
        case str():
            return tts_pb2.SynthesizeRequest(text=tts_pb2.SynthesizeText(text=request))


def event_from_proto(response: tts_pb2.SynthesizeResponse) -> Event | None:
    """A message as an event; None for what a newer server may say and this version does not know."""
    match response.WhichOneof("response"):
        case "ready":
            return extract(Ready, response.ready)
        case "audio":
            return Audio(response.audio.pcm, response.audio.first_sample)
        case "word":
            word = response.word
            return WordMark(word.first_character, word.end_character, word.first_sample, word.estimated)
        case "sentence_end":
            return _sentence_end_from_proto(response.sentence_end)
        case "finished":
            return Finished(response.finished.samples)
        case _:
            return None


def voices_from_proto(answer: tts_pb2.ListVoicesResponse) -> Voices:
    """What can speak."""
    return Voices(answer.engine, tuple(extract(Voice, voice) for voice in answer.voices))


def _config_to_proto(config: Config) -> tts_pb2.SynthesizeConfig:
    return tts_pb2.SynthesizeConfig(
        voice=config.voice,
        language=config.language,
        sample_rate_hz=config.sample_rate_hz,
        speed=config.speed,
        trace=audio_pb2.TraceContext(traceparent=config.traceparent),
        session_id=config.session_id,
        lexicon=[fill(tts_pb2.Pronunciation(), entry) for entry in config.lexicon],
        gain_db=config.gain_db,
    )


def _sentence_end_from_proto(end: tts_pb2.SentenceEnd) -> SentenceEnd:
    return SentenceEnd(
        sentence=end.sentence,
        end_character=end.end_character,
        end_sample=end.end_sample,
        queue_ms=end.timings.queue_ms,
        first_audio_ms=end.timings.first_audio_ms,
        total_ms=end.timings.total_ms,
        cached=end.timings.cached,
    )
