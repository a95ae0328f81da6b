"""What happens to the floor, and what is to be done about it.

Most of what happens is told in the ASR server's own words (`parley.asr`), and what a client asks in the conversation's
(`UserText`, `CancelReply`); here are the rest, and the actions.
"""

from __future__ import annotations

from dataclasses import dataclass

from parley import asr
from parley.conversation import CancelReply, Outcome, UserText


@dataclass(frozen=True, slots=True)
class ReplyAudible:
    """The first packet of the reply has gone to the listener."""


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply ended by itself: heard to its end, or failed."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time `Floor.wake_at` has come."""


@dataclass(frozen=True, slots=True)
class TurnLost:
    """The ASR server went away in the middle of a turn, which is heard again from its beginning, or never."""


Event = asr.Event | TurnLost | UserText | CancelReply | ReplyAudible | ReplyEnded | Tick


@dataclass(frozen=True, slots=True)
class Answer:
    """Begin a reply to the turn that the event was about."""

    text: str
    """The user's words."""
    speculative: bool = False
    """Hold it back until `Release`: the turn is not certainly over."""


@dataclass(frozen=True, slots=True)
class Release:
    """Let the speculative reply be heard."""

    text: str
    """The user's words, as they are now certain."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Cancel the reply; nothing of it was heard."""

    outcome: Outcome
    """What becomes of its turn: `MERGED` into the next, or `CANCELLED`; of no account for a speculative reply."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Let the reply not become audible for now: the user goes on, or it is only a noise."""


@dataclass(frozen=True, slots=True)
class Resume:
    """It was only a noise: let the reply be heard."""


@dataclass(frozen=True, slots=True)
class Duck:
    """Make the reply quieter at once."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Bring the reply back to full."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Flush and cancel the reply; the history keeps what was heard."""

    outcome: Outcome
    """`INTERRUPTED` by the user's words, or `CANCELLED` by the client."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """The turn was an echo or a backchannel: it gets no reply and no place in the history."""


Action = Answer | Release | Drop | Hold | Resume | Duck | Restore | Interrupt | Ignore


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """How the floor changes hands in a session."""

    language: str = "en"
    """Language of backchannels and stop words, BCP 47."""
    interruptible: bool = True
    """Speech may interrupt a reply."""
    interrupt_voiced_seconds: float = 0.32
    """Voice that, with words that are no backchannel, interrupts a reply."""
    interrupt_unknown_seconds: float = 0.7
    """Voice that interrupts a reply while no words are known yet."""
    interrupt_words: int = 2
    """Words that interrupt a reply, however short the voice was."""
    false_interruption_seconds: float = 1.0
    """Time after which a reply that was ducked for nothing comes back."""
    head_start: bool = True
    """Replies may begin before the end of the turn is certain."""
    head_start_waste: float = 0.6
    """Share of the last head starts that may be wasted; above it there are none, until fewer would have been."""
    echo_onset_seconds: float = 0.6
    """An echo begins with the reply: a voice that comes later is none, in a session in which there was none before."""
    echo_probe_seconds: float = 0.4
    """Time from the duck until it shows whether the voice is an echo; meanwhile only a stop word interrupts."""
    echo_guard_seconds: float = 3.0
    """Start of the first reply in which voice without words does not interrupt: echo cancellers converge."""
