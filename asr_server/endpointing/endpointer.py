"""Finds the turns in a stream of voice probabilities: where speech begins, pauses, goes on, ends, or was none.

One step is one window of 512 samples at 16 kHz (32 ms). Every position is a sample of the session's audio clock, and
every sample is accounted for by a turn, a discard or silence. What a client is told comes in the wire's own words
(`parley.asr`); `Paused` and `Ended` wait for words first. Knows nothing of models, words' meaning, or time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asr_server.endpointing.sensitivity import OnsetSensitivity
from asr_server.engine import RATE_HZ
from parley import asr

if TYPE_CHECKING:
    from asr_server.endpointing.config import EndpointingConfig

WINDOW_SAMPLES: Final = 512
# Silero's probability falls about 43 ms after the voice does, at these thresholds (measured on recordings).
HOLD_OVER_SAMPLES: Final = 688
# A gap in what is not yet speech: syllables of a word are nearer to each other than this.
_CANDIDATE_GAP_SECONDS: Final = 0.35
# Every short pause is transcribed, so that the words are known when a decision is due; it serves as a partial too.
PAUSE_SECONDS: Final = 0.1
# Less voice than this is not even worth a model's time when the caller asks for the end.
_LEAST_FLUSHED_SECONDS: Final = 0.064


@dataclass(frozen=True, slots=True)
class Paused:
    """Speech has been silent for long enough to transcribe it; answer with `Endpointer.expect`."""

    speech_end_sample: int
    """Sample after the last voiced one."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over. Whoever has its words tells them, and counts `Endpointer.turn` up."""

    first_sample: int
    """First sample that it accounts for, the pre-roll included."""
    end_sample: int
    """Sample after the last one that it accounts for."""
    speech_end_sample: int
    """Sample after the last voiced one."""
    reason: asr.EndReason
    """Why."""
    voiced_seconds: float
    """Voice that it holds."""


Event = (
    asr.VoiceOnset
    | asr.SpeechStarted
    | asr.VoiceStopped
    | asr.EagerEndOfTurn
    | asr.TurnResumed
    | asr.TurnDiscarded
    | Paused
    | Ended
)


class _Phase(enum.Enum):
    QUIET = enum.auto()
    CANDIDATE = enum.auto()
    SPEECH = enum.auto()
    SPLIT = enum.auto()
    """A turn that was too long has just ended in the middle of speech: the next window is the next turn's first."""


@dataclass(slots=True)
class _Pause:
    """The silence since the last voice."""

    told: bool = False
    """`Paused` was given."""
    wanted_seconds: float | None = None
    """Silence after which the turn is over; None: the words are not known."""
    eager_text: str = ""
    """The words, where they are worth a speculative reply."""
    eager: bool = False
    """`EagerEndOfTurn` was given."""


