"""Finds the turns in a stream of voice probabilities: where speech begins, pauses, goes on, ends, or was none.

One step is one window of 512 samples at 16 kHz (32 ms). Every position is a sample of the session's audio clock, and
every sample is accounted for by a turn, a discard or silence. Knows nothing of models, words' meaning, or time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

RATE_HZ: Final = 16_000
WINDOW_SAMPLES: Final = 512
# Silero's probability falls about 43 ms after the voice does, at these thresholds (measured on recordings).
HOLD_OVER_SAMPLES: Final = 688
# A gap in what is not yet speech: syllables of a word are nearer to each other than this.
_CANDIDATE_GAP_SECONDS: Final = 0.35
# Past the soft limit any pause will do.
_SOFT_SILENCE_SECONDS: Final = 0.2
# The words are looked at in every lull, so that they are known when a decision is due; a look serves as a partial too.
_LOOK_SILENCE_SECONDS: Final = 0.1
# While the assistant speaks, so much of the usual evidence begins voice: ducking for nothing costs little, and the
# detector is unsure of hissing consonants for 150 ms. Not right at a reply's beginning, into which users breathe, and
# not for some time after a false alarm, for longer after each: in a noisy room a reply that ducks again and again is
# worse than a duck that comes late.
_ALERT_SHARE: Final = 0.1
_ALERT_AFTER_SECONDS: Final = 0.5
_CALM_SECONDS: Final = 5.0
_LONGEST_CALM_SECONDS: Final = 60.0
# Less voice than this is not even worth a model's time when the caller asks for the end.
_LEAST_FLUSHED_SECONDS: Final = 0.064


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """When turns begin and end; seconds of audio."""

    start_threshold: float = 0.5
    """Voice probability that starts voice."""
    release_threshold: float = 0.35
    """Voice probability under which voice ends."""
    min_speech_seconds: float = 0.2
    """Voice that makes a start of speech."""
    min_speech_while_assistant_speaks_seconds: float = 0.32
    """The same while the assistant speaks."""
    pre_roll_seconds: float = 0.3
    """Sound kept from before the first voice."""
    eager_silence_seconds: float = 0.2
    """Silence after which a head start may begin; 0: no head starts."""
    finished_silence_seconds: float = 0.28
    """Silence that ends a turn whose words look finished, of a speaker who does not pause."""
    patient_silence_seconds: float = 0.66
    """The same of a speaker who does, or who is not known yet."""
    patience_limit_seconds: float = 1.2
    """The longest that is waited after words that look finished, whatever the speaker's pauses."""
    default_silence_seconds: float = 0.5
    """Silence that ends a turn where nothing is known of the words."""
    hesitant_silence_seconds: float = 0.45
    """Least silence that ends a turn whose words only lack a full stop; more of a speaker who pauses."""
    unfinished_silence_seconds: float = 1.5
    """Silence that ends a turn whose words look unfinished."""
    dictation_silence_seconds: float = 2.0
    """Silence that ends a turn in which digits are dictated."""
    soft_limit_seconds: float = 30.0
    """Speech after which the next pause ends the turn."""
    hard_limit_seconds: float = 60.0
    """Speech after which the turn ends wherever it is."""
    eager_limit_seconds: float = 10.0
    """Longest speech for which a head start is worth its cost."""


class Reason(enum.Enum):
    """Why a turn ended."""

    SILENCE = enum.auto()
    FLUSH = enum.auto()
    TOO_LONG = enum.auto()
    STREAM_END = enum.auto()


