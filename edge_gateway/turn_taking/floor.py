"""Decides who has the floor: when a reply begins, is held back, ducks, comes back, stops.

Events go in with the time, actions come out; `Floor` knows nothing of wires, tasks or clocks. The drawing of this
machine is in ARCHITECTURE.md. At any time there is at most one reply, and at most one voice over it (`overlap`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edge_gateway.turn_taking.events import (
    Answer,
    Drop,
    Duck,
    Hold,
    Ignore,
    Interrupt,
    Release,
    ReplyAudible,
    ReplyEnded,
    Restore,
    Resume,
    Tick,
    TurnLost,
)
from edge_gateway.turn_taking.overlap import Overlap, Said
from edge_gateway.turn_taking.phrases import same_words
from edge_gateway.turn_taking.speculation import HeadStarts
from parley import asr
from parley.conversation import CancelReply, Outcome, UserText

if TYPE_CHECKING:
    from edge_gateway.turn_taking.echo import MicrophoneLevels
    from edge_gateway.turn_taking.events import Action, Event, TurnPolicy

_NOTHING: Final[tuple[Action, ...]] = ()


@dataclass(frozen=True, slots=True)
class Free:
    """Nobody replies."""


@dataclass(frozen=True, slots=True)
class Speculating:
    """A reply is being made and held back, until the turn is certainly over."""

    text: str
    """The words that it answers."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """A reply is being made, and will be heard as soon as there is sound."""

    held: bool = False
    """The user seems to go on: it is not let out before that is known."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """A reply can be heard."""

    since_seconds: float
    """When it became audible."""


State = Free | Speculating | Thinking | Speaking


class Floor:
    """Who has the floor in one session."""

    def __init__(self, policy: TurnPolicy, levels: MicrophoneLevels) -> None:
        """Begin with a free floor; `levels` are the microphone's while a reply can be heard."""
        self.policy = policy
        self.state: State = Free()
        self.overlap: Overlap | None = None
        """The voice over the reply, or over one that was heard when it began."""
        self._levels = levels
        self._head_starts = HeadStarts()
        self._first_reply = True
        self._had_echo = False
        """The duck has shown an echo at some time in this session: this listener's echo is not cancelled."""

    def begin_unasked(self) -> None:
        """The assistant speaks first, to greet or to remind; asked while nobody has the floor."""
        self.state = Thinking()

    @property
    def hears_itself(self) -> bool:
        """What is being heard was found to be the assistant's own voice."""
        return self.overlap is not None and self.overlap.echo is True

    @property
    def wake_at(self) -> float | None:
        """When to send a `Tick`, in the caller's seconds; None: no need."""
        if not isinstance(self.state, Speaking) or self.overlap is None:
            return None
        guard_seconds = self.policy.echo_guard_seconds if self._first_reply else 0.0
        return self.overlap.decide_at(self.policy, self.state.since_seconds + guard_seconds)

    def on(self, event: Event, now_seconds: float, said: str = "") -> tuple[Action, ...]:  # noqa: C901, PLR0911, PLR0912 - a branch per event
        """What is to be done about `event`, in this order; `said` is what the reply says, or said, meanwhile."""
        if self.overlap is not None:
            self.overlap = self.overlap.listen(self._levels)
        match event:
            case asr.VoiceOnset():
                return self._voice(now_seconds)
            case asr.SpeechStarted():
                return self._speech(event, now_seconds)
            case asr.Partial():
                return self._partial(Said(event.text, event.voiced_ms / 1000, said), now_seconds)
            case asr.EagerEndOfTurn():
                return self._probably_over(event)
            case asr.VoiceStopped():
                return self._silence(event)
            case asr.TurnResumed():
                return self._went_on()
            case asr.TurnDiscarded() | TurnLost():
                return (*self._went_on(), *self._end_overlap())
            case asr.EndOfTurn():
                return self._over(Said(event.text, event.voiced_ms / 1000, said))
            case UserText():
                return self._answer(event.text)
            case CancelReply():
                return self._stop(Outcome.CANCELLED, Outcome.CANCELLED)
            case ReplyAudible():
                return self._audible(now_seconds)
            case ReplyEnded():
                return self._free()
            case Tick():
                return self._tick(now_seconds)
            case _:
                return _NOTHING

    def _voice(self, now_seconds: float) -> tuple[Action, ...]:
        state = self.state
        if not isinstance(state, Speaking):
            return _NOTHING
        may_be_echo = self._had_echo or now_seconds < state.since_seconds + self.policy.echo_onset_seconds
        overlap = (self.overlap or Overlap(now_seconds, may_be_echo)).go_on(now_seconds)
        return self._follow(overlap.duck(now_seconds, self._levels.packets, self.policy, may_be_echo=may_be_echo))

    def _speech(self, event: asr.SpeechStarted, now_seconds: float) -> tuple[Action, ...]:
        if self.state == Thinking(held=False) and not self.hears_itself:
            # Nothing of the reply was heard yet. Should the user go on, both halves are answered together.
            self.state = Thinking(held=True)
            return (Hold(),)
        ducked = self._voice(now_seconds)
        if self.overlap is None or not isinstance(self.state, Speaking):
            return _NOTHING
        return self._follow(self.overlap.speak(now_seconds, event.voiced_ms / 1000, self.policy)) or ducked

    def _silence(self, event: asr.VoiceStopped) -> tuple[Action, ...]:
        if self.overlap is not None:
            self.overlap = self.overlap.fall_silent(event.voiced_ms / 1000)
        return _NOTHING

    def _partial(self, said: Said, now_seconds: float) -> tuple[Action, ...]:
        ducked = self._voice(now_seconds) if self.overlap is None else _NOTHING
        if self.overlap is None or not isinstance(self.state, Speaking):
            return _NOTHING
        return self._follow(self.overlap.hear(said, self.policy)) or ducked

    def _follow(self, overlap: Overlap | None) -> tuple[Action, ...]:
        """Do what the voice over the reply has come to; None: it takes the floor."""
        was_ducked = self.overlap is not None and self.overlap.ducked is not None
        self.overlap = overlap
        if overlap is None:
            # The voice is the user's: what it goes on to say is a turn like any other.
            return self._stop()
        if was_ducked == (overlap.ducked is not None):
            return _NOTHING
        return (Restore(),) if was_ducked else (Duck(),)

    def _probably_over(self, event: asr.EagerEndOfTurn) -> tuple[Action, ...]:
        state = self.state
        known = isinstance(state, Speculating) and same_words(state.text, event.text)
        if known or not self.policy.head_start or isinstance(state, Thinking | Speaking):
            return _NOTHING
        worth_it = self._head_starts.guess(event.turn, event.text, self.policy.head_start_waste)
        dropped = self._drop_speculation()
        if not worth_it:
            return dropped
        self.state = Speculating(event.text)
        return (*dropped, Answer(event.text, speculative=True))

    def _went_on(self) -> tuple[Action, ...]:
        self._head_starts.wrong()
        return self._drop_speculation()

    def _over(self, said: Said) -> tuple[Action, ...]:
        self._had_echo = self._had_echo or self.hears_itself
        overlap, speaking = self.overlap, isinstance(self.state, Speaking)
        if overlap is not None and overlap.explains(said, self.policy, speaking=speaking):
            self._head_starts.forget()
            return (*self._drop_speculation(), *self._end_overlap(), Ignore())
        self._head_starts.settled(said.text)
        self.overlap = None
        if isinstance(self.state, Speculating) and same_words(self.state.text, said.text):
            self.state = Thinking()
            return (Release(said.text),)
        return self._answer(said.text)

    def _answer(self, text: str) -> tuple[Action, ...]:
        stopped = self._stop()
        self.state = Thinking()
        return (*stopped, Answer(text))

    def _audible(self, now_seconds: float) -> tuple[Action, ...]:
        if not isinstance(self.state, Thinking):
            return _NOTHING
        held, self.state = self.state.held, Speaking(now_seconds)
        if not held:
            return _NOTHING
        # Its first packet was on its way when the user went on: a voice that was there before it is no echo of it.
        overlap = replace(
            self.overlap or Overlap(now_seconds, may_be_echo=False, echo=False), speech_seconds=now_seconds
        )
        return self._follow(overlap.duck(now_seconds, self._levels.packets, self.policy, may_be_echo=False))

    def _tick(self, now_seconds: float) -> tuple[Action, ...]:
        wake_at = self.wake_at
        if wake_at is None or now_seconds < wake_at or self.overlap is None:
            return _NOTHING
        return self._follow(self.overlap.decide(self.policy))

    def _end_overlap(self) -> tuple[Action, ...]:
        """The turn of the voice is over: whatever was done because of it is undone."""
        overlap, self.overlap = self.overlap, None
        if self.state == Thinking(held=True):
            self.state = Thinking()
            return (Resume(),)
        return (Restore(),) if overlap is not None and overlap.ducked is not None else _NOTHING

    def _drop_speculation(self) -> tuple[Action, ...]:
        return self._stop(unheard=Outcome.CANCELLED) if isinstance(self.state, Speculating) else _NOTHING

    def _stop(self, unheard: Outcome = Outcome.MERGED, heard: Outcome = Outcome.INTERRUPTED) -> tuple[Action, ...]:
        """End the reply, whatever it is doing: what becomes of it when nothing of it was heard, and else."""
        state = self.state
        self._free()
        if isinstance(state, Speaking):
            return (Interrupt(heard),)
        return _NOTHING if isinstance(state, Free) else (Drop(unheard),)

    def _free(self) -> tuple[Action, ...]:
        if isinstance(self.state, Speaking):
            self._first_reply = False
        self.state = Free()
        if self.overlap is not None:
            # There is nothing left to duck; what is known of the voice is needed when its turn is over.
            self.overlap = self.overlap.restore()
        return _NOTHING
