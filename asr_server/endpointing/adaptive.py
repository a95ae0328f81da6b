"""How long to wait for a speaker whose words look finished: learnt from the pauses that this speaker makes.

Words that look finished may be half of a thought, and no rule over words can tell. A speaker can: who pauses within
what they say does so again, and who does not wants their answer. So a session begins patient, becomes quick with every
turn that was said in one breath, and patient again at the first pause within a turn, or when a turn was ended too
early; who has paused for long is given time for longer. Questions are the exception: few people go on after one, so
they are answered quickly until the speaker shows otherwise. Seconds of audio; knows nothing of sound, words or time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from asr_server.endpointing.endpointer import EndpointConfig

# Shorter gaps lie between the words of everybody.
_LEAST_PAUSE_SECONDS: Final = 0.2
# A short pause announces longer ones: so many times as long, up to the patience of a session's beginning, and more so
# in the first turns, where nothing else is known of the speaker.
_GROWTH: Final = 2.4
_GROWTH_AT_FIRST: Final = 3.3
_FIRST_TURNS: Final = 2
# Beyond that, a little longer than the last; a detector's windows are 32 ms.
_MARGIN: Final = 1.1
_MARGIN_SECONDS: Final = 0.04
# A pause as long as this is no gap between words: the speaker is one who pauses.
_HESITATION_SECONDS: Final = 0.32
# What a turn in one breath leaves of the patience beyond the least: little, half of it when it is the first (one may be
# chance), or most of it with one who pauses.
_KEPT: Final = 0.1
_KEPT_AT_FIRST: Final = 0.5
_KEPT_WITH_PAUSES: Final = 0.7


@dataclass(frozen=True, slots=True)
class Patience:
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
    def of(cls, config: EndpointConfig) -> Self:
        """At the start of a session."""
        least = config.finished_silence_seconds
        patient = max(least, config.patient_silence_seconds)
        most = max(patient, config.patience_limit_seconds)
        return cls(least, patient, most, statement_seconds=patient, question_seconds=least)

    def reconfigured(self, config: EndpointConfig) -> Patience:
        """The same experience under other bounds."""
        fresh = Patience.of(config)
        return replace(
            fresh,
            statement_seconds=min(max(self.statement_seconds, fresh.least_seconds), fresh.most_seconds),
            question_seconds=min(max(self.question_seconds, fresh.least_seconds), fresh.most_seconds),
            longest_pause_seconds=self.longest_pause_seconds,
            pauses=self.pauses,
            turns=self.turns,
        )

    def paused(self, seconds: float) -> Patience:
        """The speaker was silent for `seconds` within a turn, and went on."""
        if seconds < _LEAST_PAUSE_SECONDS:
            return self
        longest = max(self.longest_pause_seconds, seconds)
        return replace(self._after(seconds), longest_pause_seconds=longest)

    def ended(self) -> Patience:
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

    def cut_off(self, seconds: float) -> Patience:
        """The last turn was ended too early: the speaker went on after `seconds` of silence."""
        return self._after(seconds)

    def _after(self, pause_seconds: float) -> Patience:
        longer = pause_seconds * _MARGIN + _MARGIN_SECONDS
        growth = _GROWTH_AT_FIRST if self.turns < _FIRST_TURNS else _GROWTH
        wanted = max(min(self.patient_seconds, pause_seconds * growth), longer)
        return replace(
            self,
            pauses=self.pauses or pause_seconds >= _HESITATION_SECONDS,
            statement_seconds=min(self.most_seconds, max(self.statement_seconds, wanted)),
            question_seconds=min(self.most_seconds, max(self.question_seconds, wanted)),
        )
