"""Decides who has the floor: when a reply begins, is held back, ducks, comes back, stops.

Events go in with the time, actions come out; `Turns` knows nothing of sound, wires, tasks or clocks. The drawing of
this machine is in ARCHITECTURE.md. At any time there is at most one reply:

    Free ──ProbablyDone──> Secret ──Done, same words──> Thinking ──Audible──> Speaking ──ReplyOver──> Free
      │                      └──WentOn, other words──> (dropped) Free           │  ▲
      └──Done──> Thinking                                      Voice: duck ─────┘  └── Nothing, no words: restore
                                                               enough voice or words: interrupt ──> Free
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final, assert_never

from edge_gateway.turn_taking.phrases import is_backchannel, is_echo, is_stop, normalise, same_words

_MOST_HEAD_STARTS: Final = 3
# Head starts that the share of wasted ones is taken of, and as many as it takes to speak of a share.
_GUESSES_REMEMBERED: Final = 12
_LEAST_GUESSES: Final = 5
# Words at the end of what the microphone heard that tell an echo from a user who speaks into it.
_ECHO_WORDS: Final = 8


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
    """Replies may begin in secret."""
    head_start_waste: float = 0.6
    """Share of the last head starts that may be wasted; above it there are none, until fewer would have been."""
    echo_onset_seconds: float = 0.6
    """An echo begins with the reply: a voice that comes later is none, in a session in which there was none before."""
    echo_probe_seconds: float = 0.4
    """Time from the duck until it shows whether the voice is an echo; meanwhile only a stop word interrupts."""
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
    fell_with_reply: bool | None = None
    """The voice got quieter with the reply, as an echo does; None: that cannot be told."""


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
    fell_with_reply: bool | None = None
    """The voice got quieter with the reply, as an echo does; None: that cannot be told."""
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

    fell_with_reply: bool | None = None
    """The voice that is being heard got quieter with the reply, as an echo does; None: that cannot be told."""


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
    harmless: bool = False
    """The words so far are a nod or an echo: voice alone says nothing any more."""
    heard: Words | None = None
    """The words so far, too few for so little voice."""
    waiting: Words | None = None
    """Words that will interrupt, unless the duck shows that they are an echo."""
    may_be_echo: bool = False
    """The voice came when an echo would have."""
    probed: bool = True
    """The duck has shown whether it is one, or there is no need to know."""


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
        self._echoing = False
        """What is being heard got quieter with the reply: it is the assistant's own voice."""
        self._had_echo = False
        """That was so at some time in this session."""
        self._echoed = False
        """The words of it that came last were the assistant's."""
        self._guess: tuple[int, str] | None = None
        """A turn that is probably over, and its words: a head start, or what would have been one."""
        self._guesses: deque[bool] = deque(maxlen=_GUESSES_REMEMBERED)
        """Which of the last guesses came true."""

    def begin_greeting(self) -> None:
        """The assistant speaks first; asked before anybody has the floor."""
        self.state = Thinking(0)

    @property
    def hears_itself(self) -> bool:
        """What is being heard was found to be the assistant's own voice."""
        return self._echoing

    @property
    def wake_at(self) -> float | None:
        """When to send a `Tick`, in the caller's seconds; None: no need."""
        state = self.state
        if not isinstance(state, Speaking) or state.ducked_seconds is None:
            return None
        false_at = state.ducked_seconds + self.policy.false_interruption_seconds
        at = false_at if state.speech_seconds is None or state.harmless else self._voice_alone_at(state)
        return at if state.probed else min(at, state.ducked_seconds + self.policy.echo_probe_seconds)

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
            case WentOn():
                return self._went_on()
            case Nothing():
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
                return self._tick(event, now_seconds)
            case _:
                assert_never(event)

    def _voice(self, now_seconds: float) -> tuple[Action, ...]:
        state = self.state
        if not isinstance(state, Speaking) or state.ducked_seconds is not None or not self.policy.interruptible:
            return ()
        if self._echoing:
            return ()
        may_be_echo = self._had_echo or now_seconds < state.since_seconds + self.policy.echo_onset_seconds
        self.state = replace(state, ducked_seconds=now_seconds, may_be_echo=may_be_echo, probed=not may_be_echo)
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
        heard = self.state.heard
        return (heard and self._words(replace(heard, voiced_seconds=event.voiced_seconds))) or ducked

    def _words(self, event: Words) -> tuple[Action, ...]:
        if not isinstance(self.state, Speaking) or not self.policy.interruptible:
            return ()
        self.state = state = replace(self.state, waiting=None)
        self._notice_echo(event)
        self._echoed = self._echoing or self._is_echo(event)
        if self._takes_the_floor(event):
            if state.probed or is_stop(event.text, self.policy.language):
                return self._stop()
            self.state = replace(state, waiting=event)
        elif normalise(event.text):
            self.state = replace(state, harmless=True, heard=event)
        return ()

    def _notice_echo(self, event: Words | Done | Tick) -> None:
        """Follow what the duck shows, as long as it shows anything."""
        if event.fell_with_reply is not None:
            self._echoing = event.fell_with_reply and (not isinstance(self.state, Speaking) or self.state.may_be_echo)

    def _takes_the_floor(self, event: Words | Done) -> bool:
        language = self.policy.language
        if is_stop(event.text, language):
            return True
        if self._echoing:
            return False
        if self._is_echo(event) or is_backchannel(event.text, language):
            return False
        words = normalise(event.text)
        enough_voice = event.voiced_seconds >= self.policy.interrupt_voiced_seconds
        return bool(words) and (enough_voice or len(words) >= self.policy.interrupt_words)

    @staticmethod
    def _is_echo(event: Words | Done) -> bool:
        """True when the words are the assistant's; a user may speak into an echo, so what came last decides."""
        return is_echo(" ".join(normalise(event.text)[-_ECHO_WORDS:]), event.being_said)

    def _probably_done(self, event: ProbablyDone) -> tuple[Action, ...]:
        known = isinstance(self.state, Secret) and same_words(self.state.text, event.text)
        if known or not self.policy.head_start or isinstance(self.state, Thinking | Speaking):
            return ()
        self._guessed(came_true=False)
        self._guess = (event.turn, event.text)
        if not self.head_starts_pay:
            return self._stop()
        turn, tries = self._head_starts
        tries = tries + 1 if turn == event.turn else 1
        dropped = self._stop()
        if tries > _MOST_HEAD_STARTS:
            return dropped
        self._head_starts = (event.turn, tries)
        self.state = Secret(event.turn, event.text)
        return (*dropped, Answer(event.turn, event.text, secret=True))

    @property
    def head_starts_pay(self) -> bool:
        """False while more of the last head starts were wasted, or would have been, than the policy allows."""
        return (
            len(self._guesses) < _LEAST_GUESSES
            or self._guesses.count(False) / len(self._guesses) <= self.policy.head_start_waste
        )

    def _guessed(self, *, came_true: bool) -> None:
        """The guess that a turn was over is settled, if there was one."""
        if self._guess is not None:
            self._guesses.append(came_true)
            self._guess = None

    def _went_on(self) -> tuple[Action, ...]:
        self._guessed(came_true=False)
        return self._stop() if isinstance(self.state, Secret) else ()

    def _came_to_nothing(self) -> tuple[Action, ...]:
        undone = self._went_on() or self._restore()
        self._echoing = self._echoed = False
        if isinstance(self.state, Speaking):
            self.state = replace(self.state, harmless=False, heard=None)
        return undone

    def _done(self, event: Done) -> tuple[Action, ...]:
        state = self.state
        self._notice_echo(event)
        self._had_echo = self._had_echo or self._echoing
        echoed = self._echoing or self._echoed
        self._echoing = self._echoed = False
        if echoed and not event.typed and not is_stop(event.text, self.policy.language):
            return self._ignore_echo(event)
        if self._guess is not None:
            self._guessed(came_true=same_words(self._guess[1], event.text))
        if isinstance(state, Secret) and same_words(state.text, event.text):
            self.state = Thinking(event.turn)
            return (Release(event.text),)
        if (
            isinstance(state, Speaking)
            and not event.typed
            and not (self.policy.interruptible and self._takes_the_floor(event))
        ):
            restored = self._restore()
            self.state = replace(
                state, ducked_seconds=None, speech_seconds=None, harmless=False, heard=None, waiting=None
            )
            return (*restored, Ignore(event.turn))
        stopped = self._stop()
        self.state = Thinking(event.turn)
        return (*stopped, Answer(event.turn, event.text, secret=False, typed=event.typed))

    def _ignore_echo(self, event: Done) -> tuple[Action, ...]:
        """What was heard was the assistant: whatever is being said goes on, and nothing is answered."""
        self._guess = None
        state = self.state
        dropped = self._stop() if isinstance(state, Secret) else ()
        restored = self._restore()
        if isinstance(self.state, Speaking):
            self.state = replace(
                self.state, ducked_seconds=None, speech_seconds=None, harmless=False, heard=None, waiting=None
            )
        return (*dropped, *restored, Ignore(event.turn))

    def _audible(self, now_seconds: float) -> tuple[Action, ...]:
        if isinstance(self.state, Thinking):
            self.state = Speaking(self.state.turn, now_seconds)
        return ()

    def _tick(self, event: Tick, now_seconds: float) -> tuple[Action, ...]:
        wake_at = self.wake_at
        if wake_at is None or now_seconds < wake_at:
            return ()
        assert isinstance(self.state, Speaking)  # noqa: S101 - else there is nothing to wake for
        self._notice_echo(event)
        if not self.state.probed:
            waiting = self.state.waiting
            self.state = replace(self.state, probed=True, waiting=None)
            return self._words(waiting) if waiting is not None else ()
        return self._restore() if self.state.speech_seconds is None or self.state.harmless else self._stop()

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
        self.state = replace(state, ducked_seconds=None, speech_seconds=None, waiting=None)
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
