"""One stream's hearing: windows of sound go through the voice detector and the endpointer, utterances to the engine.

While somebody speaks, partials are made; in a pause the words so far are transcribed as if the turn were over, so that
they can say how long to wait, and are ready when it is over. Knows nothing of gRPC.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from asr_server.audio_buffer import KeptSound
from asr_server.endpointing import endpointer as endpoint
from asr_server.endpointing.adaptive import Patience
from asr_server.endpointing.completeness import Completeness
from asr_server.endpointing.config import endpoint_config
from asr_server.endpointing.endpointer import Endpointer, Reason
from asr_server.hallucination_filter import Evidence, is_credible
from asr_server.stabilize import Stabilizer
from parley import asr

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from numpy.typing import NDArray

    from asr_server.endpointing.turn_model import Judge
    from asr_server.engine import Engine
    from asr_server.scheduler import Result, Scheduler
    from asr_server.turn_telemetry import Records

_RATE_HZ: Final = 16_000
_FIRST_PARTIAL_SECONDS: Final = 0.5
_NEXT_PARTIAL_SECONDS: Final = 0.4
_NEXT_PARTIAL_SECONDS_DURING_A_REPLY: Final = 0.15
# Of the time between partials the engine works at most a quarter.
_PARTIAL_REST: Final = 4.0
# Sound after the last voice that the engine gets: word ends are quiet.
_TAIL_SECONDS: Final = 0.2
# A client that resends what a broken stream had not accounted for is ahead by that much, and a file by all of it.
_FASTER_THAN_LIVE_SECONDS: Final = 0.5
_ACK_SAMPLES: Final = _RATE_HZ
# A user who speaks again so soon after their turn was ended had not finished.
_TOO_EARLY_SECONDS: Final = 1.0

_REASONS: Final = {
    Reason.SILENCE: asr.EndReason.SILENCE,
    Reason.FLUSH: asr.EndReason.FLUSH,
    Reason.TOO_LONG: asr.EndReason.TOO_LONG,
    Reason.STREAM_END: asr.EndReason.STREAM_END,
}


@dataclass(slots=True)
class _Look:
    """The words so far, being transcribed in a pause."""

    speech_end_sample: int
    result: asyncio.Future[Result]
    task: asyncio.Task[None] | None = None
    promising: str = ""
    """The words, where they are worth a head start as soon as the pause has lasted."""
    eager: bool = False
    """It was begun."""


@dataclass(frozen=True, slots=True)
class Means:
    """What all streams share."""

    engine: Engine
    """Tells voice from silence, and transcribes."""
    scheduler: Scheduler
    """The queue before it."""
    judge: Judge
    """Knows how finished a turn looks."""


class Hearing:
    """What one stream hears."""

    def __init__(
        self,
        means: Means,
        config: asr.Config,
        records: Records,
        emit: Callable[[asr.Event], Awaitable[None]],
    ) -> None:
        """Hear as `config` says; `emit` sends an event to the client."""
        self._engine = engine = means.engine
        self._scheduler = means.scheduler
        self._judge = means.judge
        self._config = config
        self._records = records
        self._emit = emit
        self._vad = engine.vad()
        self._recognizer = engine.recognizer(config.language, config.hints)
        self._endpointer = Endpointer(endpoint_config(config.endpointing), config.first_sample)
        self._patience = self._patience_before = Patience.of(self._endpointer.config)
        self._ended: endpoint.Ended | None = None
        self._onset = self._stopped_at = config.first_sample
        self._lock = asyncio.Lock()
        self._began = asyncio.get_running_loop().time()
        self._sound = KeptSound(config.first_sample)
        self._turn = config.first_turn
        self._stabilizer = Stabilizer()
        self._look: _Look | None = None
        self._partial: asyncio.Task[None] | None = None
        self._partial_at = 0
        self._acked = config.first_sample
        self._evidence = Evidence()
        self._partial_seconds = 0.0

    def update(self, config: asr.Config) -> None:
        """Take hints and endpointing anew, from the next window on."""
        self._config = replace(self._config, hints=config.hints, endpointing=config.endpointing)
        self._recognizer = self._engine.recognizer(self._config.language, config.hints)
        self._endpointer.config = endpoint_config(config.endpointing)
        self._patience = self._patience.reconfigured(self._endpointer.config)
        self._patience_before = self._patience

    def assistant(self, state: asr.Assistant) -> None:
        """Take what the assistant is doing."""
        self._endpointer.assistant_speaks = state is asr.Assistant.SPEAKING

    def unlearn(self) -> None:
        """Forget what the last turn told of the speaker: it was not them, or no turn."""
        self._patience = self._patience_before

    async def hear(self, tasks: asyncio.TaskGroup, audio: asr.Audio) -> None:
        """Take a run of sound.

        Raises:
            InvalidInput: an odd number of bytes, or a gap that is too long.
        """
        async with self._lock:
            self._sound.append(audio.pcm, audio.first_sample)
            self._records.arrived(self._sound.end_sample)
            while (end := self._endpointer.position + endpoint.WINDOW_SAMPLES) <= self._sound.end_sample:
                probability = self._vad.probability(self._sound.between(self._endpointer.position, end))
                self._evidence.add(probability, self._endpointer.config.release_threshold)
                for event in self._endpointer.step(probability):
                    await self._on(tasks, event)
            self._begin_partial(tasks)
            await self._acknowledge()
        await self._keep_pace()

    async def flush(self, tasks: asyncio.TaskGroup, reason: Reason = Reason.FLUSH) -> None:
        """Finalise what was said so far."""
        async with self._lock:
            for event in self._endpointer.flush(reason):
                await self._on(tasks, event)
            await self._acknowledge(force=True)

    async def _keep_pace(self) -> None:
        """Let the engine answer what it was asked in a pause before a file goes on, as it could with a microphone."""
        sent_seconds = (self._sound.end_sample - self._config.first_sample) / _RATE_HZ
        ahead_seconds = sent_seconds - (asyncio.get_running_loop().time() - self._began)
        if ahead_seconds > _FASTER_THAN_LIVE_SECONDS and self._look is not None and self._look.task is not None:
            await asyncio.wait([self._look.task])

    def _utterance(self, first: int, speech_end: int) -> NDArray[np.float32]:
        """Sound from `first` to a little after the last voice."""
        return self._sound.between(first, speech_end + endpoint.HOLD_OVER_SAMPLES + round(_TAIL_SECONDS * _RATE_HZ))

    @property
    def _voiced_ms(self) -> int:
        return round(self._endpointer.voiced_seconds * 1000)

    async def _on(self, tasks: asyncio.TaskGroup, event: endpoint.Event) -> None:  # noqa: C901 - a branch per event
        match event:
            case endpoint.VoiceBegan():
                self._evidence = Evidence()
                self._stabilizer = Stabilizer()
                self._partial_at = self._onset = event.sample
                self._patience_before = self._patience
                await self._emit(asr.VoiceOnset(self._turn, event.sample))
            case endpoint.SpeechBegan():
                self._partial_at = event.first_sample
                await self._emit(asr.SpeechStarted(self._turn, event.first_sample, self._voiced_ms))
            case endpoint.VoiceStopped():
                self._stopped_at = event.sample
                await self._emit(asr.VoiceStopped(self._turn, event.sample, self._voiced_ms))
            case endpoint.Paused():
                self._begin_look(tasks, event.speech_end_sample)
            case endpoint.Lasting():
                if self._look is not None:
                    await self._suggest_head_start(self._look)
            case endpoint.Resumed():
                if self._endpointer.in_speech:
                    self._patience = self._patience.paused((event.sample - self._stopped_at) / _RATE_HZ)
                await self._resume(event.sample)
            case endpoint.Ended():
                await self._end(event)
            case endpoint.TooShort():
                await self._discard(event.first_sample, event.end_sample, asr.DiscardReason.TOO_SHORT)
            case _:
                assert_never(event)

    def _begin_look(self, tasks: asyncio.TaskGroup, speech_end: int) -> None:
        self._drop_partial()
        look = _Look(speech_end, asyncio.get_running_loop().create_future())
        self._look = look
        audio = self._utterance(self._endpointer.first_sample, speech_end)
        look.task = tasks.create_task(self._look_at(tasks, look, audio), name="look")

    async def _look_at(self, tasks: asyncio.TaskGroup, look: _Look, audio: NDArray[np.float32]) -> None:
        result = await self._scheduler.final(self._recognizer, audio)
        look.result.set_result(result)
        said = result.transcript.text
        language = result.transcript.language or self._config.language
        whole = await self._judge.completeness(audio, said, language) if said else None
        async with self._lock:
            if self._look is not look:
                return
            if not is_credible(said, self._endpointer.voiced_seconds, self._evidence.mean):
                whole = None
            elif self._config.partials:
                await self._show_partial(said)
            if self._is_worth_a_head_start(whole, look):
                look.promising = said
                await self._suggest_head_start(look)
            for event in self._endpointer.expect(self._silence_for(whole)):
                await self._on(tasks, event)

    async def _suggest_head_start(self, look: _Look) -> None:
        if look.promising and self._endpointer.silence_seconds >= self._endpointer.config.eager_silence_seconds:
            look.eager = True
            await self._emit(asr.EagerEndOfTurn(self._turn, look.promising, look.speech_end_sample))

    def _is_worth_a_head_start(self, whole: Completeness | None, look: _Look) -> bool:
        config = self._endpointer.config
        spoken_seconds = (look.speech_end_sample - self._endpointer.first_sample) / _RATE_HZ
        looks_over = whole in (Completeness.SURE, Completeness.FINISHED)
        return looks_over and config.eager_silence_seconds > 0 and spoken_seconds <= config.eager_limit_seconds

    async def _resume(self, sample: int) -> None:
        look, self._look = self._look, None
        await self._emit(asr.VoiceOnset(self._turn, sample))
        if look is None:
            return
        if look.task is not None:
            look.task.cancel()
        if look.eager:
            await self._emit(asr.TurnResumed(self._turn, sample))

    def _begin_partial(self, tasks: asyncio.TaskGroup) -> None:
        end = self._endpointer
        if not self._config.partials or not end.may_hold_words or self._look is not None:
            return
        if self._partial is not None and not self._partial.done():
            return
        # While the assistant speaks, the words decide whether it goes on: they are wanted at once.
        first, later = (
            (0.0, _NEXT_PARTIAL_SECONDS_DURING_A_REPLY)
            if end.assistant_speaks
            else (_FIRST_PARTIAL_SECONDS, _NEXT_PARTIAL_SECONDS)
        )
        # Each partial decodes the turn from its beginning: long ones come less often, so that they cost no more.
        later = max(later, _PARTIAL_REST * self._partial_seconds)
        wait = first if self._partial_at <= end.first_sample + _RATE_HZ * 0.3 else later
        if (end.position - self._partial_at) / _RATE_HZ < wait:
            return
        self._partial_at = end.position
        audio = self._utterance(end.first_sample, end.position)
        self._partial = tasks.create_task(self._make_partial(self._turn, audio), name="partial")

    async def _make_partial(self, turn: int, audio: NDArray[np.float32]) -> None:
        result = await self._scheduler.partial(self, self._recognizer, audio)
        if result is None:
            return
        self._partial_seconds = result.work_seconds
        if not result.transcript.text:
            return
        async with self._lock:
            end, text = self._endpointer, result.transcript.text
            if turn != self._turn or not end.may_hold_words:
                return
            # While the assistant speaks a word may stop it: it must be borne out by the voice.
            if not end.assistant_speaks or is_credible(text, end.voiced_seconds, self._evidence.mean):
                await self._show_partial(text)

    async def _show_partial(self, text: str) -> None:
        partial = self._stabilizer.add(text)
        await self._emit(asr.Partial(self._turn, partial.text, partial.stable_characters, self._voiced_ms))

    def _drop_partial(self) -> None:
        if self._partial is not None:
            self._partial.cancel()
            self._partial = None

    async def _end(self, ended: endpoint.Ended) -> None:
        """The turn is over: give its words, those of the pause if nothing was said since."""
        decided = self._records.now()
        self._drop_partial()
        result, early = await self._words_of(ended)
        text, voiced = result.transcript.text, ended.voiced_seconds
        if not text:
            await self._discard(ended.first_sample, ended.end_sample, asr.DiscardReason.NO_WORDS)
            return
        if not is_credible(text, voiced, self._evidence.mean):
            await self._discard(ended.first_sample, ended.end_sample, asr.DiscardReason.NOISE)
            return
        longest_pause_ms = self._learn(ended)
        timings = self._records.ended(self._turn, ended, result, decided, early=early)
        await self._emit(
            asr.EndOfTurn(
                turn=self._turn,
                text=text,
                first_sample=ended.first_sample,
                end_sample=ended.end_sample,
                speech_end_sample=ended.speech_end_sample,
                reason=_REASONS[ended.reason],
                timings=timings,
                voiced_ms=round(voiced * 1000),
                words=tuple(
                    asr.Word(
                        w.text, ended.first_sample + w.first_sample, ended.first_sample + w.end_sample, w.confidence
                    )
                    for w in result.transcript.words
                ),
                language=result.transcript.language or self._config.language,
                language_confidence=result.transcript.language_confidence,
                longest_pause_ms=longest_pause_ms,
            )
        )
        self._turn += 1

    def _learn(self, ended: endpoint.Ended) -> int:
        """Take what a turn tells of its speaker; gives its longest pause in milliseconds."""
        longest = round(self._patience.longest_pause_seconds * 1000)
        self._patience = self._patience.ended()
        last, self._ended = self._ended, ended
        # A turn that was ended by its caller or its length says nothing of how long to wait.
        if last is None or last.reason is not Reason.SILENCE:
            return longest
        if self._onset - last.end_sample <= _TOO_EARLY_SECONDS * _RATE_HZ:
            self._patience = self._patience.cut_off((self._onset - last.speech_end_sample) / _RATE_HZ)
        return longest

    def _silence_for(self, whole: Completeness | None) -> float:
        """How much silence ends a turn that looks so finished."""
        config, patience = self._endpointer.config, self._patience
        match whole:
            case None:
                return config.default_silence_seconds
            case Completeness.SURE:
                return patience.question_seconds
            case Completeness.FINISHED:
                return patience.statement_seconds
            case Completeness.HESITANT:
                return max(config.hesitant_silence_seconds, patience.statement_seconds)
            case Completeness.UNFINISHED:
                return max(config.unfinished_silence_seconds, patience.statement_seconds)
            case Completeness.DICTATING:
                return config.dictation_silence_seconds

    async def _words_of(self, ended: endpoint.Ended) -> tuple[Result, bool]:
        """What was said in a turn, and whether that was known before it ended."""
        look, self._look = self._look, None
        if look is not None and look.speech_end_sample == ended.speech_end_sample:
            early = look.result.done()
            return await look.result, early
        if look is not None and look.task is not None:
            look.task.cancel()
        audio = self._utterance(ended.first_sample, ended.speech_end_sample)
        return await self._scheduler.final(self._recognizer, audio), False

    async def _discard(self, first: int, end: int, reason: asr.DiscardReason) -> None:
        self._drop_partial()
        self._patience = self._patience_before
        await self._emit(asr.TurnDiscarded(self._turn, reason, first, end))

    async def _acknowledge(self, *, force: bool = False) -> None:
        """Say about once a second how far the sound is accounted for, and forget it."""
        received = self._sound.end_sample
        accounted = self._endpointer.accounted
        if accounted > self._sound.first_sample:
            self._sound.forget(accounted)
            self._records.forget(accounted)
        if force or received - self._acked >= _ACK_SAMPLES:
            self._acked = received
            await self._emit(asr.AudioAck(accounted))
