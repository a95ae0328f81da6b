"""Who has the floor: tables of what happens, and a machine that tries everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge_gateway.turn_taking.floor import (
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
    from edge_gateway.turn_taking import floor as turns

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


def test_a_word_that_had_too_little_voice_interrupts_as_soon_as_there_is_enough() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    assert floor.on(Words(3, "actually", 0.25, REPLY), 5.3) == ()
    assert floor.on(Speech(3, 0.35), 5.4) == (Interrupt(),)


def test_a_nod_with_much_voice_does_not() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    assert floor.on(Words(3, "yeah", 0.25, REPLY), 5.3) == ()
    assert floor.on(Speech(3, 0.35), 5.4) == ()


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


def test_words_that_fall_with_the_reply_are_its_echo_whatever_they_are() -> None:
    floor = beginning()
    floor.on(Voice(), 5.1)
    floor.on(Speech(4, 0.35), 5.4)
    assert floor.on(Words(4, "what's it what was that", 0.8, REPLY, fell_with_reply=True), 5.55) == ()
    assert floor.on(Tick(fell_with_reply=True), 5.6) == ()
    assert floor.on(Tick(), 6.1) == (Restore(),)
    assert floor.on(Words(4, "what's it what was that like", 1.4, REPLY), 6.4) == ()
    assert floor.on(Words(4, "stop", 1.6, REPLY), 6.5) == (Interrupt(),)


def test_a_user_who_gets_quieter_far_into_a_reply_is_no_echo() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    assert floor.on(Words(3, "turn it off", 0.4, REPLY, fell_with_reply=True), 5.5) == (Interrupt(),)


def test_what_looked_like_an_echo_and_goes_on_louder_is_a_user() -> None:
    floor = beginning()
    floor.on(Voice(), 5.1)
    floor.on(Speech(4, 0.35), 5.4)
    floor.on(Words(4, "turn", 0.4, REPLY), 5.45)
    assert floor.on(Tick(fell_with_reply=True), 5.5) == ()
    assert floor.on(Words(4, "turn it off", 0.7, REPLY, fell_with_reply=False), 5.7) == (Interrupt(),)


def beginning() -> Turns:
    """A floor on which a reply has just become audible."""
    floor = speaking()
    floor.on(ReplyOver(), 5.0)
    floor.on(Done(3, "and what is eight times nine"), 5.0)
    floor.on(Audible(), 5.0)
    return floor


def test_words_that_begin_with_the_reply_wait_for_what_the_duck_shows() -> None:
    for fell in (True, False):
        floor = beginning()
        assert floor.on(Voice(), 5.1) == (Duck(),)
        floor.on(Speech(4, 0.35), 5.4)
        assert floor.on(Words(4, "what's it", 0.4, "Seventy-two."), 5.45) == ()
        assert floor.wake_at == 5.5
        assert floor.on(Tick(fell_with_reply=fell), 5.5) == (() if fell else (Interrupt(),))


def test_a_stop_word_does_not_wait_for_it() -> None:
    floor = beginning()
    floor.on(Voice(), 5.1)
    assert floor.on(Words(4, "stop", 0.3, "Seventy-two."), 5.4) == (Interrupt(),)


def test_words_far_into_a_reply_wait_only_where_there_was_an_echo_before() -> None:
    floor = beginning()
    floor.on(Voice(), 5.1)
    floor.on(Words(4, "what's it", 0.4, REPLY), 5.45)
    assert floor.on(Done(4, "what's it", 0.4, REPLY, fell_with_reply=True), 6.0) == (Restore(), Ignore(4))
    floor.on(Voice(), 7.0)
    assert floor.on(Words(5, "turn it off", 0.35, REPLY), 7.35) == ()
    assert floor.on(Tick(fell_with_reply=False), 7.4) == (Interrupt(),)


def test_a_pause_in_an_echo_does_not_make_it_a_user() -> None:
    floor = beginning()
    floor.on(Voice(), 5.1)
    floor.on(Words(4, "what's it", 0.4, "Seventy-two."), 5.4)
    floor.on(Tick(fell_with_reply=True), 5.5)
    assert floor.on(WentOn(4), 5.8) == ()
    assert floor.on(Words(4, "what's it like I was", 1.2, "Seventy-two."), 6.0) == ()


def test_an_echo_of_the_end_of_a_reply_is_not_answered_when_the_reply_is_over() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    floor.on(Words(3, "times eight is fifty six", 0.8, REPLY), 5.5)
    floor.on(ReplyOver(), 5.8)
    assert floor.on(Done(3, "times eight is fifty six", 0.8), 6.2) == (Ignore(3),)
    assert floor.on(Done(4, "times eight is fifty six", 0.8), 9.0) == (
        Answer(4, "times eight is fifty six", secret=False),
    )


def test_a_user_who_speaks_into_an_echo_is_heard() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    assert floor.on(Words(3, "seven times eight is", 0.8, REPLY), 5.5) == ()
    said = "seven times eight is please turn on the lamp in the kitchen"
    assert floor.on(Words(3, said, 2.0, REPLY), 6.5) == (Interrupt(),)


def test_voice_that_goes_on_after_a_nod_does_not_interrupt_without_more_words() -> None:
    floor = speaking()
    floor.on(Voice(), 5.0)
    floor.on(Speech(3, 0.35), 5.35)
    floor.on(Words(3, "yeah", 0.5, REPLY), 5.5)
    assert floor.wake_at == 6.0
    assert floor.on(Tick(), 6.0) == (Restore(),)


def secretly(floor: Turns, turn: int, *, true: bool) -> tuple[turns.Action, ...]:
    """A turn that looked over once, and was, or was not."""
    began = floor.on(ProbablyDone(turn, "hello there"), 0.0)
    if true:
        floor.on(Done(turn, "hello there"), 0.1)
        floor.on(Audible(), 0.1)
        floor.on(ReplyOver(), 0.2)
    else:
        floor.on(WentOn(turn), 0.1)
    return began


def test_head_starts_stop_when_most_are_wasted_and_come_back_when_they_would_pay() -> None:
    floor = Turns(TurnPolicy(head_start_waste=0.5))
    for turn in range(1, 6):
        assert secretly(floor, turn, true=False) == (Answer(turn, "hello there", secret=True),)
    assert secretly(floor, 6, true=False) == (), "six of six wasted"
    came_back = [bool(secretly(floor, turn, true=True)) for turn in range(7, 16)]
    assert came_back == sorted(came_back)
    assert came_back[0] is False
    assert came_back[-1] is True


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
        self.may_be_echo = False

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
                assert self.reply == "audible" or self.may_be_echo, "a turn was ignored although nobody spoke"

    @rule()
    def voice(self) -> None:
        self.act(Voice())

    @rule(voiced=st.floats(0.1, 2.0))
    def speech(self, voiced: float) -> None:
        self.act(Speech(self.turn, voiced))

    @rule(text=TEXTS, voiced=st.floats(0.1, 2.0), fell=st.booleans())
    def words(self, text: str, voiced: float, fell: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        audible = self.reply == "audible"
        self.may_be_echo = self.may_be_echo or (audible and (fell or "fifty" in text))
        self.act(Words(self.turn, text, voiced, REPLY if audible else "", fell and audible))

    @rule(text=TEXTS)
    def probably_done(self, text: str) -> None:
        self.act(ProbablyDone(self.turn, text))

    @rule()
    def went_on(self) -> None:
        self.act(WentOn(self.turn))

    @rule()
    def nothing(self) -> None:
        self.act(Nothing())
        self.may_be_echo = False

    @rule(text=TEXTS, typed=st.booleans())
    def done(self, text: str, typed: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        before = self.reply
        self.act(Done(self.turn, text, 0.8, REPLY if before == "audible" else "", typed=typed))
        # Every finished turn is answered, or was a nod or an echo while the assistant spoke.
        ignored = before == self.reply == "audible" or (self.may_be_echo and self.reply in (None, "open"))
        assert self.reply == "open" or (ignored and not typed)
        self.may_be_echo = False
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

    @rule(seconds=st.floats(0.0, 4.0), fell=st.booleans())
    def time_passes(self, seconds: float, fell: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        self.now += seconds
        fell = fell and self.reply == "audible"
        self.may_be_echo = self.may_be_echo or fell
        self.act(Tick(fell_with_reply=fell))

    @invariant()
    def the_state_is_what_the_actions_made(self) -> None:
        kinds = {Free: None, Secret: "secret", Thinking: "open", Speaking: "audible"}
        assert kinds[type(self.floor.state)] == self.reply

    @invariant()
    def a_ducked_reply_is_always_going_to_be_woken(self) -> None:
        assert not self.ducked or self.floor.wake_at is not None


TestFloor = Floor.TestCase
TestFloor.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
