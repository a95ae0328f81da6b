"""Client of the TTS server: pieces of text go up, sound and word marks come down.

Knows nothing of listeners.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grpc.aio

from parley._channel import open_channel
from parley._duplex import duplex
from parley.errors import from_rpc
from parley.v1 import audio_pb2, tts_pb2, tts_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

SERVICE = "parley.v1.TtsService"


@dataclass(frozen=True, slots=True)
class Config:
    """How a reply is to be spoken."""

    voice: str = ""
    """A name from `TtsClient.voices`; empty: the first of the language."""
    language: str = ""
    """BCP 47; empty: the voice's own."""
    sample_rate_hz: int = 24_000
    """Samples per second of the answer: 16000, 24000 or 48000."""
    speed: float | None = None
    """0.5 to 2; None: 1."""
    traceparent: str = ""
    """Parent of the server's spans."""
    session_id: str = ""
    """Name for the server's logs."""

    def to_proto(self) -> tts_pb2.SynthesizeConfig:
        """The same on the wire."""
        return tts_pb2.SynthesizeConfig(
            voice=self.voice,
            language=self.language,
            sample_rate_hz=self.sample_rate_hz,
            speed=self.speed,
            trace=audio_pb2.TraceContext(traceparent=self.traceparent),
            session_id=self.session_id,
        )


@dataclass(frozen=True, slots=True)
class SpeakNow:
    """Speak what has come so far, without waiting for the end of the sentence."""


Request = str | SpeakNow
"""A piece of text, or the wish to hear what there is."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The call is admitted and the voice is loaded."""

    engine: str
    """Name of the engine."""
    voice: str
    """Voice that speaks."""
    sample_rate_hz: int
    """Samples per second of the audio that follows."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A run of sound."""

    pcm: bytes
    """s16le mono."""
    first_sample: int
    """Its place in the reply."""


@dataclass(frozen=True, slots=True)
class WordMark:
    """Where a word of the text sounds."""

    first_character: int
    """First character of the word in the whole text."""
    end_character: int
    """Character after its last one."""
    first_sample: int
    """Sample of the reply at which it begins."""
    estimated: bool
    """True when reckoned from the text's length."""


@dataclass(frozen=True, slots=True)
class SentenceEnd:
    """All audio of a sentence has come."""

    sentence: int
    """Its number, from 0."""
    end_character: int
    """Character after its last one."""
    end_sample: int
    """Sample after its last one."""
    queue_ms: float
    """Wait for the engine."""
    first_audio_ms: float
    """From the sentence being complete to its first audio."""
    total_ms: float
    """From the sentence being complete to its last audio."""
    cached: bool
    """The audio came from the server's cache."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole reply has been spoken."""

    samples: int
    """Samples of the reply."""


Event = Ready | Audio | WordMark | SentenceEnd | Finished


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that can speak."""

    name: str
    """Name for `Config`."""
    language: str
    """BCP 47."""
    description: str
    """What a person would want to know of it."""
    sample_rate_hz: int
    """Samples per second that the engine makes by itself."""


@dataclass(frozen=True, slots=True)
class Voices:
    """What can speak."""

    engine: str
    """Name of the engine."""
    voices: tuple[Voice, ...]
    """The voices, the default first."""


class TtsClient:
    """Client of one TTS server, or of several behind one name."""

    def __init__(self, address: str) -> None:
        """Prepare a channel to `address` ("host:port"); it connects with the first call."""
        self._channel = open_channel(address, SERVICE)
        self._stub: tts_pb2_grpc.TtsServiceAsyncStub = tts_pb2_grpc.TtsServiceStub(self._channel)

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
    async def synthesize(self, config: Config, text: AsyncIterable[Request]) -> AsyncIterator[AsyncIterator[Event]]:
        """Speak `text` as it comes; leaving the block ends the engine's work. The first event is `Ready`.

        Raises:
            ParleyError: the server refused, failed or went away; raised where the events are read.
            Exception: what `text` raised.
        """
        admitted = asyncio.Event()
        async with duplex(self._stub.Synthesize, _requests(config, text, admitted), "tts") as responses:
            yield _events(responses, admitted)

    async def voices(self, language: str = "") -> tuple[Voice, ...]:
        """The voices of a language, the default first; of every language when it is empty.

        Raises:
            ParleyError: the server cannot be reached within 3 seconds.
        """
        return (await self.list_voices(language)).voices

    async def list_voices(self, language: str = "") -> Voices:
        """The same, with the name of the engine.

        Raises:
            ParleyError: the server cannot be reached within 3 seconds.
        """
        try:
            answer = await self._stub.ListVoices(tts_pb2.ListVoicesRequest(language=language), timeout=3)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, "tts") from error
        voices = tuple(Voice(v.name, v.language, v.description, v.sample_rate_hz) for v in answer.voices)
        return Voices(answer.engine, voices)


async def _requests(
    config: Config, text: AsyncIterable[Request], admitted: asyncio.Event
) -> AsyncIterator[tts_pb2.SynthesizeRequest]:
    yield tts_pb2.SynthesizeRequest(config=config.to_proto())
    # A refusal that met a write on its way would lose its words (see parley.errors), so nothing follows before Ready.
    await admitted.wait()
    async for piece in text:
        if isinstance(piece, SpeakNow):
            yield tts_pb2.SynthesizeRequest(speak_now=tts_pb2.SpeakNow())
        else:
            yield tts_pb2.SynthesizeRequest(text=tts_pb2.SynthesizeText(text=piece))


async def _events(
    responses: AsyncIterator[tts_pb2.SynthesizeResponse], admitted: asyncio.Event
) -> AsyncIterator[Event]:
    async for response in responses:
        admitted.set()
        event = _from_proto(response)
        if event is not None:
            yield event


def _from_proto(response: tts_pb2.SynthesizeResponse) -> Event | None:
    match response.WhichOneof("response"):
        case "ready":
            return Ready(response.ready.engine, response.ready.voice, response.ready.sample_rate_hz)
        case "audio":
            return Audio(response.audio.pcm, response.audio.first_sample)
        case "word":
            word = response.word
            return WordMark(word.first_character, word.end_character, word.first_sample, word.estimated)
        case "sentence_end":
            end, times = response.sentence_end, response.sentence_end.timings
            return SentenceEnd(
                sentence=end.sentence,
                end_character=end.end_character,
                end_sample=end.end_sample,
                queue_ms=times.queue_ms,
                first_audio_ms=times.first_audio_ms,
                total_ms=times.total_ms,
                cached=times.cached,
            )
        case "finished":
            return Finished(response.finished.samples)
        case _:
            # A newer server may say what this client does not know.
            return None
