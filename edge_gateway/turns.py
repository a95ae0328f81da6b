"""Decides who has the floor: when a reply begins, is held back, ducks, comes back, stops.

Events go in with the time, actions come out; `Turns` knows nothing of sound, wires, tasks or clocks. The drawing of
this machine is in ARCHITECTURE.md. At any time there is at most one reply:

    Free ──ProbablyDone──> Secret ──Done, same words──> Thinking ──Audible──> Speaking ──ReplyOver──> Free
      │                      └──WentOn, other words──> (dropped) Free           │  ▲
      └──Done──> Thinking                                      Voice: duck ─────┘  └── Nothing, no words: restore
                                                               enough voice or words: interrupt ──> Free
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, assert_never

from edge_gateway.words import is_backchannel, is_echo, is_stop, normalise, same_words

_MOST_HEAD_STARTS: Final = 3


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """How the floor changes hands in a session."""

    language: str = "en"
    """Language of backchannels and stop words, BCP 47."""
    interruptible: bool = True
    """Speech may interrupt a reply."""
    interrupt_voiced_seconds: float = 0.35
    """Voice that, with words that are no backchannel, interrupts a reply."""
    interrupt_unknown_seconds: float = 0.7
    """Voice that interrupts a reply while no words are known yet."""
    interrupt_words: int = 2
    """Words that interrupt a reply, however short the voice was."""
    false_interruption_seconds: float = 1.0
    """Time after which a reply that was ducked for nothing comes back."""
    head_start: bool = True
    """Replies may begin in secret."""
    echo_guard_seconds: float = 3.0
    """Start of the first reply in which voice without words does not interrupt: echo cancellers converge."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Voice has begun, perhaps no speech."""


@dataclass(frozen=True, slots=True)
class Speech:
    """There was enough voice to call it speech."""

    turn: int
    """The turn."""
    voiced_seconds: float
    """Voice so far."""


@dataclass(frozen=True, slots=True)
class Words:
    """The user seems to be saying this."""

    turn: int
    """The turn."""
    text: str
    """The words so far."""
    voiced_seconds: float
    """Voice so far."""
    being_said: str = ""
    """What the assistant is saying about now."""


@dataclass(frozen=True, slots=True)
class ProbablyDone:
    """The user has probably finished."""

    turn: int
    """The turn."""
    text: str
    """The words."""


@dataclass(frozen=True, slots=True)
class WentOn:
    """The user went on after all."""

    turn: int
    """The turn."""


@dataclass(frozen=True, slots=True)
class Done:
    """The user has finished."""

    turn: int
    """The turn."""
    text: str
    """The words."""
    voiced_seconds: float = 0.0
    """Voice of the turn."""
    being_said: str = ""
    """What the assistant is saying about now."""
    typed: bool = False
    """The words were typed."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """What had begun was no turn."""


@dataclass(frozen=True, slots=True)
class Audible:
    """The first packet of the reply has gone to the listener."""


@dataclass(frozen=True, slots=True)
class ReplyOver:
    """The reply ended by itself: heard to its end, or failed."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The client wants the reply to stop."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time `Turns.wake_at` has come."""


Event = Voice | Speech | Words | ProbablyDone | WentOn | Done | Nothing | Audible | ReplyOver | Cancel | Tick


@dataclass(frozen=True, slots=True)
class Answer:
    """Begin a reply."""

    turn: int
    """The turn that it answers."""
    text: str
    """The user's words."""
    secret: bool
    """Hold it back until `Release`."""
    typed: bool = False
    """The words were typed."""


@dataclass(frozen=True, slots=True)
class Release:
    """Let the secret reply be heard."""

    text: str
    """The user's words, as they are now certain."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Cancel the reply; nothing of it was heard."""


@dataclass(frozen=True, slots=True)
class Duck:
    """Make the reply quieter at once."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Bring the reply back to full."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Flush and cancel the reply; the history keeps what was heard."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """The turn was an echo or a backchannel: it gets no reply and no place in the history."""

    turn: int
    """The turn."""


Action = Answer | Release | Drop | Duck | Restore | Interrupt | Ignore


@dataclass(frozen=True, slots=True)
class Free:
    """Nobody replies."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A reply is being made and held back."""

    turn: int
    """The turn that it answers."""
    text: str
    """The words that it answers."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """A reply is being made, and will be heard as soon as there is sound."""

    turn: int
    """The turn that it answers."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """A reply can be heard."""

    turn: int
    """The turn that it answers."""
    since_seconds: float
    """When it became audible."""
    ducked_seconds: float | None = None
    """When it was ducked; None: it is at full."""
    speech_seconds: float | None = None
    """When the user's voice was called speech; None: not yet."""


State = Free | Secret | Thinking | Speaking


