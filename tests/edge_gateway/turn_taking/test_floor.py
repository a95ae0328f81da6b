"""Who has the floor: what happens, one thing after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_gateway.turn_taking.echo import MicrophoneLevels
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
    TurnPolicy,
)
from edge_gateway.turn_taking.floor import Floor, Free, Speaking, State, Thinking
from parley import asr
from parley.conversation import CancelReply, Outcome, UserText
from tests.edge_gateway.turn_taking.hearing import (
    NOTHING,
    REPLY,
    RESUMED,
    ROOM_DB,
    VOICE,
    Room,
    eager,
    over,
    replying,
    speech,
    stopped,
    words,
)

if TYPE_CHECKING:
    from edge_gateway.turn_taking.events import Action, Event

ECHO = "times eight is fifty six"
MERGED, INTERRUPTED, CANCELLED = Drop(Outcome.MERGED), Interrupt(Outcome.INTERRUPTED), Drop(Outcome.CANCELLED)


def quiet_floor(policy: TurnPolicy | None = None) -> Floor:
    """A floor on which nobody has spoken."""
    return Floor(policy or TurnPolicy(), MicrophoneLevels())


def thinking() -> Floor:
    """A floor on which a reply is being made."""
    floor = quiet_floor()
    floor.on(over("turn on the lamp"), 0.0)
    return floor


def state_of(floor: Floor) -> State:
    """Its state, of which a type checker remembers nothing from one line to the next."""
    return floor.state


# Turns and head starts.


def test_a_finished_turn_is_answered() -> None:
    floor = quiet_floor()
    assert floor.on(over("hello"), 0.0) == (Answer("hello"),)
    assert floor.on(ReplyAudible(), 0.1) == ()
    assert state_of(floor) == Speaking(0.1)
    assert floor.on(ReplyEnded(), 1.0) == ()
    assert state_of(floor) == Free()


def test_a_greeting_is_a_reply_to_nobody() -> None:
    floor = quiet_floor()
    floor.begin_unasked()
    floor.on(ReplyAudible(), 0.1)
    assert state_of(floor) == Speaking(0.1)


def test_a_head_start_with_the_same_words_is_released() -> None:
    floor = quiet_floor()
    assert floor.on(eager("Hello there"), 0.0) == (Answer("Hello there", speculative=True),)
    assert floor.on(over("hello there."), 0.2) == (Release("hello there."),)
    assert state_of(floor) == Thinking()


def test_a_head_start_with_other_words_is_dropped_and_asked_anew() -> None:
    floor = quiet_floor()
    floor.on(eager("turn on"), 0.0)
    assert floor.on(over("turn on the lamp"), 0.2) == (MERGED, Answer("turn on the lamp"))


def test_a_second_guess_replaces_the_first_and_the_same_one_changes_nothing() -> None:
    floor = quiet_floor()
    floor.on(eager("turn on"), 0.0)
    assert floor.on(eager("Turn on."), 0.1) == ()
    assert floor.on(eager("turn on the lamp"), 0.2) == (CANCELLED, Answer("turn on the lamp", speculative=True))


@pytest.mark.parametrize("event", [RESUMED, NOTHING, TurnLost(), CancelReply()])
def test_a_user_who_goes_on_costs_a_head_start_and_nothing_else(event: Event) -> None:
    floor = quiet_floor()
    floor.on(eager("turn on"), 0.0)
    assert floor.on(event, 0.1) == (CANCELLED,)
    assert state_of(floor) == Free()


def test_a_turn_gets_three_head_starts_at_most() -> None:
    floor = quiet_floor()
    for _ in range(3):
        assert floor.on(eager("well"), 0.0)
        floor.on(RESUMED, 0.1)
    assert floor.on(eager("well"), 0.0) == ()
    assert floor.on(eager("well", turn=2), 0.0) == (Answer("well", speculative=True),)


def test_head_starts_can_be_turned_off() -> None:
    assert quiet_floor(TurnPolicy(head_start=False)).on(eager("hello"), 0.0) == ()


def test_nothing_is_begun_in_advance_while_another_reply_is_made_or_heard() -> None:
    assert thinking().on(eager("and the fan"), 0.5) == ()
    assert replying().on(eager("and the fan"), 5.0) == ()


def guessed(floor: Floor, turn: int, *, right: bool) -> tuple[Action, ...]:
    """A turn that looks over once, and is, or is not; gives what was begun."""
    begun = floor.on(eager("hello there", turn), 0.0)
    if right:
        floor.on(over("hello there"), 0.1)
        floor.on(ReplyAudible(), 0.1)
        floor.on(ReplyEnded(), 0.2)
    else:
        floor.on(RESUMED, 0.1)
    return begun


def test_head_starts_stop_when_most_are_wasted_and_come_back_when_they_would_pay() -> None:
    floor = quiet_floor(TurnPolicy(head_start_waste=0.5))
    for turn in range(1, 6):
        assert guessed(floor, turn, right=False) == (Answer("hello there", speculative=True),)
    assert guessed(floor, 6, right=False) == (), "six of six wasted"
    came_back = [bool(guessed(floor, turn, right=True)) for turn in range(7, 16)]
    assert came_back == sorted(came_back)
    assert came_back[0] is False
    assert came_back[-1] is True


def test_a_head_start_for_an_echo_is_dropped_and_says_nothing_of_the_speaker() -> None:
    floor = quiet_floor(TurnPolicy(head_start_waste=0.0))
    for turn in range(1, 7):
        floor.on(over("what is seven times eight"), 0.0)
        floor.on(ReplyAudible(), 0.0)
        floor.on(VOICE, 0.1)
        floor.on(ReplyEnded(), 0.9)
        assert floor.on(eager(ECHO, turn), 1.1, REPLY) == (Answer(ECHO, speculative=True),)
        assert floor.on(over(ECHO), 1.3, REPLY) == (CANCELLED, Ignore())


def test_typed_words_interrupt_whatever_they_are() -> None:
    assert replying().on(UserText("ok"), 5.0) == (INTERRUPTED, Answer("ok"))
    assert thinking().on(UserText("ok"), 0.5) == (MERGED, Answer("ok"))
    assert quiet_floor().on(UserText("ok"), 0.5) == (Answer("ok"),)


def test_the_client_may_cancel_in_every_state() -> None:
    assert quiet_floor().on(CancelReply(), 0.0) == ()
    assert replying().on(CancelReply(), 5.0) == (Interrupt(Outcome.CANCELLED),)
    assert thinking().on(CancelReply(), 0.1) == (CANCELLED,)


def test_a_reply_that_ends_before_it_was_heard_leaves_a_free_floor() -> None:
    floor = thinking()
    assert floor.on(ReplyEnded(), 0.5) == ()
    assert state_of(floor) == Free()
    assert floor.on(ReplyAudible(), 0.6) == ()
    assert state_of(floor) == Free(), "a late word of a reply that is over makes nobody speak"


# A user who goes on before the reply is heard.


def test_a_user_who_goes_on_before_the_reply_is_heard_gets_one_answer_to_both_halves() -> None:
    floor = thinking()
    assert floor.on(VOICE, 0.1) == ()
    assert floor.on(speech(0.2), 0.3) == (Hold(),)
    assert floor.on(words("and the fan", 0.6), 0.7) == ()
    assert floor.on(over("and the fan"), 1.5) == (MERGED, Answer("and the fan"))
    assert state_of(floor) == Thinking()


@pytest.mark.parametrize("event", [NOTHING, TurnLost()])
def test_a_cough_before_the_reply_is_heard_holds_it_back_and_lets_it_go(event: Event) -> None:
    floor = thinking()
    floor.on(VOICE, 0.1)
    assert floor.on(speech(0.2), 0.3) == (Hold(),)
    assert floor.on(event, 0.9) == (Resume(),)
    assert state_of(floor) == Thinking()
    floor.on(ReplyAudible(), 1.0)
    assert state_of(floor) == Speaking(1.0)


def test_a_click_before_the_reply_is_heard_does_not_hold_it_back() -> None:
    floor = thinking()
    assert floor.on(VOICE, 0.1) == ()
    assert floor.on(NOTHING, 0.4) == ()


def test_a_reply_is_held_back_once_for_each_turn_that_goes_on() -> None:
    floor = thinking()
    assert floor.on(speech(0.2), 0.3) == (Hold(),)
    assert floor.on(speech(0.2), 0.4) == ()
    assert floor.on(NOTHING, 0.9) == (Resume(),)
    assert floor.on(speech(0.2), 1.3) == (Hold(),)


def test_a_held_reply_may_be_cancelled_replaced_or_end_and_there_is_nothing_to_let_go_then() -> None:
    for event, actions in ((CancelReply(), (CANCELLED,)), (ReplyEnded(), ()), (UserText("ok"), (MERGED, Answer("ok")))):
        floor = thinking()
        floor.on(speech(0.2), 0.3)
        assert floor.on(event, 0.5) == actions
        assert floor.on(NOTHING, 0.9) == ()


def test_a_reply_that_begins_while_it_is_held_back_is_ducked_until_the_turn_is_over() -> None:
    for event, actions in ((NOTHING, (Restore(),)), (over("and the fan"), (INTERRUPTED, Answer("and the fan")))):
        floor = thinking()
        floor.on(speech(0.2), 0.3)
        assert floor.on(ReplyAudible(), 0.35) == (Duck(),)
        assert floor.on(event, 0.9) == actions
        assert floor.overlap is None


def test_what_a_user_was_saying_before_the_reply_began_is_no_echo_of_it() -> None:
    floor = thinking()
    floor.on(speech(0.2), 0.3)
    floor.on(ReplyAudible(), 0.35)
    assert floor.on(over("seven times eight is fifty six"), 1.5, REPLY)[-1] == Answer("seven times eight is fifty six")


def test_an_echo_of_the_last_reply_does_not_hold_back_the_next() -> None:
    room = echoing_room()
    room.on(UserText("and the fan"))
    assert room.on(speech(0.4)) == ()
    assert room.on(ReplyAudible()) == ()
    assert room.on(over("yes I can"), REPLY) == (Ignore(),)


def test_a_voice_over_the_last_reply_that_goes_on_over_the_next_is_still_that_voice() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(UserText("and the fan"), 5.2)
    assert floor.on(speech(0.4), 5.4) == (Hold(),)
    assert floor.on(ReplyAudible(), 5.5) == (Duck(),)
    assert floor.overlap is not None
    assert floor.overlap.began_seconds == 5.0


def test_a_reply_that_begins_while_it_is_held_back_and_may_not_be_interrupted_is_not_ducked() -> None:
    floor = thinking()
    floor.policy = TurnPolicy(interruptible=False)
    floor.on(speech(0.2), 0.3)
    assert floor.on(ReplyAudible(), 0.35) == ()
    assert floor.on(NOTHING, 0.9) == ()


# A voice over the reply.


def test_the_first_voice_ducks_and_noise_brings_the_reply_back() -> None:
    floor = replying()
    assert floor.on(VOICE, 5.0) == (Duck(),)
    assert floor.on(VOICE, 5.1) == ()
    assert floor.on(NOTHING, 5.4) == (Restore(),)
    assert state_of(floor) == Speaking(0.0)
    assert floor.overlap is None


def test_a_false_interruption_ends_by_itself_after_its_time() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    assert floor.wake_at == 6.0
    assert floor.on(Tick(), 5.9) == ()
    assert floor.on(Tick(), 6.0) == (Restore(),)
    assert floor.on(Tick(), 9.0) == ()
    assert floor.on(NOTHING, 6.3) == (), "it is at full already"


def test_a_voice_that_comes_back_within_its_turn_ducks_again() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(Tick(), 6.0)
    assert floor.on(VOICE, 6.1) == (Duck(),)
    assert floor.on(NOTHING, 6.6) == (Restore(),)


def test_words_with_enough_voice_interrupt() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(speech(0.35), 5.35)
    assert floor.on(words("actually", 0.4), 5.45, REPLY) == (INTERRUPTED,)
    assert state_of(floor) == Free()
    assert floor.on(over("actually"), 6.0, REPLY) == (Answer("actually"),)


def test_a_word_that_had_too_little_voice_interrupts_as_soon_as_there_is_enough() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    assert floor.on(words("actually", 0.25), 5.3, REPLY) == ()
    assert floor.on(speech(0.35), 5.4) == (INTERRUPTED,)


def test_a_word_before_the_first_voice_was_told_ducks_too() -> None:
    floor = replying()
    assert floor.on(words("actually", 0.25), 5.3) == (Duck(),)
    assert floor.on(speech(0.35), 5.4) == (INTERRUPTED,)


def test_a_backchannel_with_much_voice_does_not_interrupt() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    assert floor.on(words("yeah", 0.25), 5.3, REPLY) == ()
    assert floor.on(speech(0.35), 5.4) == ()


def test_a_backchannel_is_no_turn() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(speech(0.35), 5.35)
    assert floor.on(words("mhm", 0.4), 5.45, REPLY) == ()
    assert floor.on(over("Mhm.", 0.4), 5.9, REPLY) == (Restore(), Ignore())
    assert state_of(floor) == Speaking(0.0)


def test_a_backchannel_when_the_reply_is_at_full_again_is_no_turn_either() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(Tick(), 6.0)
    assert floor.on(over("Mhm.", 0.4), 6.2, REPLY) == (Ignore(),)


def test_voice_that_goes_on_after_a_backchannel_does_not_interrupt_without_more_words() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(speech(0.35), 5.35)
    floor.on(words("yeah", 0.5), 5.5, REPLY)
    assert floor.wake_at == 6.0
    assert floor.on(Tick(), 6.0) == (Restore(),)


def test_a_stop_word_interrupts_at_once() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    assert floor.on(words("stop", 0.2), 5.3, REPLY) == (INTERRUPTED,)


def test_a_stop_word_in_the_assistants_own_sentence_does_not() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    assert floor.on(words("stop", 0.2), 5.3, "Say stop when you are tired.") == ()
    assert floor.on(words("stop when you are", 0.9), 5.9, "Say stop when you are tired.") == ()
    assert state_of(floor) == Speaking(0.0)


def test_voice_without_words_interrupts_when_it_lasts() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(speech(0.35), 5.35)
    assert floor.wake_at == pytest.approx(5.7)
    assert floor.on(Tick(), 5.71) == (INTERRUPTED,)
    assert floor.on(over(ECHO), 7.0, REPLY) == (Answer(ECHO),), "the voice was found to be the user's"


def test_a_cough_that_is_over_does_not_interrupt_as_voice_that_lasts() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(speech(0.35), 5.35)
    assert floor.on(stopped(0.4), 5.45) == ()
    assert floor.wake_at == 6.0
    assert floor.on(Tick(), 6.0) == (Restore(),)


def test_pauses_do_not_count_as_voice_that_lasts() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(speech(0.35), 5.35)
    floor.on(stopped(0.4), 5.45)
    assert floor.on(VOICE, 5.65) == ()
    assert floor.wake_at == pytest.approx(5.95)
    assert floor.on(Tick(), 5.96) == (INTERRUPTED,)


def test_a_click_that_falls_silent_is_no_speech() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(stopped(0.1), 5.15)
    floor.on(VOICE, 5.3)
    assert floor.wake_at == 6.0
    assert quiet_floor().on(stopped(0.1), 5.0) == ()


def test_voice_alone_does_not_interrupt_the_beginning_of_the_first_reply() -> None:
    floor = thinking()
    floor.on(ReplyAudible(), 1.0)
    floor.on(speech(0.35), 2.0)
    assert floor.wake_at == 4.0
    assert floor.on(words("wait, I meant", 0.6), 2.3, REPLY) == (INTERRUPTED,)
    floor.on(over("what is seven times eight"), 5.0)
    floor.on(ReplyAudible(), 5.0)
    floor.on(speech(0.35), 6.0)
    assert floor.wake_at == pytest.approx(6.35), "the first reply is over"


def test_a_session_can_forbid_interruptions() -> None:
    floor = replying(TurnPolicy(interruptible=False))
    assert floor.on(VOICE, 5.0) == ()
    assert floor.on(speech(0.35), 5.3) == ()
    assert floor.on(words("stop now please", 0.9), 5.5, REPLY) == ()
    assert floor.wake_at is None
    assert floor.on(over("stop now please", 0.9), 6.0, REPLY) == (Ignore(),)
    assert state_of(floor) == Speaking(0.0)


def test_a_session_that_forbids_interruptions_while_one_is_judged_gets_its_reply_back() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(speech(0.35), 5.35)
    floor.policy = TurnPolicy(interruptible=False)
    assert floor.on(words("stop", 0.4), 5.4, REPLY) == ()
    assert floor.on(Tick(), 5.8) == (Restore(),)


def test_what_is_said_over_a_reply_that_may_not_be_interrupted_is_answered_when_the_reply_is_over() -> None:
    floor = replying(TurnPolicy(interruptible=False))
    floor.on(VOICE, 5.0)
    floor.on(ReplyEnded(), 5.5)
    assert floor.on(over("and what is eight times nine"), 6.5, REPLY) == (Answer("and what is eight times nine"),)


def test_a_turn_without_a_voice_over_the_reply_is_never_ignored() -> None:
    for text in ("mhm", ECHO):
        assert replying().on(over(text), 5.0, REPLY) == (INTERRUPTED, Answer(text))
        assert quiet_floor().on(over(text), 5.0, REPLY) == (Answer(text),)


# The assistant's own voice.


def test_the_assistants_own_words_do_not_interrupt() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(speech(0.35), 5.35)
    assert floor.on(words(ECHO, 1.2), 5.45, REPLY) == ()
    assert floor.on(over(ECHO, 1.4), 6.5, REPLY) == (Restore(), Ignore())


def test_a_user_who_speaks_into_an_echo_is_heard() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    assert floor.on(words("seven times eight is", 0.8), 5.5, REPLY) == ()
    said = "seven times eight is please turn on the lamp in the kitchen"
    assert floor.on(words(said, 2.0), 6.5, REPLY) == (INTERRUPTED,)


def test_words_that_the_reply_was_not_saying_then_are_no_echo() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    assert floor.on(words(ECHO, 1.2), 5.45, "Would you like another one?") == (INTERRUPTED,)


def test_words_that_fall_with_the_reply_are_its_echo_whatever_they_are() -> None:
    room = echoing_room()
    assert room.on(words("what's it what was that", 0.8), REPLY) == ()
    assert room.floor.hears_itself
    assert room.sound(-56.0, 1.0) == (Restore(),)
    assert room.on(words("what's it what was that like", 1.4), REPLY) == ()
    assert room.on(words("stop", 1.6), REPLY) == (INTERRUPTED,)


def echoing_room() -> Room:
    """A room in which a reply, the first of its session, has just begun, ducked for its own echo, and shown it."""
    room = Room()
    room.reply_begins()
    room.sound(-38.0, 0.12)
    assert room.on(VOICE) == (Duck(),)
    room.sound(-38.0, 0.14)
    room.on(speech(0.35))
    assert room.sound(-56.0, 0.4) == ()
    return room


def test_an_echo_without_words_does_not_interrupt_however_long_it_lasts() -> None:
    room = Room()
    for _ in (1, 2):
        room.reply_begins()
        room.on(ReplyEnded())
    room.reply_begins()
    room.sound(-38.0, 0.12)
    room.on(VOICE)
    room.sound(-38.0, 0.14)
    room.on(speech(0.35))
    assert room.sound(-56.0, 2.0) == (Restore(),)
    assert room.floor.hears_itself


@pytest.mark.parametrize("after_db", [-38.0, -56.0])
def test_words_that_begin_with_the_reply_wait_for_what_the_duck_shows(after_db: float) -> None:
    room = Room()
    room.reply_begins()
    room.sound(-38.0, 0.12)
    assert room.on(VOICE) == (Duck(),)
    room.sound(-38.0, 0.14)
    room.on(speech(0.35))
    assert room.on(words("what's it", 0.4), REPLY) == ()
    assert room.floor.wake_at == pytest.approx(0.72)
    assert room.sound(after_db, 0.3) == (() if after_db == -56.0 else (INTERRUPTED,))


def test_a_stop_word_does_not_wait_for_it() -> None:
    room = Room()
    room.reply_begins()
    room.on(VOICE)
    assert room.on(words("stop", 0.3), REPLY) == (INTERRUPTED,)


def test_a_user_who_gets_quieter_far_into_a_reply_is_no_echo() -> None:
    room = Room()
    room.reply_begins()
    room.sound(ROOM_DB, 1.0)
    room.sound(-38.0, 0.12)
    room.on(VOICE)
    room.sound(-38.0, 0.14)
    room.sound(-56.0, 0.3)
    assert room.on(words("turn it off", 0.4), REPLY) == (INTERRUPTED,)


def test_what_looked_like_an_echo_and_goes_on_louder_is_a_user() -> None:
    room = echoing_room()
    assert room.on(words("turn", 0.5), REPLY) == ()
    assert room.floor.hears_itself
    assert room.sound(-25.0, 0.4) == ()
    assert room.on(words("turn it off", 0.9), REPLY) == (INTERRUPTED,)


def test_a_question_in_the_assistants_words_is_answered_when_the_duck_shows_a_user() -> None:
    room = Room()
    room.reply_begins()
    room.sound(-25.0, 0.12)
    room.on(VOICE)
    assert room.on(words("seven times eight", 0.3), REPLY) == ()
    room.sound(-25.0, 0.5)
    assert room.on(words("seven times eight is fifty six", 0.9), REPLY) == (INTERRUPTED,)
    assert room.on(over("seven times eight is fifty six"), REPLY) == (Answer("seven times eight is fifty six"),)


def test_words_far_into_a_reply_wait_only_where_there_was_an_echo_before() -> None:
    room = echoing_room()
    room.on(over("what's it", 0.5), REPLY)
    room.sound(ROOM_DB, 2.0)
    room.sound(-25.0, 0.12)
    assert room.on(VOICE) == (Duck(),)
    assert room.on(words("turn it off", 0.35), REPLY) == ()
    assert room.sound(-25.0, 0.5) == (INTERRUPTED,)


def test_a_pause_in_an_echo_does_not_make_it_a_user() -> None:
    room = echoing_room()
    room.on(words("what's it", 0.4), REPLY)
    assert room.on(VOICE) == ()
    assert room.on(RESUMED) == ()
    assert room.on(words("what's it like I was", 1.2), REPLY) == ()
    assert room.on(over("what's it like I was", 1.2), REPLY) == (Restore(), Ignore())


@pytest.mark.parametrize("event", [ReplyEnded(), CancelReply(), UserText("and the fan")])
def test_an_echo_that_outlives_its_reply_is_ignored_once(event: Event) -> None:
    for room, text in ((echoing_room(), "yes I can"), (Room(), ECHO)):
        if room.now == 0.0:
            room.reply_begins()
            room.on(VOICE)
        room.on(event)
        state = room.floor.state
        assert room.on(over(text), REPLY) == (Ignore(),)
        assert room.floor.state == state
        assert not room.floor.hears_itself
        assert room.on(over(text), REPLY)[-1] == Answer(text), "nothing explains it now"


def test_a_short_reply_that_ends_ducked_for_its_echo_leaves_no_deafness() -> None:
    room = echoing_room()
    room.on(ReplyEnded())
    assert room.on(over("yes I am", 0.6), "Yes, I am.") == (Ignore(),)
    for text in ("what time is it", "hello can you tell me a joke", "are you still there"):
        room.now += 5.0
        assert room.on(VOICE) == ()
        assert room.on(speech(0.2)) == ()
        assert room.on(words(text, 1.0)) == ()
        assert room.on(over(text, 1.2)) == (Answer(text),)
        room.on(ReplyAudible())
        room.on(ReplyEnded())


def test_a_user_who_speaks_as_a_reply_ends_is_answered() -> None:
    room = Room()
    room.reply_begins()
    room.sound(-25.0, 0.12)
    room.on(VOICE)
    room.sound(-25.0, 0.5)
    room.on(ReplyEnded())
    assert room.floor.wake_at is None
    assert room.on(over("seven times eight is fifty six"), REPLY) == (Answer("seven times eight is fifty six"),)


def test_words_that_follow_an_echo_when_the_reply_is_over_are_answered_with_it() -> None:
    floor = replying()
    floor.on(VOICE, 5.0)
    floor.on(words(ECHO, 0.8), 5.5, REPLY)
    floor.on(ReplyEnded(), 5.8)
    said = f"{ECHO} and what is eight times nine please"
    assert floor.on(over(said), 7.5, REPLY) == (Answer(said),)


@pytest.mark.parametrize("event", [NOTHING, TurnLost()])
def test_a_discarded_echo_ends_its_verdict_too(event: Event) -> None:
    room = echoing_room()
    assert room.on(event) == (Restore(),)
    assert not room.floor.hears_itself
    assert room.on(VOICE) == (Duck(),)


def test_what_is_heard_of_the_server_alone_changes_nothing() -> None:
    for event in (asr.Ready("scripted", "", "en"), asr.AudioAck(0)):
        assert replying().on(event, 5.0) == ()
