"""What the model is told of a conversation: words that were said and heard, functions that were called, and no more."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_gateway.reply.chat_history import DEFAULT_LIMIT_CHARS, NO_ANSWER, ChatHistory
from edge_gateway.reply.tool_calls import CallRecord
from parley.llm import Message, Role, ToolCall, ToolResult

INSTRUCTIONS = "Answer briefly."


def called(name: str, result: str | None = "done", *, failed: bool = False) -> CallRecord:
    """A function that was called as `name`, and what it gave; None: no answer yet."""
    given = None if result is None else ToolResult(name, result, failed)
    return CallRecord(ToolCall(name, "light", '{"on": true}'), asked=True, result=given)


def call_and_result(name: str, result: str) -> tuple[Message, Message]:
    """The two messages of a call."""
    call = Message(Role.ASSISTANT, "", tool_calls=(ToolCall(name, "light", '{"on": true}'),))
    return call, Message(Role.TOOL, result, tool_call_id=name)


def is_words(message: Message) -> bool:
    return message.role is not Role.TOOL and not message.tool_calls


def size(messages: tuple[Message, ...]) -> int:
    """Characters besides the instructions."""
    talk = [message for message in messages if message.role is not Role.SYSTEM]
    arguments = sum(len(call.arguments_json) for message in talk for call in message.tool_calls)
    return arguments + sum(len(message.text) + len(message.unheard) for message in talk)


def test_messages_begin_with_the_instructions_and_keep_their_order() -> None:
    history = ChatHistory(INSTRUCTIONS)
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
    history = ChatHistory()
    history.user("Hello.")
    assert history.messages() == (Message(Role.USER, "Hello."),)


def test_new_instructions_take_the_place_of_the_old() -> None:
    history = ChatHistory(INSTRUCTIONS)
    history.user("Hello.")
    history.instructions = "Answer at length."
    assert [message.text for message in history.messages()] == ["Answer at length.", "Hello."]


def test_what_the_user_is_probably_saying_is_told_and_not_kept() -> None:
    history = ChatHistory()
    history.user("Turn on")
    assert history.messages("the lamp") == (Message(Role.USER, "Turn on the lamp"),)
    assert history.messages() == (Message(Role.USER, "Turn on"),)
    history.reply("Which one?")
    assert [message.text for message in history.messages("The red one.")] == ["Turn on", "Which one?", "The red one."]


def test_an_interrupted_reply_ends_where_it_was_heard_and_the_rest_stays_apart() -> None:
    history = ChatHistory()
    history.user("Tell me a story.")
    history.reply("Once upon a", interrupted=True, unheard=" time there was a king.")
    assert history.messages()[-1] == Message(
        Role.ASSISTANT, "Once upon a", interrupted=True, unheard="time there was a king."
    )


def test_a_rest_that_was_not_heard_stays_until_the_next_reply() -> None:
    history = ChatHistory()
    history.user("Tell me a story.")
    history.reply("Once", interrupted=True, unheard="upon a time")
    history.user("Go on.")
    assert history.messages()[1].unheard == "upon a time"
    history.reply("All right.")
    assert [message.unheard for message in history.messages()] == ["", "", "", ""]
    assert history.messages()[1].interrupted


def test_the_rest_of_a_reply_of_which_no_word_was_heard_is_not_glued_to_an_older_one() -> None:
    history = ChatHistory()
    history.user("Tell me a story.")
    history.reply("Once upon a time.")
    history.user("Another one.")
    history.reply("", interrupted=True, unheard="Twice upon a time.")
    assert [(message.text, message.unheard) for message in history.messages()] == [
        ("Tell me a story.", ""),
        ("Once upon a time.", ""),
        ("Another one.", ""),
    ]


def test_a_reply_that_was_heard_to_its_end_has_no_rest() -> None:
    history = ChatHistory()
    history.reply("Hello.", unheard="something")
    assert history.messages() == (Message(Role.ASSISTANT, "Hello."),)


def test_two_utterances_with_no_word_of_a_reply_between_them_are_one_message() -> None:
    history = ChatHistory()
    history.user("Book a table")
    history.reply("", interrupted=True, unheard="For when?")
    history.user("for two at noon.")
    assert history.messages() == (Message(Role.USER, "Book a table for two at noon."),)


def test_a_reply_to_nothing_joins_the_one_before() -> None:
    history = ChatHistory()
    history.reply("Hello.")
    history.reply("Are you there", interrupted=True, unheard="at all?")
    assert history.messages() == (Message(Role.ASSISTANT, "Hello. Are you there", interrupted=True, unheard="at all?"),)


def test_blank_text_is_no_message() -> None:
    history = ChatHistory()
    history.user("  ")
    history.reply("\n")
    assert history.messages() == ()


def test_a_function_that_was_called_stands_before_the_words_of_its_reply() -> None:
    history = ChatHistory()
    history.user("Turn on the light.")
    history.calls([called("1:1"), called("1:2", "no such lamp", failed=True)])
    history.reply("It is on.")
    assert history.messages() == (
        Message(Role.USER, "Turn on the light."),
        *call_and_result("1:1", "done"),
        *call_and_result("1:2", "Error: no such lamp"),
        Message(Role.ASSISTANT, "It is on."),
    )


def test_a_reply_that_only_called_a_function_leaves_the_call() -> None:
    history = ChatHistory()
    history.user("Turn on the light.")
    history.calls([called("1:1")])
    history.reply("", interrupted=True, unheard="It is on.")
    assert history.messages() == (Message(Role.USER, "Turn on the light."), *call_and_result("1:1", "done"))


def test_what_the_user_adds_before_a_word_was_heard_joins_their_words_ahead_of_the_call() -> None:
    history = ChatHistory()
    history.user("Turn on the light")
    history.calls([called("1:1")])
    assert history.messages("please.")[0].text == "Turn on the light please."
    history.user("please.")
    assert history.messages() == (Message(Role.USER, "Turn on the light please."), *call_and_result("1:1", "done"))


def test_a_call_that_was_carried_over_is_told_once() -> None:
    history, first = ChatHistory(), called("1:1")
    history.user("Turn on the light")
    history.calls([first])
    history.user("and the fan.")
    history.calls([first, called("2:1")])
    history.reply("Both are on.")
    assert history.messages() == (
        Message(Role.USER, "Turn on the light and the fan."),
        *call_and_result("1:1", "done"),
        *call_and_result("2:1", "done"),
        Message(Role.ASSISTANT, "Both are on."),
    )


def test_a_function_that_has_not_answered_says_so_until_it_does() -> None:
    history = ChatHistory()
    history.user("Turn on the light.")
    history.calls([called("1:1", None), called("1:2", None)])
    history.reply("One moment", interrupted=True)
    assert [message.text for message in history.messages() if message.role is Role.TOOL] == [NO_ANSWER, NO_ANSWER]
    history.late_result(ToolResult("1:2", "it is stuck", failed=True))
    history.late_result(ToolResult("1:2", "a second answer"))
    history.late_result(ToolResult("7:1", "an answer to nothing"))
    assert [message.text for message in history.messages() if message.role is Role.TOOL] == [
        NO_ANSWER,
        "Error: it is stuck",
    ]


@pytest.mark.parametrize("limit_chars", [100, 110, 120])
def test_the_oldest_turns_go_first_and_the_instructions_never(limit_chars: int) -> None:
    history = ChatHistory(INSTRUCTIONS * 100, limit_chars=limit_chars)
    for turn in range(20):
        history.user(f"question {turn:02}")
        history.reply(f"answer {turn:02}")
        assert history.messages()[1].role is Role.USER
    system, *talk = history.messages()
    assert system.text == INSTRUCTIONS * 100
    assert talk[-1].text == "answer 19"
    assert 50 <= sum(len(message.text) for message in talk) <= limit_chars


def test_trimming_is_seldom_so_that_the_beginning_stays_the_same_for_many_turns() -> None:
    history, beginnings = ChatHistory(limit_chars=1_000), set()
    for turn in range(100):
        history.user(f"question {turn:02}")
        history.reply(f"answer {turn:02}")
        beginnings.add(history.messages()[0].text)
    assert len(beginnings) <= 10


def test_a_single_message_over_the_limit_keeps_its_end_at_a_word() -> None:
    history = ChatHistory(limit_chars=20)
    history.user("one two three four five six seven")
    assert history.messages() == (Message(Role.USER, "four five six seven"),)


def test_a_function_that_says_too_much_costs_neither_its_call_nor_the_question() -> None:
    history = ChatHistory(limit_chars=200)
    history.user("an old question")
    history.reply("an old answer")
    history.user("What is in this file?")
    history.calls([called("1:1", "word " * 100)])
    question, call, result = history.messages()
    assert question.text == "What is in this file?"
    assert (call.tool_calls[0].id, result.tool_call_id) == ("1:1", "1:1")
    assert 100 < len(result.text) <= 200
    assert result.text.startswith("word ")


def test_a_late_result_that_is_long_does_not_break_the_limit() -> None:
    history = ChatHistory(limit_chars=200)
    history.user("What is in this file?")
    history.calls([called("1:1", None)])
    history.reply("One moment.")
    history.late_result(ToolResult("1:1", "word " * 100))
    assert history.messages()[-1].text == "One moment."
    assert size(history.messages()) <= 200


def test_the_rest_that_was_not_heard_counts_too() -> None:
    history = ChatHistory(limit_chars=40)
    history.user("a question")
    history.reply("one two", interrupted=True, unheard="three " * 50)
    assert history.messages()[-1].text == "one two"
    assert history.messages()[-1].unheard.startswith("three three")
    assert size(history.messages()) <= 40


def test_by_default_the_talk_fits_into_a_request() -> None:
    history = ChatHistory()
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
    history, said = ChatHistory(INSTRUCTIONS, limit_chars=limit_chars), ""
    for who, text, unheard in talk:
        if who == "user":
            history.user(text)
        else:
            history.reply(text, interrupted=bool(unheard), unheard=unheard)
        said += f" {text}"
    system, *kept = history.messages()
    assert system == Message(Role.SYSTEM, INSTRUCTIONS)
    assert all(before.role is not after.role for before, after in pairwise(kept))
    assert size(history.messages()) <= limit_chars
    kept_words = " ".join(message.text for message in kept).split()
    assert not set("".join(kept_words)) & set("xyz")
    # What is kept is the end of what was said, in its order; only the very first word may have lost its beginning.
    assert kept_words[1:] == said.split()[len(said.split()) - len(kept_words) + 1 :]


HEARD_WORDS = st.lists(st.sampled_from(["heard1", "heard2", "heard3"]), max_size=6).map(" ".join)
UNHEARD_WORDS = st.lists(st.sampled_from(["unheard1", "unheard2"]), max_size=4).map(" ".join)
USER_WORDS = st.lists(st.sampled_from(["said1", "said2", "said3"]), max_size=6).map(" ".join)
RESULTS = st.sampled_from([None, "result", "result " * 30])
SMALL_LIMIT = 240
# Arguments cannot be shortened, so a turn that calls more functions than this may be longer than the limit.
MOST_CALLS = 10


class Talk(RuleBasedStateMachine):
    """Users, replies and functions in any order that can be; what the model is told is what happened, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.history = ChatHistory("be brief", limit_chars=SMALL_LIMIT)
        self.unheard = ""
        self.last: tuple[Role, bool] | None = None
        self.records: list[CallRecord] = []
        self.carried: tuple[CallRecord, ...] = ()
        self.calls_since = 0
        """Calls since the assistant was last heard."""

    @property
    def talk(self) -> tuple[Message, ...]:
        return self.history.messages()[1:]

    @rule(text=USER_WORDS)
    def user_speaks(self, text: str) -> None:
        self.history.user(text)
        if text:
            self.last = (Role.USER, False)

    @precondition(lambda self: self.last == (Role.USER, False) and self.calls_since < MOST_CALLS - 2)
    @rule(results=st.lists(RESULTS, min_size=1, max_size=3))
    def functions_are_called(self, results: list[str | None]) -> None:
        new = [called(f"1:{len(self.records) + place}", each) for place, each in enumerate(results)]
        self.records += new
        self.calls_since += len(new)
        # A reply tells of the calls that were carried over to it too.
        self.history.calls((*self.carried, *new))
        self.carried = tuple(new)

    @precondition(lambda self: self.records)
    @rule(place=st.integers(0, 100), text=st.sampled_from(["late", "late " * 30]))
    def a_function_answers_late(self, place: int, text: str) -> None:
        record = self.records[place % len(self.records)]
        was_there = any(message.tool_call_id == record.call.id for message in self.talk)
        result = ToolResult(record.call.id, text)
        record.result = record.result or result
        self.history.late_result(result)
        assert was_there or all(message.tool_call_id != record.call.id for message in self.talk)

    @rule(heard=HEARD_WORDS, unheard=UNHEARD_WORDS)
    def a_reply_is_over(self, heard: str, unheard: str) -> None:
        self.history.reply(heard, interrupted=bool(unheard), unheard=unheard)
        self.unheard = unheard if heard else ""
        self.carried = ()
        if heard:
            self.last, self.calls_since = (Role.ASSISTANT, bool(unheard)), 0

    @invariant()
    def no_unheard_word_stands_among_the_words(self) -> None:
        for message in self.talk:
            assert "unheard" not in message.text
            if message.role is Role.ASSISTANT:
                assert all(word.startswith("heard") for word in message.text.split())

    @invariant()
    def the_words_of_both_alternate(self) -> None:
        roles = [message.role for message in self.talk if is_words(message)]
        assert self.history.messages()[0].role is Role.SYSTEM
        assert all(one is not other for one, other in pairwise(roles))

    @invariant()
    def every_result_follows_its_call_and_every_call_has_its_result(self) -> None:
        messages = (*self.talk, None)
        for before, message, after in zip((None, *messages), messages, messages[1:], strict=False):
            assert message is not None
            if message.tool_calls:
                assert after is not None
                assert [call.id for call in message.tool_calls] == [after.tool_call_id]
            if message.role is Role.TOOL:
                assert before is not None
                assert [call.id for call in before.tool_calls] == [message.tool_call_id]
        names = [message.tool_call_id for message in self.talk if message.tool_call_id]
        assert len(names) == len(set(names))

    @invariant()
    def functions_stand_between_the_users_words_and_the_reply(self) -> None:
        for before, message in pairwise(self.talk):
            if message.tool_calls:
                assert before.role is not Role.ASSISTANT

    @invariant()
    def a_result_is_what_the_function_gave(self) -> None:
        results = {record.call.id: record.result for record in self.records}
        for message in self.talk:
            if message.role is Role.TOOL:
                given = results[message.tool_call_id]
                assert (given.content if given else NO_ANSWER).endswith(message.text)

    @invariant()
    def the_newest_words_are_there_and_know_whether_they_were_cut_off(self) -> None:
        if self.last is not None:
            newest = [message for message in self.talk if is_words(message)][-1]
            assert (newest.role, newest.interrupted) == self.last

    @invariant()
    def the_limit_holds_and_the_rest_stands_with_the_last_reply_only(self) -> None:
        assert size(self.history.messages()) <= SMALL_LIMIT
        rests = [message.unheard for message in self.talk if message.unheard]
        assert rests in ([], [self.unheard])
        if self.unheard and self.last == (Role.ASSISTANT, True):
            assert rests


TestTalk = Talk.TestCase
TestTalk.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
