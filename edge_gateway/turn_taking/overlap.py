"""What happens while both speak: one value, from the first voice over a reply until the turn of that voice is over.

The duck, the words so far, what is known of an echo, and the time at which to decide without words belong to it, and
end with it: ending it is one assignment in `floor`. Nothing that the user says is ignored without one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_gateway.turn_taking.echo import is_own_voice, is_wish_to_stop
from edge_gateway.turn_taking.phrases import is_backchannel, normalise

if TYPE_CHECKING:
    from edge_gateway.turn_taking.echo import MicrophoneLevels
    from edge_gateway.turn_taking.events import TurnPolicy


@dataclass(frozen=True, slots=True)
class Ducked:
    """The reply is quieter because of this voice."""

    at_seconds: float
    """Since when."""
    at_packet: int
    """`MicrophoneLevels.packets` then."""


@dataclass(frozen=True, slots=True)
class Said:
    """Words over a reply."""

    text: str
    """The words so far."""
    voiced_seconds: float
    """Voice so far."""
    reply: str
    """What the reply was saying while they were heard."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """A voice over a reply."""

    began_seconds: float
    """When it was first heard."""
    may_be_echo: bool
    """It came when an echo would have."""
    ducked: Ducked | None = None
    """None: the reply is at full, or over."""
    probed: bool = True
    """The duck has shown whether it is an echo, or there is no need to know."""
    speech_seconds: float | None = None
    """When it would have begun, had it been heard without a pause; None: it is silent, or too short to be speech."""
    spoken_seconds: float | None = None
    """How long it was, when it was long enough to be speech and fell silent; None otherwise."""
    harmless: Said | None = None
    """The words so far, which do not take the floor: too few for so little voice, a backchannel or an echo."""
    waiting: Said | None = None
    """Words that will take the floor, unless the duck shows that they are an echo."""
    echo: bool | None = None
    """What is known for certain: the assistant's own voice, or a user's; None: nothing yet."""

    def listen(self, levels: MicrophoneLevels) -> Overlap:
        """Take what the duck shows by now."""
        fell = levels.fell_with_duck(self.ducked.at_packet) if self.ducked is not None else None
        if fell is None or (fell and not self.may_be_echo):
            return self
        return replace(self, echo=fell)

    def duck(self, now_seconds: float, packets: int, policy: TurnPolicy, *, may_be_echo: bool) -> Overlap:
        """Make the reply quieter, to hear the voice and to test it; an echo that is known as one has no need of it.

        `packets` is what `MicrophoneLevels.packets` is now.
        """
        if self.ducked is not None or self.echo or not policy.interruptible:
            return self
        ducked = Ducked(now_seconds, packets)
        return replace(self, ducked=ducked, may_be_echo=may_be_echo, probed=not may_be_echo)

    def restore(self) -> Overlap:
        """The reply is at full again, or over; what is known of the voice stays."""
        return replace(self, ducked=None, speech_seconds=None, spoken_seconds=None, waiting=None)

    def speak(self, now_seconds: float, voiced_seconds: float, policy: TurnPolicy) -> Overlap | None:
        """There was enough voice to call it speech; None: enough for the words that were heard to take the floor."""
        # The clock of voice starts where the voice did.
        speech = replace(self, speech_seconds=now_seconds - voiced_seconds)
        return speech.hear(replace(self.harmless, voiced_seconds=voiced_seconds), policy) if self.harmless else speech

    def fall_silent(self, voiced_seconds: float) -> Overlap:
        """The voice pauses, after so much of it: silence is no voice that lasts."""
        if self.speech_seconds is None:
            return self
        return replace(self, speech_seconds=None, spoken_seconds=voiced_seconds)

    def go_on(self, now_seconds: float) -> Overlap:
        """There is voice again."""
        if self.spoken_seconds is None:
            return self
        return replace(self, speech_seconds=now_seconds - self.spoken_seconds, spoken_seconds=None)

    def hear(self, said: Said, policy: TurnPolicy) -> Overlap | None:
        """Take the words so far; None: they take the floor."""
        if not policy.interruptible:
            return self
        if self.takes_the_floor(said, policy):
            return None if self.probed or self.is_stop(said, policy) else replace(self, waiting=said)
        return replace(self, waiting=None, harmless=said if normalise(said.text) else self.harmless)

    def decide(self, policy: TurnPolicy) -> Overlap | None:
        """Decide without further words, at the time of `decide_at`; None: the voice takes the floor."""
        if not self.probed:
            probed = replace(self, probed=True, waiting=None)
            return probed if self.waiting is None else probed.hear(self.waiting, policy)
        return self.restore() if self.is_harmless or not policy.interruptible else None

    @property
    def is_harmless(self) -> bool:
        """True while voice alone says nothing: there is too little of it, its words are harmless, or it is an echo."""
        return self.speech_seconds is None or self.harmless is not None or self.echo is True

    def explains(self, said: Said, policy: TurnPolicy, *, speaking: bool) -> bool:
        """True when a whole turn is to be ignored; `speaking`: the reply goes on."""
        if self.is_assistant(said, policy):
            return True
        return speaking and not (policy.interruptible and self.takes_the_floor(said, policy))

    def is_assistant(self, said: Said, policy: TurnPolicy) -> bool:
        """True when a whole turn was the assistant's own voice, and no wish to stop that was said into it."""
        return not self.is_stop(said, policy) and is_own_voice(said.text, said.reply, self.echo)

    def takes_the_floor(self, said: Said, policy: TurnPolicy) -> bool:
        """True when the words are enough to interrupt the reply, and are the user's."""
        if self.is_stop(said, policy):
            return True
        if is_own_voice(said.text, said.reply, self.echo) or is_backchannel(said.text, policy.language):
            return False
        words = normalise(said.text)
        enough_voice = said.voiced_seconds >= policy.interrupt_voiced_seconds
        return bool(words) and (enough_voice or len(words) >= policy.interrupt_words)

    def is_stop(self, said: Said, policy: TurnPolicy) -> bool:
        """True when the words are the user's wish that the assistant stop."""
        return is_wish_to_stop(said.text, said.reply, policy.language, self.echo)

    def decide_at(self, policy: TurnPolicy, guarded_until_seconds: float) -> float | None:
        """When to decide without further words; None: there is nothing to decide.

        Before `guarded_until_seconds` voice alone does not interrupt.
        """
        if self.ducked is None:
            return None
        at = self.ducked.at_seconds + policy.false_interruption_seconds
        if self.speech_seconds is not None and not self.is_harmless:
            at = max(self.speech_seconds + policy.interrupt_unknown_seconds, guarded_until_seconds)
        return at if self.probed else min(at, self.ducked.at_seconds + policy.echo_probe_seconds)
