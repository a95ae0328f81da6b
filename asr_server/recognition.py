"""One stream's recognition: sound goes through the voice detector and the endpointer, utterances go to the engine.

While somebody speaks, partials are made; in a pause the words so far are transcribed as if the turn were over.
Knows nothing of gRPC.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from asr_server.detection import VoiceDetection
from asr_server.endpointing.adaptive import AdaptiveEndpointing
from asr_server.endpointing.completeness import Completeness
from asr_server.endpointing.config import EndpointingConfig
from asr_server.endpointing.endpointer import (
    HOLD_OVER_SAMPLES,
    PAUSE_SECONDS,
    WINDOW_SAMPLES,
    Ended,
    Endpointer,
    Event,
    Paused,
)
from asr_server.endpointing.speech_end import sharpened
from asr_server.engine import RATE_HZ
from asr_server.finals import Finals
from asr_server.front_end.front_end import FrontEnd
from asr_server.hallucination_filter import Evidence, is_credible
from asr_server.partials import TurnPartials
from asr_server.pauses import Pauses
from asr_server.transcriber import Transcriber
from parley import asr
from parley.audio import SAMPLE_BYTES

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from asr_server.pauses import Pause
    from asr_server.transcriber import Models
    from asr_server.turn_telemetry import TurnTelemetry

# Sound after the last voice that the engine gets: word ends are quiet.
_TAIL_SAMPLES: Final = round(0.2 * RATE_HZ)
# More sound than this at once does not come from a microphone just now.
_LIVE_SAMPLES: Final = round(0.1 * RATE_HZ)
# A pause shows in a window, so no more than that is left of these when it does.
_MOST_AT_ONCE_SAMPLES: Final = _LIVE_SAMPLES + WINDOW_SAMPLES
# How a turn looks whose reply may be begun already.
_OVER: Final = (Completeness.SURE, Completeness.OVER, Completeness.FINISHED)


class Client(Protocol):
    """The client of one stream, as its recognition sees it."""

    async def emit(self, event: asr.Event) -> None:
        """Tell it what happened."""
        ...

    def engine_works(self) -> AbstractContextManager[None]:
        """A block in which nothing goes on before the engine has answered; more sound may come in meanwhile."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """The turn under way, from its first voice to its words."""

    evidence: Evidence
    """How sure the voice detector is of it."""
    partials: TurnPartials
    """What the user seems to be saying."""


class Recognition:
    """What is recognised in one stream."""

    def __init__(
        self, tasks: asyncio.TaskGroup, models: Models, config: asr.Config, telemetry: TurnTelemetry, client: Client
    ) -> None:
        """Recognise as `config` says, transcribing in `tasks`; `client` is told."""
        self._tasks: asyncio.TaskGroup = tasks
        self._config = config
        self._telemetry = telemetry
        self._client = client
        self._transcriber = Transcriber(models, telemetry, config.language, config.hints)
        self._pauses = Pauses(tasks, self._transcriber, self._take_pause)
        self._finals = Finals(self._transcriber, telemetry, config.language)
        self._over_silence = models.turn_detector.over_silence_seconds
        endpointing = EndpointingConfig.of(config.endpointing, self._over_silence)
        self._endpointer = Endpointer(endpointing, config.first_sample, config.first_turn)
        self._adaptive = AdaptiveEndpointing(endpointing, config.first_sample)
        self._front_end = FrontEnd(models.front_end, config.first_sample)
        self._detection = VoiceDetection(self._front_end, models.engine.vad())
        self._turn: _Turn | None = None
        # Words come from other tasks than sound.
        self._lock = asyncio.Lock()
        self.accounted = config.first_sample
        """Every sample before this one is accounted for, and the client was told of its turns."""

    def update(self, config: asr.Config) -> None:
        """Take hints and endpointing anew, from the next window on."""
        self._config = replace(self._config, hints=config.hints, endpointing=config.endpointing)
        self._transcriber.expect(config.hints)
        self._endpointer.config = EndpointingConfig.of(config.endpointing, self._over_silence)
        self._adaptive.reconfigure(self._endpointer.config)

    def assistant(self, state: asr.Assistant) -> None:
        """Take what the assistant is doing."""
        self._endpointer.assistant_speaks = state is asr.Assistant.SPEAKING

    def forget_turn(self) -> None:
        """Unlearn what the last turn told of the speaker: it was not them, or no turn."""
        self._adaptive.forget_turn()

    def goes_on(self, request: asr.Request, *, is_live: bool) -> bool:
        """Whether a request is sure to be gone through without waiting for the engine.

        What is not `is_live` waits for the words of a pause that begins in it.
        """
        speaks_on = is_live and self._pauses.current is None and _speaks_on(self._endpointer, request)
        is_known = self._turn is None or speaks_on or self._pauses.has_words
        return is_known and _ends_nothing_else(self._endpointer, request, in_turn=self._turn is not None)

    async def hear(self, audio: asr.Audio) -> None:
        """Take a run of sound.

        Raises:
            InvalidInput: an odd number of bytes, or a gap that is too long.
        """
        self._front_end.append(audio.pcm, audio.first_sample)
        while not await self._hear_on():
            await self.settled()

    async def settled(self) -> None:
        """Wait until the engine has answered what it was asked in a pause."""
        with self._client.engine_works():
            await self._pauses.settled()

    async def flush(self, reason: asr.EndReason) -> None:
        """End the turn under way for `reason`, or discard the silence in which it is asked for."""
        async with self._lock:
            for event in self._endpointer.flush(reason):
                await self._on(event)
            self._account()

    async def _hear_on(self) -> bool:
        """Go through the sound that has come; False: not through it, since the words of a pause decide how it goes on.

        Live, they would be known: sound that comes all at once was left out, is a file, or is sent again.
        """
        async with self._lock:
            while (probability := await self._detection.probability()) is not None:
                await self._step(probability)
                if self._pauses.is_open and self._front_end.waiting_samples > _LIVE_SAMPLES:
                    return False
            if self._turn is not None:
                self._begin_partial(self._turn)
            self._account()
            return True

    async def _step(self, probability: float) -> None:
        if self._turn is not None:
            self._turn.evidence.add(probability, self._endpointer.config.release_threshold)
        for event in self._endpointer.step(probability):
            await self._on(event)
        self._front_end.learn(probability, self._endpointer, in_turn=self._turn is not None)

    async def _on(self, event: Event) -> None:
        match event:
            case Paused():
                self._begin_pause(event.speech_end_sample)
            case Ended():
                await self._end(event)
            case _:
                self._note(event)
                await self._client.emit(event)

    def _note(self, event: Event) -> None:
        """Take what the endpointer says to the client."""
        match event:
            case asr.VoiceOnset() if self._turn is None:
                self._begin_turn(event.sample)
            case asr.VoiceOnset():
                if self._endpointer.in_speech:
                    self._adaptive.voice_resumed(event.sample)
                self._pauses.drop()
            case asr.SpeechStarted() if self._turn is not None:
                self._turn.partials.begin(event.first_sample)
            case asr.SpeechStarted():
                # The turn before was too long, and was ended in the middle of speech.
                self._begin_turn(event.first_sample)
            case asr.VoiceStopped():
                self._adaptive.voice_stopped(event.sample)
            case asr.TurnDiscarded() if self._turn is not None:
                self._turn.partials.drop()
                self._turn = None
                self._adaptive.forget_turn()
            case _:
                pass

    def _begin_turn(self, onset: int) -> None:
        self._turn = _Turn(Evidence(), TurnPartials(self._tasks, self._transcriber, onset))
        self._adaptive.turn_began(onset)

    def _begin_partial(self, turn: _Turn) -> None:
        end = self._endpointer
        if not self._config.partials or not end.may_hold_words or self._pauses.current is not None:
            return
        if turn.partials.is_due(end.position, assistant_speaks=end.assistant_speaks):
            audio = self._utterance(end.first_sample, end.position)
            turn.partials.make(end.position, audio, lambda text: self._take_partial(turn, text))

    async def _take_partial(self, turn: _Turn, text: str) -> None:
        async with self._lock:
            end = self._endpointer
            if turn is not self._turn or not end.may_hold_words:
                return
            # While the assistant speaks a word may stop it: it must be borne out by the voice.
            if not end.assistant_speaks or is_credible(text, end.voiced_seconds, turn.evidence.mean):
                await self._show_partial(turn, text)

    async def _show_partial(self, turn: _Turn, text: str) -> None:
        words, end = turn.partials.stabilized(text), self._endpointer
        await self._client.emit(asr.Partial(end.turn, words.text, words.stable_characters, end.voiced_ms))

    def _begin_pause(self, speech_end: int) -> None:
        if self._turn is not None:
            self._turn.partials.drop()
        first = self._endpointer.first_sample
        whole = speech_end + HOLD_OVER_SAMPLES + _TAIL_SAMPLES - first
        self._pauses.begin(speech_end, self._utterance(first, speech_end), whole)

    async def _take_pause(self, pause: Pause, said: str | None) -> None:
        """More is known of the pause, its words if they are `said`: wait for as long as that calls for."""
        async with self._lock:
            turn, end = self._turn, self._endpointer
            if turn is None or pause is not self._pauses.current:
                return
            credible = pause.text is None or is_credible(pause.text, end.voiced_seconds, turn.evidence.mean)
            if credible and said is not None and self._config.partials:
                await self._show_partial(turn, said)
            looks = pause.looks if credible else None
            for event in end.expect(
                self._adaptive.silence_seconds(looks), (pause.text or "") if looks in _OVER else ""
            ):
                await self._on(event)

    async def _end(self, ended: Ended) -> None:
        """The turn is over: tell its words, those of the pause if nothing was said since."""
        turn, self._turn = self._turn, None
        assert turn is not None  # noqa: S101 - it began with voice
        turn.partials.drop()
        audio = partial(self._utterance, ended.first_sample, ended.speech_end_sample)
        pause = self._pauses.end(ended.speech_end_sample)
        told = replace(ended, speech_end_sample=sharpened(self._front_end.sound, ended.speech_end_sample))
        with self._client.engine_works():
            answer = await self._finals.answer(self._endpointer.turn, told, audio, pause, turn.evidence.mean)
        if isinstance(answer, asr.TurnDiscarded):
            self._adaptive.forget_turn()
        else:
            answer = replace(answer, longest_pause_ms=self._adaptive.turn_ended(ended))
            self._endpointer.turn += 1
        await self._client.emit(answer)

    def _utterance(self, first: int, speech_end: int) -> NDArray[np.float32]:
        """Sound from `first` to a little after the last voice."""
        return self._front_end.utterance(first, speech_end + HOLD_OVER_SAMPLES + _TAIL_SAMPLES)

    def _account(self) -> None:
        """Forget the sound of which everything has been told."""
        self.accounted = self._endpointer.accounted
        self._front_end.forget(self.accounted)
        self._telemetry.forget(self.accounted)


def _ends_nothing_else(end: Endpointer, request: asr.Request, *, in_turn: bool) -> bool:
    """Whether a request can end no turn but by a pause: by its caller, by its length, or one that begins in it."""
    if not isinstance(request, asr.Audio):
        return not isinstance(request, asr.Flush)
    last, config = request.first_sample + len(request.pcm) // SAMPLE_BYTES, end.config
    if in_turn:
        is_short = (last - end.first_sample) / RATE_HZ < config.soft_limit_seconds
        return is_short and last - end.position <= _MOST_AT_ONCE_SAMPLES
    # Too short for a pause, before which there is voice enough to call it speech.
    voice_seconds = min(config.min_speech_seconds, config.min_speech_while_assistant_speaks_seconds)
    pause_seconds = min(PAUSE_SECONDS, config.default_silence_seconds)
    return last - end.position + HOLD_OVER_SAMPLES < (voice_seconds + pause_seconds) * RATE_HZ


def _speaks_on(end: Endpointer, request: asr.Request) -> bool:
    """Whether a request is too short for the silence that would end a turn in which nobody pauses yet."""
    last = request.first_sample + len(request.pcm) // SAMPLE_BYTES if isinstance(request, asr.Audio) else end.position
    return end.in_speech and (last - end.speech_end_sample) / RATE_HZ < end.config.default_silence_seconds
