"""Adaptive endpointing: how much silence ends a turn, by its words and by the pauses that its speaker makes.

Words that look finished may be half of a thought, and no rule over words can tell. A speaker can: who pauses within
what they say does so again, and who does not wants their answer. So a session begins with long silences, shortens them
with every turn that was said without a pause, and lengthens them again at the first pause within a turn, or when a turn
was ended too early; who has paused for long is given time for longer. Questions are the exception: few people go on
after one, so they are answered quickly until the speaker shows otherwise. Seconds of audio; knows nothing of sound,
words or time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from asr_server.endpointing.completeness import Completeness
from asr_server.engine import RATE_HZ
from parley import asr

if TYPE_CHECKING:
    from asr_server.endpointing.config import EndpointingConfig
    from asr_server.endpointing.endpointer import Ended

# Shorter gaps lie between the words of everybody.
_LEAST_PAUSE_SECONDS: Final = 0.2
# A short pause announces longer ones: so many times as long, up to what is waited at a session's beginning, and more so
# in the first turns, where nothing else is known of the speaker.
_GROWTH: Final = 2.4
_GROWTH_AT_FIRST: Final = 3.3
_FIRST_TURNS: Final = 2
# Beyond that, a little longer than the last; a detector's windows are 32 ms.
_MARGIN: Final = 1.1
_MARGIN_SECONDS: Final = 0.04
# A pause as long as this is no gap between words: the speaker is one who pauses.
_HESITATION_SECONDS: Final = 0.32
# What a turn without a pause leaves of the silence beyond the least: little, half of it when it is the first (one may
# be chance), or most of it with one who pauses.
_KEPT: Final = 0.1
_KEPT_AT_FIRST: Final = 0.5
_KEPT_WITH_PAUSES: Final = 0.7
# A user who speaks again so soon after their turn was ended had not finished.
_TOO_EARLY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class PauseProfile:
    """What a speaker's turns so far call for; a value: every method that learns gives another one."""

    least_seconds: float
    """Silence that ends a finished turn of a speaker who does not pause."""
    patient_seconds: float
    """The same for a speaker who does, or who is not known yet."""
    most_seconds: float
    """The longest that is ever waited for finished words."""
    statement_seconds: float
    """What is waited now after a statement."""
    question_seconds: float
    """What is waited now after a question."""
    longest_pause_seconds: float = 0.0
    """The longest pause within the turn under way."""
    pauses: bool = False
    """The speaker is known to pause."""
    turns: int = 0
    """Turns so far."""

    @classmethod
    def of(cls, config: EndpointingConfig) -> Self:
        """At the start of a session."""
        least = config.finished_silence_seconds
        patient = max(least, config.patient_silence_seconds)
        most = max(patient, config.patience_limit_seconds)
        return cls(least, patient, most, statement_seconds=patient, question_seconds=least)

    def reconfigured(self, config: EndpointingConfig) -> PauseProfile:
        """The same experience under other bounds."""
        fresh = PauseProfile.of(config)
        return replace(
            fresh,
            statement_seconds=min(max(self.statement_seconds, fresh.least_seconds), fresh.most_seconds),
            question_seconds=min(max(self.question_seconds, fresh.least_seconds), fresh.most_seconds),
            longest_pause_seconds=self.longest_pause_seconds,
            pauses=self.pauses,
            turns=self.turns,
        )

    def paused(self, seconds: float) -> PauseProfile:
        """The speaker was silent for `seconds` within a turn, and went on."""
        if seconds < _LEAST_PAUSE_SECONDS:
            return self
        longest = max(self.longest_pause_seconds, seconds)
        return replace(self._after(seconds), longest_pause_seconds=longest)

    def ended(self) -> PauseProfile:
        """A turn is over."""
        known = replace(self, longest_pause_seconds=0.0, turns=self.turns + 1)
        if self.longest_pause_seconds:
            return known
        kept = _KEPT if self.turns else _KEPT_AT_FIRST
        kept = _KEPT_WITH_PAUSES if self.pauses else kept

        def less(seconds: float) -> float:
            return self.least_seconds + (seconds - self.least_seconds) * kept

        return replace(
            known, statement_seconds=less(self.statement_seconds), question_seconds=less(self.question_seconds)
        )

    def cut_off(self, seconds: float) -> PauseProfile:
        """The last turn was ended too early: the speaker went on after `seconds` of silence."""
        return self._after(seconds)

    def _after(self, pause_seconds: float) -> PauseProfile:
        longer = pause_seconds * _MARGIN + _MARGIN_SECONDS
        growth = _GROWTH_AT_FIRST if self.turns < _FIRST_TURNS else _GROWTH
        wanted = max(min(self.patient_seconds, pause_seconds * growth), longer)
        return replace(
            self,
            pauses=self.pauses or pause_seconds >= _HESITATION_SECONDS,
            statement_seconds=min(self.most_seconds, max(self.statement_seconds, wanted)),
            question_seconds=min(self.most_seconds, max(self.question_seconds, wanted)),
        )


class AdaptiveEndpointing:
    """How long one stream waits for its speaker."""

    def __init__(self, config: EndpointingConfig, first_sample: int) -> None:
        """Know nothing of the speaker yet; `first_sample` is the stream's first."""
        self._config = config
        self._profile = self._before = PauseProfile.of(config)
        self._onset = self._stopped = first_sample
        self._last: Ended | None = None

    def reconfigure(self, config: EndpointingConfig) -> None:
        """Keep to other bounds from now on."""
        self._config = config
        self._profile = self._before = self._profile.reconfigured(config)

    def turn_began(self, onset: int) -> None:
        """A turn's first voice is at the sample `onset`."""
        self._onset, self._before = onset, self._profile

    def voice_stopped(self, sample: int) -> None:
        """The voice fell silent at `sample`."""
        self._stopped = sample

    def voice_resumed(self, sample: int) -> None:
        """Speech went on at `sample`, within its turn."""
        self._profile = self._profile.paused((sample - self._stopped) / RATE_HZ)

    def turn_ended(self, ended: Ended) -> int:
        """Learn from a turn; gives its longest pause in milliseconds."""
        longest = round(self._profile.longest_pause_seconds * 1000)
        self._profile = self._profile.ended()
        last, self._last = self._last, ended
        # A turn that was ended by its caller or its length says nothing of how long to wait.
        if last is None or last.reason is not asr.EndReason.SILENCE:
            return longest
        if self._onset - last.end_sample <= _TOO_EARLY_SECONDS * RATE_HZ:
            self._profile = self._profile.cut_off((self._onset - last.speech_end_sample) / RATE_HZ)
        return longest

    def forget_turn(self) -> None:
        """Unlearn what the last turn told: it was none, or somebody else's."""
        self._profile = self._before

    def silence_seconds(self, completeness: Completeness | None) -> float:
        """How much silence ends a turn that looks so finished; None: nothing is known of it."""
        config, statement, question = self._config, self._profile.statement_seconds, self._profile.question_seconds
        heard_over = min(statement, max(question, config.heard_over_silence_seconds))
        silences = {
            None: config.default_silence_seconds,
            Completeness.SURE: question,
            Completeness.OVER: heard_over,
            Completeness.SOUNDS_OVER: min(heard_over, config.default_silence_seconds),
            Completeness.SOUNDS_OPEN: max(statement, config.default_silence_seconds),
            Completeness.FINISHED: statement,
            Completeness.HESITANT: max(config.hesitant_silence_seconds, statement),
            Completeness.UNFINISHED: max(config.unfinished_silence_seconds, statement),
            Completeness.DICTATING: config.dictation_silence_seconds,
        }
        return silences[completeness]