class Endpointer:
    """The turns of one stream."""

    def __init__(self, config: EndpointingConfig, first_sample: int = 0, first_turn: int = 1) -> None:
        """Begin in silence at `first_sample`, before the turn `first_turn`."""
        self.config = config
        self.turn = first_turn
        """Number of the turn under way, or of the next one; one that is discarded leaves it to the next."""
        self.position = first_sample
        """Sample after the last window."""
        self._sensitivity = OnsetSensitivity(first_sample)
        self._phase = _Phase.QUIET
        self._accounted = first_sample
        self._begin()

    def _begin(self) -> None:
        """Forget the turn; silence follows."""
        self._voiced = self._certain = False
        self._first = self._onset = self._last_voice = self.position
        self._voiced_samples = 0
        self._pause = _Pause()

    @property
    def assistant_speaks(self) -> bool:
        """Set while a reply can be heard: then less voice is told, and more of it is needed to call it speech."""
        return self._sensitivity.assistant_speaks

    @assistant_speaks.setter
    def assistant_speaks(self, speaks: bool) -> None:
        self._sensitivity.assistant(self.position, speaks=speaks)

    @property
    def accounted(self) -> int:
        """Every sample before this one belongs to a turn, a discard, or silence that no turn can claim any more."""
        return self._accounted

    @property
    def in_speech(self) -> bool:
        """True from `SpeechStarted` to the end of the turn."""
        return self._phase is _Phase.SPEECH

    @property
    def may_hold_words(self) -> bool:
        """True in speech, and, while the assistant speaks, as soon as there is voice enough for a word like "stop"."""
        if self._phase is _Phase.CANDIDATE and self.assistant_speaks:
            return self.voiced_seconds >= self.config.min_speech_seconds
        return self.in_speech

    @property
    def first_sample(self) -> int:
        """First sample of the turn under way, the pre-roll included."""
        return self._first

    @property
    def speech_end_sample(self) -> int:
        """Sample after the last voiced one, the detector's hold-over taken off."""
        return max(self._onset, self._last_voice - HOLD_OVER_SAMPLES)

    @property
    def voiced_seconds(self) -> float:
        """Voice of the turn so far."""
        return self._voiced_samples / RATE_HZ

    @property
    def voiced_ms(self) -> int:
        """The same in milliseconds."""
        return round(self.voiced_seconds * 1000)

    @property
    def silence_seconds(self) -> float:
        """Silence since the last voiced sample."""
        return (self.position - self.speech_end_sample) / RATE_HZ

    def step(self, probability: float) -> tuple[Event, ...]:
        """Take the next window's voice probability."""
        voiced, was_voiced = probability >= self._threshold(), self._voiced
        start, self.position = self.position, self.position + WINDOW_SAMPLES
        self._voiced = voiced
        self._certain = self._certain or probability >= self.config.start_threshold
        started: tuple[Event, ...] = ()
        if self._phase is _Phase.SPLIT:
            self._phase = _Phase.SPEECH
            started = (asr.SpeechStarted(self.turn, start, self.voiced_ms),)
        if voiced:
            return (*started, *self._voice(start, was_voiced=was_voiced))
        if self._phase is _Phase.QUIET:
            # Never back: a longer pre-roll, asked for later, cannot have what was let go.
            self._accounted = max(self._accounted, self.position - _samples(self.config.pre_roll_seconds))
            return ()
        if was_voiced:
            started = (*started, asr.VoiceStopped(self.turn, self.speech_end_sample, self.voiced_ms))
        return (*started, *self._silence())

    def expect(self, silence_seconds: float, eager_text: str = "") -> tuple[Event, ...]:
        """Take the silence that the words call for, as an answer to `Paused`; void as soon as the voice goes on.

        `eager_text` are the words, where they are worth a speculative reply; empty: they are not.
        """
        if self._phase is not _Phase.SPEECH or self._voiced:
            return ()
        self._pause.wanted_seconds, self._pause.eager_text = silence_seconds, eager_text
        return (*self._eager_end(), *self._silence())

    def flush(self, reason: asr.EndReason) -> tuple[Event, ...]:
        """End the turn now; a caller who asks in silence gets the silence discarded."""
        if self._phase is _Phase.SPEECH or (
            self._phase is _Phase.CANDIDATE and self.voiced_seconds >= _LEAST_FLUSHED_SECONDS
        ):
            return self._end(reason)
        if self._phase is not _Phase.CANDIDATE and reason is asr.EndReason.STREAM_END:
            return ()
        return self._discard()

    def _threshold(self) -> float:
        # In a pause the turn is about to end: a voice that comes back is believed sooner than one out of silence.
        if self._voiced or self._phase is _Phase.SPEECH:
            return self.config.release_threshold
        share = self._sensitivity.share(self.position) if self._phase is _Phase.QUIET else 1.0
        return self.config.start_threshold * share

    def _voice(self, start: int, *, was_voiced: bool) -> tuple[Event, ...]:
        events: list[Event] = []
        if self._phase is _Phase.QUIET:
            self._phase = _Phase.CANDIDATE
            self._onset = start
            self._first = max(self._accounted, start - _samples(self.config.pre_roll_seconds))
            self._accounted = self._first
            events.append(asr.VoiceOnset(self.turn, start, self.position))
        elif not was_voiced:
            events.append(asr.VoiceOnset(self.turn, start, self.position))
            if self._pause.eager:
                events.append(asr.TurnResumed(self.turn, start))
            self._pause = _Pause()
        self._last_voice = self.position
        self._voiced_samples += WINDOW_SAMPLES
        least_seconds = self.config.least_speech_seconds(assistant_speaks=self.assistant_speaks)
        if self._phase is _Phase.CANDIDATE and self.voiced_seconds >= least_seconds:
            self._phase = _Phase.SPEECH
            self._sensitivity.speech(self.position)
            events.append(asr.SpeechStarted(self.turn, self._onset, self.voiced_ms))
        if self._phase is _Phase.SPEECH and self._speech_seconds() >= self.config.hard_limit_seconds:
            events += self._split()
        return tuple(events)

    def _silence(self) -> tuple[Event, ...]:
        silence = self.silence_seconds
        if self._phase is _Phase.CANDIDATE:
            if silence < _CANDIDATE_GAP_SECONDS:
                return ()
            # Too little voice to be called speech while the assistant speaks, but enough for a word: "stop".
            worth_a_look = self.voiced_seconds >= self.config.min_speech_seconds
            return self._end(asr.EndReason.SILENCE) if worth_a_look else self._discard()
        if silence >= self.config.end_silence_seconds(self._speech_seconds(), self._pause.wanted_seconds):
            return self._end(asr.EndReason.SILENCE)
        if silence >= PAUSE_SECONDS and not self._pause.told:
            self._pause.told = True
            return (Paused(self.speech_end_sample),)
        return self._eager_end()

    def _eager_end(self) -> tuple[Event, ...]:
        """The turn's probable end, once a pause, when it has lasted long enough after words that are worth it."""
        pause, config = self._pause, self.config
        spoken_seconds = (self.speech_end_sample - self._first) / RATE_HZ
        is_worth_it = pause.eager_text and not pause.eager and spoken_seconds <= config.eager_limit_seconds
        if not is_worth_it or not self.silence_seconds >= config.eager_silence_seconds > 0:
            return ()
        pause.eager = True
        return (asr.EagerEndOfTurn(self.turn, pause.eager_text, self.speech_end_sample),)

    def _speech_seconds(self) -> float:
        return (self.position - self._onset) / RATE_HZ

    def _end(self, reason: asr.EndReason) -> tuple[Event, ...]:
        ended = Ended(self._first, self.position, self.speech_end_sample, reason, self.voiced_seconds)
        self._close()
        return (ended,)

    def _split(self) -> tuple[Event, ...]:
        """End a turn that is too long in the middle of speech; the speech goes on as the next turn."""
        ended = Ended(self._first, self.position, self.position, asr.EndReason.TOO_LONG, self.voiced_seconds)
        self._close()
        self._phase, self._voiced = _Phase.SPLIT, True
        return (ended,)

    def _discard(self) -> tuple[Event, ...]:
        first = self._first if self._phase is _Phase.CANDIDATE else self._accounted
        if self._phase is _Phase.CANDIDATE and not self._certain:
            self._sensitivity.false_alarm(self.position)
        gone = asr.TurnDiscarded(self.turn, asr.DiscardReason.TOO_SHORT, first, self.position)
        self._close()
        return (gone,)

    def _close(self) -> None:
        self._phase = _Phase.QUIET
        self._accounted = self.position
        self._begin()


def _samples(seconds: float) -> int:
    return round(seconds * RATE_HZ)