class Turns:
    """Who has the floor in one session."""

    def __init__(self, policy: TurnPolicy) -> None:
        """Begin with a free floor."""
        self.policy = policy
        self.state: State = Free()
        self._first_reply = True
        self._head_starts = (0, 0)
        """The turn that head starts were last counted for, and how many it had."""

    def begin_greeting(self) -> None:
        """The assistant speaks first; asked before anybody has the floor."""
        self.state = Thinking(0)

    @property
    def wake_at(self) -> float | None:
        """When to send a `Tick`, in the caller's seconds; None: no need."""
        state = self.state
        if not isinstance(state, Speaking) or state.ducked_seconds is None:
            return None
        if state.speech_seconds is None:
            return state.ducked_seconds + self.policy.false_interruption_seconds
        return self._voice_alone_at(state)

    def on(self, event: Event, now_seconds: float) -> tuple[Action, ...]:  # noqa: C901, PLR0911 - one branch per event
        """What is to be done about `event`, in this order."""
        match event:
            case Voice():
                return self._voice(now_seconds)
            case Speech():
                return self._speech(event, now_seconds)
            case Words():
                return self._words(event)
            case ProbablyDone():
                return self._probably_done(event)
            case WentOn() | Nothing():
                return self._came_to_nothing()
            case Done():
                return self._done(event)
            case Audible():
                return self._audible(now_seconds)
            case ReplyOver():
                self._free()
                return ()
            case Cancel():
                return self._stop()
            case Tick():
                return self._tick(now_seconds)
            case _:
                assert_never(event)

    def _voice(self, now_seconds: float) -> tuple[Action, ...]:
        state = self.state
        if not isinstance(state, Speaking) or state.ducked_seconds is not None or not self.policy.interruptible:
            return ()
        self.state = replace(state, ducked_seconds=now_seconds)
        return (Duck(),)

    def _speech(self, event: Speech, now_seconds: float) -> tuple[Action, ...]:
        state = self.state
        if isinstance(state, Thinking):
            # Nothing of the reply was heard yet, and the user goes on: the two halves will be answered together.
            return self._stop()
        if not isinstance(state, Speaking) or not self.policy.interruptible:
            return ()
        ducked = self._voice(now_seconds)
        assert isinstance(self.state, Speaking)  # noqa: S101 - `_voice` only ducks
        # The clock of voice starts where the voice did.
        self.state = replace(self.state, speech_seconds=now_seconds - event.voiced_seconds)
        return ducked

    def _words(self, event: Words) -> tuple[Action, ...]:
        if not isinstance(self.state, Speaking) or not self.policy.interruptible:
            return ()
        return self._stop() if self._takes_the_floor(event) else ()

    def _takes_the_floor(self, event: Words | Done) -> bool:
        language = self.policy.language
        if is_stop(event.text, language):
            return True
        if is_echo(event.text, event.being_said) or is_backchannel(event.text, language):
            return False
        words = normalise(event.text)
        enough_voice = event.voiced_seconds >= self.policy.interrupt_voiced_seconds
        return bool(words) and (enough_voice or len(words) >= self.policy.interrupt_words)

    def _probably_done(self, event: ProbablyDone) -> tuple[Action, ...]:
        if not self.policy.head_start or isinstance(self.state, Thinking | Speaking):
            return ()
        if isinstance(self.state, Secret) and same_words(self.state.text, event.text):
            return ()
        turn, tries = self._head_starts
        tries = tries + 1 if turn == event.turn else 1
        dropped = self._stop()
        if tries > _MOST_HEAD_STARTS:
            return dropped
        self._head_starts = (event.turn, tries)
        self.state = Secret(event.turn, event.text)
        return (*dropped, Answer(event.turn, event.text, secret=True))

    def _came_to_nothing(self) -> tuple[Action, ...]:
        if isinstance(self.state, Secret):
            return self._stop()
        return self._restore()

    def _done(self, event: Done) -> tuple[Action, ...]:
        state = self.state
        if isinstance(state, Secret) and same_words(state.text, event.text):
            self.state = Thinking(event.turn)
            return (Release(event.text),)
        if isinstance(state, Speaking) and not event.typed and not self._may_answer(event):
            return (*self._restore(), Ignore(event.turn))
        stopped = self._stop()
        self.state = Thinking(event.turn)
        return (*stopped, Answer(event.turn, event.text, secret=False, typed=event.typed))

    def _may_answer(self, event: Done) -> bool:
        return self.policy.interruptible and self._takes_the_floor(event)

    def _audible(self, now_seconds: float) -> tuple[Action, ...]:
        if isinstance(self.state, Thinking):
            self.state = Speaking(self.state.turn, now_seconds)
        return ()

    def _tick(self, now_seconds: float) -> tuple[Action, ...]:
        wake_at = self.wake_at
        if wake_at is None or now_seconds < wake_at:
            return ()
        assert isinstance(self.state, Speaking)  # noqa: S101 - else there is nothing to wake for
        return self._restore() if self.state.speech_seconds is None else self._stop()

    def _voice_alone_at(self, state: Speaking) -> float:
        """When voice without words is enough to interrupt."""
        assert state.speech_seconds is not None  # noqa: S101 - asked only then
        enough = state.speech_seconds + self.policy.interrupt_unknown_seconds
        guard_ends = state.since_seconds + self.policy.echo_guard_seconds if self._first_reply else enough
        return max(enough, guard_ends)

    def _restore(self) -> tuple[Action, ...]:
        state = self.state
        if not isinstance(state, Speaking) or state.ducked_seconds is None:
            return ()
        self.state = replace(state, ducked_seconds=None, speech_seconds=None)
        return (Restore(),)

    def _stop(self) -> tuple[Action, ...]:
        """End the reply, whatever it is doing."""
        state = self.state
        match state:
            case Free():
                return ()
            case Secret() | Thinking():
                self._free()
                return (Drop(),)
            case Speaking():
                self._free()
                return (Interrupt(),)
            case _:
                assert_never(state)

    def _free(self) -> None:
        if isinstance(self.state, Speaking):
            self._first_reply = False
        self.state = Free()
