from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge_gateway.reply.chat_history import DEFAULT_LIMIT_CHARS, History, Message, Role

INSTRUCTIONS = "Answer briefly."


def test_messages_begin_with_the_instructions_and_keep_their_order() -> None:
    history = History(INSTRUCTIONS)
    history.user("What time is it?")
    history.reply("It is noon.")
    history.user("Thanks.")
    assert history.messages() == (
        Message(Role.SYSTEM, INSTRUCTIONS),
        Message(Role.USER, "What time is it?"),
        Message(Role.ASSISTANT, "It is noon."),
        Message(Role.USER, "Thanks."),
    )


def test_without_instructions_there_is_no_system_message() -> None:
    history = History()
    history.user("Hello.")
    assert history.messages() == (Message(Role.USER, "Hello."),)


def test_new_instructions_take_the_place_of_the_old() -> None:
    history = History(INSTRUCTIONS)
    history.user("Hello.")
    history.instructions = "Answer at length."
    assert [message.text for message in history.messages()] == ["Answer at length.", "Hello."]


def test_an_interrupted_reply_ends_where_it_was_heard_and_the_rest_is_kept_apart() -> None:
    history = History()
    history.user("Tell me a story.")
    history.reply("Once upon a", interrupted=True, unsaid=" time there was a king.")
    assert history.messages()[-1] == Message(Role.ASSISTANT, "Once upon a", interrupted=True)
    assert history.unsaid == "time there was a king."


def test_the_next_reply_replaces_what_was_left_unsaid() -> None:
    history = History()
    history.reply("Once", interrupted=True, unsaid="upon a time")
    history.user("Stop.")
    assert history.unsaid == "upon a time"
    history.reply("All right.")
    assert history.unsaid == ""


def test_two_utterances_with_no_word_of_a_reply_between_them_are_one_message() -> None:
    history = History()
    history.user("Book a table")
    history.reply("", interrupted=True, unsaid="For when?")
    history.user("for two at noon.")
    assert history.messages() == (Message(Role.USER, "Book a table for two at noon."),)


def test_a_reply_to_nothing_joins_the_one_before() -> None:
    history = History()
    history.reply("Hello.")
    history.reply("Are you there", interrupted=True)
    assert history.messages() == (Message(Role.ASSISTANT, "Hello. Are you there", interrupted=True),)


def test_blank_text_is_no_message() -> None:
    history = History()
    history.user("  ")
    history.reply("\n")
    assert history.messages() == ()


@pytest.mark.parametrize("limit_chars", [100, 110, 120])
def test_the_oldest_turns_go_first_and_the_instructions_never(limit_chars: int) -> None:
    history = History(INSTRUCTIONS * 100, limit_chars=limit_chars)
    for turn in range(20):
        history.user(f"question {turn:02}")
        history.reply(f"answer {turn:02}")
        assert history.messages()[1].role is Role.USER
    system, *talk = history.messages()
    assert system.text == INSTRUCTIONS * 100
    assert talk[-1].text == "answer 19"
    assert 50 <= sum(len(message.text) for message in talk) <= limit_chars


def test_trimming_is_seldom_so_that_the_beginning_stays_the_same_for_many_turns() -> None:
    history, beginnings = History(limit_chars=1_000), set()
    for turn in range(100):
        history.user(f"question {turn:02}")
        history.reply(f"answer {turn:02}")
        beginnings.add(history.messages()[0].text)
    assert len(beginnings) <= 10


def test_a_single_message_over_the_limit_keeps_its_end_at_a_word() -> None:
    history = History(limit_chars=20)
    history.user("one two three four five six seven")
    assert history.messages() == (Message(Role.USER, "four five six seven"),)


def test_by_default_the_talk_fits_into_a_request() -> None:
    history = History()
    history.user("😀" * 100_000)
    assert len(history.messages()[0].text) == DEFAULT_LIMIT_CHARS
    assert len(history.messages()[0].text.encode()) <= 128 * 1024


talk = st.lists(
    st.one_of(
        st.tuples(st.just("user"), st.text("ab ", max_size=30), st.just("")),
        st.tuples(st.just("reply"), st.text("cd ", max_size=30), st.text("xyz ", max_size=30)),
    ),
    max_size=40,
)


@given(talk=talk, limit_chars=st.integers(10, 300))
def test_messages_alternate_stay_in_bounds_and_hold_nothing_unheard(
    talk: list[tuple[str, str, str]], limit_chars: int
) -> None:
    history, said = History(INSTRUCTIONS, limit_chars=limit_chars), ""
    for who, text, unsaid in talk:
        if who == "user":
            history.user(text)
        else:
            history.reply(text, interrupted=bool(unsaid), unsaid=unsaid)
        said += f" {text}"
    system, *kept = history.messages()
    assert system == Message(Role.SYSTEM, INSTRUCTIONS)
    assert all(before.role is not after.role for before, after in pairwise(kept))
    assert sum(len(message.text) for message in kept) <= limit_chars
    kept_words = " ".join(message.text for message in kept).split()
    assert not set("".join(kept_words)) & set("xyz")
    # What is kept is the end of what was said, in its order; only the very first word may have lost its beginning.
    assert kept_words[1:] == said.split()[len(said.split()) - len(kept_words) + 1 :]


HEARD_WORDS = st.lists(st.sampled_from(["heard1", "heard2", "heard3"]), max_size=6).map(" ".join)
UNHEARD_WORDS = st.lists(st.sampled_from(["unheard1", "unheard2"]), max_size=4).map(" ".join)
USER_WORDS = st.lists(st.sampled_from(["said1", "said2", "said3"]), max_size=6).map(" ".join)
SMALL_LIMIT = 120


class Talk(RuleBasedStateMachine):
    """Users and replies in any order; what the LLM is told must be what was said and heard, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History("be brief", limit_chars=SMALL_LIMIT)
        self.last_unsaid = ""
        self.last: tuple[Role, bool] | None = None

    @rule(text=USER_WORDS)
    def user(self, text: str) -> None:
        self.history.user(text)
        if text:
            self.last = (Role.USER, False)

    @rule(heard=HEARD_WORDS, unheard=UNHEARD_WORDS)
    def reply(self, heard: str, unheard: str) -> None:
        self.history.reply(heard, interrupted=bool(unheard), unsaid=unheard)
        self.last_unsaid = unheard
        if heard:
            self.last = (Role.ASSISTANT, bool(unheard))

    @invariant()
    def no_unheard_word_is_told(self) -> None:
        for message in self.history.messages():
            assert "unheard" not in message.text
            if message.role is Role.ASSISTANT:
                assert all(word.startswith("heard") for word in message.text.split())

    @invariant()
    def speakers_alternate_after_the_instructions(self) -> None:
        roles = [message.role for message in self.history.messages()]
        assert roles[0] is Role.SYSTEM
        assert all(one is not other for one, other in pairwise(roles))

    @invariant()
    def the_newest_message_is_there_and_knows_whether_it_was_cut_off(self) -> None:
        if self.last is not None:
            newest = self.history.messages()[-1]
            assert (newest.role, newest.interrupted) == self.last

    @invariant()
    def the_limit_holds_and_the_rest_of_the_last_reply_is_kept(self) -> None:
        assert sum(len(message.text) for message in self.history.messages()[1:]) <= SMALL_LIMIT
        assert self.history.unsaid == self.last_unsaid


TestTalk = Talk.TestCase
TestTalk.settings = settings(max_examples=60, stateful_step_count=30)