@dataclass(frozen=True, slots=True)
class VoiceBegan:
    """The first voiced window after silence; perhaps no speech."""

    sample: int
    """Its first sample."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """There was enough voice to call it speech."""

    first_sample: int
    """First voiced sample."""


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """The voice has fallen silent, for now."""

    sample: int
    """Sample after the last voiced one."""


@dataclass(frozen=True, slots=True)
class Paused:
    """Speech has been silent for long enough to look at the words; answer with `Endpointer.expect`."""

    speech_end_sample: int
    """Sample after the last voiced one."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """The pause has lasted long enough for a head start."""

    speech_end_sample: int
    """Sample after the last voiced one."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech goes on after `VoiceStopped`."""

    sample: int
    """First sample of the new voice."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over."""

    first_sample: int
    """First sample that it accounts for, the pre-roll included."""
    end_sample: int
    """Sample after the last one that it accounts for."""
    speech_end_sample: int
    """Sample after the last voiced one."""
    reason: Reason
    """Why."""
    voiced_seconds: float
    """Voice that it holds."""


@dataclass(frozen=True, slots=True)
class TooShort:
    """What had begun was too little voice for speech."""

    first_sample: int
    """First sample discarded."""
    end_sample: int
    """Sample after the last one discarded."""


Event = VoiceBegan | SpeechBegan | VoiceStopped | Paused | Lasting | Resumed | Ended | TooShort


class _Phase(enum.Enum):
    QUIET = enum.auto()
    CANDIDATE = enum.auto()
    SPEECH = enum.auto()


