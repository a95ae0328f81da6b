"""Who has the floor: tables of what happens, and a machine that tries everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge_gateway.turns import (
    Answer,
    Audible,
    Cancel,
    Done,
    Drop,
    Duck,
    Free,
    Ignore,
    Interrupt,
    Nothing,
    ProbablyDone,
    Release,
    ReplyOver,
    Restore,
    Secret,
    Speaking,
    Speech,
    Thinking,
    Tick,
    TurnPolicy,
    Turns,
    Voice,
    WentOn,
    Words,
)

if TYPE_CHECKING:
    from edge_gateway import turns

REPLY = "Seven times eight is fifty-six."


def speaking(policy: TurnPolicy | None = None) -> Turns:
    """A floor on which the second reply has been heard for a while."""
    floor = Turns(policy or TurnPolicy())
    for turn in (1, 2):
        floor.on(Done(turn, "what is seven times eight"), 0.0)
        floor.on(Audible(), 0.0)
        if turn == 1:
            floor.on(ReplyOver(), 0.0)
    return floor


def test_a_finished_turn_is_answered() -> None:
    floor = Turns(TurnPolicy())
    assert floor.on(Done(1, "hello"), 0.0) == (Answer(1, "hello", secret=False),)
    assert floor.on(Audible(), 0.1) == ()
    assert isinstance(floor.state, Speaking)
    floor.on(ReplyOver(), 1.0)
    assert str(floor.state) == "Free()"


def test_a_head_start_with_the_same_words_is_released() -> None:
    floor = Turns(TurnPolicy())
    assert floor.on(ProbablyDone(1, "Hello there"), 0.0) == (Answer(1, "Hello there", secret=True),)
    assert floor.on(Done(1, "hello there."), 0.2) == (Release("hello there."),)
    assert floor.state == Thinking(1)


def test_a_head_start_with_other_words_is_dropped_and_asked_anew() -> None:
    floor = Turns(TurnPolicy())
    floor.on(ProbablyDone(1, "turn on"), 0.0)
    assert floor.on(Done(1, "turn on the lamp"), 0.2) == (Drop(), Answer(1, "turn on the lamp", secret=False))


def test_a_user_who_goes_on_costs_a_head_start_and_nothing_else() -> None:
    floor = Turns(TurnPolicy())
    floor.on(ProbablyDone(1, "turn on"), 0.0)
    assert floor.on(WentOn(1), 0.1) == (Drop(),)
    assert floor.state == Free()


def test_a_turn_gets_three_head_starts_at_most() -> None:
    floor = Turns(TurnPolicy())
    for _ in range(3):
        assert floor.on(ProbablyDone(1, "well"), 0.0)
        floor.on(WentOn(1), 0.1)
    assert floor.on(ProbablyDone(1, "well"), 0.0) == ()
    assert floor.on(ProbablyDone(2, "well"), 0.0) == (Answer(2, "well", secret=True),)


def test_head_starts_can_be_turned_off() -> None:
    assert Turns(TurnPolicy(head_start=False)).on(ProbablyDone(1, "hello"), 0.0) == ()


def test_the_first_voice_ducks_and_noise_brings_the_reply_back() -> None:
    floor = speaking()
    assert floor.on(Voice(), 5.0) == (Duck(),)
    assert floor.on(Voice(), 5.1) == ()
    assert floor.on(Nothing(), 5.4) == (Restore(),)
    assert isinstance(floor.state, Speaking)


def test_a_false_interruption_ends_by_itself_after_its_time() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    assert floor.wake_at == 6.0
    assert floor.on(Tick(), 5.9) == ()
    assert floor.on(Tick(), 6.0) == (Restore(),)
    assert floor.wake_at is None


def test_words_with_enough_voice_interrupt() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    floor.on(Speech(3, 0.35), 5.35)
    assert floor.on(Words(3, "actually", 0.4, REPLY), 5.45) == (Interrupt(),)
    assert floor.state == Free()


def test_a_nod_does_not_interrupt_and_is_no_turn() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    floor.on(Speech(3, 0.35), 5.35)
    assert floor.on(Words(3, "mhm", 0.4, REPLY), 5.45) == ()
    assert floor.on(Done(3, "Mhm.", 0.4, REPLY), 5.9) == (Restore(), Ignore(3))
    assert isinstance(floor.state, Speaking)


def test_a_stop_word_interrupts_at_once() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    assert floor.on(Words(3, "stop", 0.2, REPLY), 5.3) == (Interrupt(),)


def test_the_assistants_own_echo_does_not_interrupt() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    floor.on(Speech(3, 0.35), 5.35)
    assert floor.on(Words(3, "times eight is fifty six", 1.2, REPLY), 5.45) == ()
    assert floor.on(Done(3, "times eight is fifty six", 1.4, REPLY), 6.5) == (Restore(), Ignore(3))


def test_voice_without_words_interrupts_when_it_lasts() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    floor.on(Speech(3, 0.35), 5.35)
    assert floor.wake_at is not None
    assert abs(floor.wake_at - 5.7) < 1e-9
    assert floor.on(Tick(), 5.7) == (Interrupt(),)


def test_voice_alone_does_not_interrupt_the_beginning_of_the_first_reply() -> None:
    floor = Turns(TurnPolicy())
    floor.on(Done(1, "hello"), 0.0)
    floor.on(Audible(), 0.0)
    floor.on(Speech(2, 0.35), 1.0)
    assert floor.wake_at == 3.0
    assert floor.on(Words(2, "wait, I meant", 0.6, REPLY), 1.3) == (Interrupt(),)


def test_a_session_can_forbid_interruptions() -> None:
    floor = speaking(TurnPolicy(interruptible=False))
    assert floor.on(Voice(), 5.0) == ()
    assert floor.on(Words(3, "stop now please", 0.9, REPLY), 5.5) == ()
    assert floor.on(Done(3, "stop now please", 0.9, REPLY), 6.0) == (Ignore(3),)


def test_a_user_who_goes_on_before_the_reply_is_heard_gets_one_answer_to_both_halves() -> None:
    floor = Turns(TurnPolicy())
    floor.on(Done(1, "turn on the lamp"), 0.0)
    assert floor.on(Speech(2, 0.2), 0.2) == (Drop(),)
    assert floor.on(Done(2, "and the fan"), 1.5) == (Answer(2, "and the fan", secret=False),)


def test_typed_words_interrupt_whatever_they_are() -> None:
    floor = speaking()
    assert floor.on(Done(3, "ok", typed=True), 5.0) == (Interrupt(), Answer(3, "ok", secret=False, typed=True))


def test_the_client_may_cancel_in_every_state() -> None:
    assert Turns(TurnPolicy()).on(Cancel(), 0.0) == ()
    assert speaking().on(Cancel(), 5.0) == (Interrupt(),)
    thinking = Turns(TurnPolicy())
    thinking.on(Done(1, "hello"), 0.0)
    assert thinking.on(Cancel(), 0.1) == (Drop(),)


TEXTS = st.sampled_from(
    ["hello", "Hello.", "mhm", "stop", "what is the time", "times eight is fifty six", "yeah right"]
)


class Floor(RuleBasedStateMachine):
    """Anything may happen in any order; the replies that the actions make must stay in order."""

    def __init__(self) -> None:
        super().__init__()
        self.floor = Turns(TurnPolicy())
        self.now = 0.0
        self.turn = 1
        self.reply: str | None = None
        self.ducked = False
        self.answered: list[int] = []

    def act(self, event: turns.Event) -> None:
        self.now += 0.05
        for action in self.floor.on(event, self.now):
            self._apply(action)

    def _apply(self, action: turns.Action) -> None:
        match action:
            case Answer():
                assert self.reply is None, "two replies at once"
                self.reply = "secret" if action.secret else "open"
                self.ducked = False
            case Release():
                assert self.reply == "secret", "released what was not held back"
                self.reply = "open"
            case Drop():
                assert self.reply in ("secret", "open"), "dropped what was heard, or nothing"
                self.reply = None
            case Interrupt():
                assert self.reply == "audible", "interrupted what could not be heard"
                self.reply, self.ducked = None, False
            case Duck():
                assert self.reply == "audible"
                assert not self.ducked
                self.ducked = True
            case Restore():
                assert self.reply == "audible"
                assert self.ducked
                self.ducked = False
            case Ignore():
                assert self.reply == "audible", "a turn was ignored although nobody spoke"

    @rule()
    def voice(self) -> None:
        self.act(Voice())

    @rule(voiced=st.floats(0.1, 2.0))
    def speech(self, voiced: float) -> None:
        self.act(Speech(self.turn, voiced))

    @rule(text=TEXTS, voiced=st.floats(0.1, 2.0))
    def words(self, text: str, voiced: float) -> None:
        self.act(Words(self.turn, text, voiced, REPLY))

    @rule(text=TEXTS)
    def probably_done(self, text: str) -> None:
        self.act(ProbablyDone(self.turn, text))

    @rule()
    def went_on(self) -> None:
        self.act(WentOn(self.turn))

    @rule()
    def nothing(self) -> None:
        self.act(Nothing())

    @rule(text=TEXTS, typed=st.booleans())
    def done(self, text: str, typed: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        before = self.reply
        self.act(Done(self.turn, text, 0.8, REPLY, typed=typed))
        # Every finished turn is answered, or was a nod or an echo while the assistant spoke.
        assert self.reply == "open" or (before == self.reply == "audible")
        self.turn += 1

    @rule()
    def audible(self) -> None:
        if self.reply == "open":
            self.reply = "audible"
            self.ducked = False
            self.act(Audible())

    @rule()
    def reply_over(self) -> None:
        if self.reply in ("open", "audible"):
            self.reply, self.ducked = None, False
            self.act(ReplyOver())

    @rule()
    def cancel(self) -> None:
        self.act(Cancel())
        assert self.reply is None

    @rule(seconds=st.floats(0.0, 4.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.act(Tick())

    @invariant()
    def the_state_is_what_the_actions_made(self) -> None:
        kinds = {Free: None, Secret: "secret", Thinking: "open", Speaking: "audible"}
        assert kinds[type(self.floor.state)] == self.reply

    @invariant()
    def a_ducked_reply_is_always_going_to_be_woken(self) -> None:
        assert not self.ducked or self.floor.wake_at is not None


TestFloor = Floor.TestCase
TestFloor.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
