"""Pipecat in the same scenario, by its own parts: its WebSocket transport, Silero, aggregators, turn strategies.

    python -m benchmarks.peers.pipecat_server PORT

It runs in an environment of its own (`benchmarks.peers.environment`). What takes no time in Parley's scripted profile
takes none here: recognition gives its words as soon as the detector says that the voice is over, the model all pieces
at once, the voice a tone as fast as the pipeline takes it. Everything else is left as Pipecat's documentation has it,
with packets of 40 ms and no limit to what it may send ahead but its own; metrics and tracing are off, and logging below
warnings.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from typing import TYPE_CHECKING, Final

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams, VADState
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from benchmarks.peers import scenario

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_CHUNK_BYTES: Final = scenario.REPLY_RATE_HZ // 5 * 2
_TEXT: Final = "text"
# All must be given, though a script has none of them.
_MODEL_SETTINGS: Final = tuple(each.name for each in dataclasses.fields(LLMSettings) if each.name != "extra")
# What it says is known when it is sent: how long the reply was.
_END: Final[dict[str, str]] = {}


class Wire(FrameSerializer):
    """Our frames for Pipecat's."""

    def __init__(self, replies: scenario.Replies) -> None:
        super().__init__()
        self._replies = replies

    async def serialize(self, frame: Frame) -> str | bytes | None:
        match frame:
            case OutputAudioRawFrame():
                return self._replies.packet(frame.audio)
            case OutputTransportMessageFrame() | OutputTransportMessageUrgentFrame():
                return self._replies.end() if frame.message is _END else str(frame.message[_TEXT])
            case _:
                return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        if isinstance(data, bytes):
            return InputAudioRawFrame(scenario.microphone(data), scenario.MIC_RATE_HZ, 1)
        answer = self._replies.answer(data)
        return OutputTransportMessageUrgentFrame({_TEXT: answer}) if answer else None


class Ear(SileroVADAnalyzer):
    """Silero, which computes every window; its answer gives way to the level, since the bench says tones.

    So Parley's scripted ears do it too: detectors decide at the same sample, and cost what they cost.
    """

    def __init__(self, replies: scenario.Replies) -> None:
        super().__init__(params=VADParams(stop_secs=scenario.SILENCE_SECONDS, min_volume=0.0))
        self._replies = replies
        self._samples = 0
        self._spoken = False

    def voice_confidence(self, buffer: bytes) -> float:
        super().voice_confidence(buffer)
        return 1.0 if scenario.is_loud(buffer) else 0.0

    async def analyze_audio(self, buffer: bytes) -> VADState:
        self._samples += len(buffer) // 2
        state = await super().analyze_audio(buffer)
        if state is VADState.QUIET and self._spoken:
            self._replies.decided_sample = self._samples
        if state is VADState.SPEAKING:
            self._spoken = True
        elif state is VADState.QUIET:
            self._spoken = False
        return state


class Recognizer(STTService):
    """Knows the words as soon as the voice is over."""

    def __init__(self) -> None:
        super().__init__(ttfs_p99_latency=0.0, settings=STTSettings(model=None, language=None))

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            await self.push_frame(TranscriptionFrame(scenario.HEARD, "", time_now_iso8601(), finalized=True))


class Model(LLMService):
    """Writes the reply at once."""

    def __init__(self, replies: scenario.Replies) -> None:
        super().__init__(settings=LLMSettings(**dict.fromkeys(_MODEL_SETTINGS)))
        self._replies = replies

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(OutputTransportMessageUrgentFrame({_TEXT: self._replies.begin()}))
        await self.push_frame(LLMFullResponseStartFrame())
        for piece in scenario.PIECES:
            await self._push_llm_text(piece)
        await self.push_frame(LLMFullResponseEndFrame())


_sound = functools.cache(scenario.sound)


class Voice(TTSService):
    """Hums a tone as long as the text."""

    def __init__(self) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=scenario.REPLY_RATE_HZ,
            settings=TTSSettings(model=None, voice=None, language=None),
        )

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        pcm = _sound(text)
        for place in range(0, len(pcm), _CHUNK_BYTES):
            chunk = pcm[place : place + _CHUNK_BYTES]
            yield TTSAudioRawFrame(chunk, scenario.REPLY_RATE_HZ, 1, context_id=context_id)


class End(FrameProcessor):
    """Tells the listener that all sound of a reply was sent, in its place behind the sound."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, TTSStoppedFrame) and direction is FrameDirection.DOWNSTREAM:
            await self.push_frame(OutputTransportMessageFrame(_END))


async def converse(socket: WebSocket) -> None:
    """One session, for as long as its listener stays."""
    await socket.accept(subprotocol="parley.v1")
    replies = scenario.Replies()
    transport = FastAPIWebsocketTransport(
        socket, FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=Wire(replies))
    )
    context = LLMContext()
    turns = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()], stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)]
    )
    aggregators = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(user_turn_strategies=turns, vad_analyzer=Ear(replies))
    )
    stages = (transport.input(), Recognizer(), aggregators.user(), Model(replies), Voice(), End(), transport.output())
    worker = PipelineWorker(
        Pipeline([*stages, aggregators.assistant()]),
        # Its own protocol for clients would say the same once more, to nobody.
        enable_rtvi=False,
        params=PipelineParams(audio_in_sample_rate=scenario.MIC_RATE_HZ, audio_out_sample_rate=scenario.REPLY_RATE_HZ),
    )

    @transport.event_handler("on_client_disconnected")
    async def left(_transport: object, _socket: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main(port: int) -> None:
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    app = FastAPI()
    app.add_api_websocket_route(scenario.PATH, converse)
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", ws="websockets-sansio", log_level="error")


if __name__ == "__main__":
    main(int(sys.argv[1]))