class Endpointer:
    """The turns of one stream."""

    def __init__(self, config: EndpointConfig, first_sample: int = 0) -> None:
        """Begin in silence at `first_sample`."""
        self.config = config
        self._speaking_since: int | None = None
        self._calm_until = first_sample
        self._calm_seconds = _CALM_SECONDS
        self.position = first_sample
        """Sample after the last window."""
        self._phase = _Phase.QUIET
        self._accounted = first_sample
        self._begin()

    def _begin(self) -> None:
        """Forget the turn; silence follows."""
        self._voiced = self._certain = False
        self._first = self._onset = self._last_voice = self.position
        self._voiced_samples = 0
        self._needed_seconds: float | None = None
        self._asked = self._lasting = False

    @property
    def assistant_speaks(self) -> bool:
        """Set while a reply can be heard: then less voice is told, and more of it is needed to call it speech."""
        return self._speaking_since is not None

    @assistant_speaks.setter
    def assistant_speaks(self, speaks: bool) -> None:
        since = self.position if self._speaking_since is None else self._speaking_since
        self._speaking_since = since if speaks else None

    @property
    def accounted(self) -> int:
        """Every sample before this one belongs to a turn, a discard, or silence that no turn can claim any more."""
        return self._accounted

    @property
    def in_speech(self) -> bool:
        """True from `SpeechBegan` to the end of the turn."""
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
    def silence_seconds(self) -> float:
        """Silence since the last voiced sample."""
        return (self.position - self.speech_end_sample) / RATE_HZ

    def step(self, probability: float) -> tuple[Event, ...]:
        """Take the next window's voice probability."""
        voiced, was_voiced = probability >= self._threshold(), self._voiced
        start, self.position = self.position, self.position + WINDOW_SAMPLES
        self._voiced = voiced
        self._certain = self._certain or probability >= self.config.start_threshold
        if voiced:
            return self._voice(start, was_voiced=was_voiced)
        if self._phase is _Phase.QUIET:
            # Never back: a longer pre-roll, asked for later, cannot have what was let go.
            self._accounted = max(self._accounted, self.position - self._samples(self.config.pre_roll_seconds))
            return ()
        stopped = (VoiceStopped(self.speech_end_sample),) if was_voiced else ()
        return (*stopped, *self._silence())

    def expect(self, silence_seconds: float) -> tuple[Event, ...]:
        """Take the silence that the words call for, as an answer to `Paused`; void as soon as the voice goes on."""
        self._needed_seconds = silence_seconds
        return self._silence() if self._phase is _Phase.SPEECH and not self._voiced else ()

    def flush(self, reason: Reason) -> tuple[Event, ...]:
        """End the turn now; a caller who asks in silence gets the silence discarded."""
        if self._phase is _Phase.SPEECH or (
            self._phase is _Phase.CANDIDATE and self.voiced_seconds >= _LEAST_FLUSHED_SECONDS
        ):
            return self._end(reason)
        if self._phase is _Phase.QUIET and reason is Reason.STREAM_END:
            return ()
        return self._discard()

    def _threshold(self) -> float:
        # In a pause the turn is about to end: a voice that comes back is believed sooner than one out of silence.
        if self._voiced or self._phase is _Phase.SPEECH:
            return self.config.release_threshold
        return self.config.start_threshold * (_ALERT_SHARE if self._is_alert() else 1.0)

    def _is_alert(self) -> bool:
        since = self._speaking_since
        if since is None or self._phase is not _Phase.QUIET or self.position < self._calm_until:
            return False
        return self.position - since >= self._samples(_ALERT_AFTER_SECONDS)

    def _voice(self, start: int, *, was_voiced: bool) -> tuple[Event, ...]:
        events: list[Event] = []
        if self._phase is _Phase.QUIET:
            self._phase = _Phase.CANDIDATE
            self._onset = start
            self._first = max(self._accounted, start - self._samples(self.config.pre_roll_seconds))
            self._accounted = self._first
            events.append(VoiceBegan(start))
        elif not was_voiced:
            self._needed_seconds, self._asked, self._lasting = None, False, False
            events.append(Resumed(start))
        self._last_voice = self.position
        self._voiced_samples += WINDOW_SAMPLES
        if self._phase is _Phase.CANDIDATE and self.voiced_seconds >= self._least_speech():
            self._phase = _Phase.SPEECH
            self._calm_until, self._calm_seconds = self.position, _CALM_SECONDS
            events.append(SpeechBegan(self._onset))
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
            return self._end(Reason.SILENCE) if worth_a_look else self._discard()
        if silence >= self._needed():
            return self._end(Reason.SILENCE)
        events: list[Event] = []
        if silence >= _LOOK_SILENCE_SECONDS and not self._asked:
            self._asked = True
            events.append(Paused(self.speech_end_sample))
        if silence >= self.config.eager_silence_seconds > 0 and not self._lasting:
            self._lasting = True
            events.append(Lasting(self.speech_end_sample))
        return tuple(events)

    def _needed(self) -> float:
        if self._speech_seconds() >= self.config.soft_limit_seconds:
            return _SOFT_SILENCE_SECONDS
        return self.config.default_silence_seconds if self._needed_seconds is None else self._needed_seconds

    def _least_speech(self) -> float:
        config = self.config
        return config.min_speech_while_assistant_speaks_seconds if self.assistant_speaks else config.min_speech_seconds

    def _speech_seconds(self) -> float:
        return (self.position - self._onset) / RATE_HZ

    def _end(self, reason: Reason) -> tuple[Event, ...]:
        ended = Ended(self._first, self.position, self.speech_end_sample, reason, self.voiced_seconds)
        self._close()
        return (ended,)

    def _split(self) -> tuple[Event, ...]:
        """End a turn that is too long in the middle of speech; the speech goes on as the next turn."""
        ended = Ended(self._first, self.position, self.position, Reason.TOO_LONG, self.voiced_seconds)
        self._close()
        self._phase, self._voiced = _Phase.SPEECH, True
        return (ended, SpeechBegan(self.position))

    def _discard(self) -> tuple[Event, ...]:
        first = self._first if self._phase is _Phase.CANDIDATE else self._accounted
        if self._phase is _Phase.CANDIDATE and not self._certain:
            self._calm_until = self.position + self._samples(self._calm_seconds)
            self._calm_seconds = min(2 * self._calm_seconds, _LONGEST_CALM_SECONDS)
        gone = TooShort(first, self.position)
        self._close()
        return (gone,)

    def _close(self) -> None:
        self._phase = _Phase.QUIET
        self._accounted = self.position
        self._begin()

    @staticmethod
    def _samples(seconds: float) -> int:
        return round(seconds * RATE_HZ)
