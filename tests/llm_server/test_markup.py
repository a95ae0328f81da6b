"""Marks in a model's text: what is meant as one, and what is only spoken of."""

from __future__ import annotations

import json
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_server.engine import Conversation, Delta, Finish, Message, Progress, ProgressKind, Role, StopReason, ToolCall
from llm_server.engines.json_values import load, load_all
from llm_server.engines.local.reply import Piece, read_reply
from llm_server.engines.markup import Markup, opened_by

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

MARKS = ["<think>", "</think>", "<thinking>", "</thinking>", "<tool_call>", "</tool_call>", "[THINK]", "[/THINK]"]
PIECES = [*MARKS, '{"name": "time", "arguments": {}}', "word", ". ", " ", "\n", "`", "```", '"', "<", "[", "_call>"]


def read(
    text: str, cuts: list[int] | None = None, opened: str = "", *, is_whole: bool = True
) -> tuple[str, list[ToolCall]]:
    """Words and calls of a text that is cut at `cuts`."""
    markup = Markup(opened=opened)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts or []), len(text)]
    events = [event for first, end in pairwise(edges) for event in markup.feed(text[first:end])]
    events += markup.finish(is_whole=is_whole)
    words = "".join(event.text for event in events if isinstance(event, Delta))
    return words, [event for event in events if isinstance(event, ToolCall)]


SPOKEN_OF = [
    "Models of this kind write `<think>` before they answer.",
    "Models of this kind write <think> before they answer, and </think> after it.",
    'They write "<think>" first. Then comes "</think>".',
    "Two marks:\n\n```\n<think>\nHm.\n</think>\n```\n\nThat is all.",
    "Two marks:\n- <think> begins a thought\n- </think> ends it",
    "The mark `<tool_call>` begins a call and `</tool_call>` ends it.",
    "The mark <tool_call> begins a call.",
    "The mark <tool_call> begins a call, </tool_call> ends it, and that is all.",
    "There are two. <think> is the first one.",
    "There are two.\n<think> is the first one.",
    "If x <think or y [THIN then",
    "In a [THINK] mark.",
    "Use 1 < 2, a <b> and </b>.",
]


@pytest.mark.parametrize("text", SPOKEN_OF)
def test_a_mark_that_is_spoken_of_is_spoken(text: str) -> None:
    assert read(text) == (text, [])


THOUGHTS = [
    "<think>Hm.</think>Well. Yes.",
    '\n <think>\nThey want `code` or "<think>".\n</think>\n\nWell. Yes.',
    "Well. <think>Hm.</think>Yes.",
    "Well. <think>Hm.</think> Yes.",
    "<think>Hm.</think><think>Hm, hm.</think>\nWell. Yes.",
    "</think>\nWell. Yes.",
    "<thinking>Hm.</thinking>\nWell. Yes.",
    "<think></think>Well. Yes.",
    "Well. Yes.\n<think>And now? " + "Hm. " * 5000,
]


@pytest.mark.parametrize("text", THOUGHTS)
def test_a_thought_is_not_spoken(text: str) -> None:
    assert read(text)[0].strip() == "Well. Yes."


@given(text=st.sampled_from(SPOKEN_OF + THOUGHTS), cuts=st.lists(st.integers(0, 200), max_size=8))
def test_how_a_reply_is_cut_changes_nothing(text: str, cuts: list[int]) -> None:
    assert read(text, cuts) == read(text)


@pytest.mark.parametrize(
    ("prompt", "mark"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>"),
        ("<|Assistant|><think>", "<think>"),
        ("[/INST][THINK]", "[THINK]"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("<|im_start|>assistant\n", ""),
        ("what is <tool_call>", ""),
    ],
)
def test_a_template_that_opens_a_thought_is_known(prompt: str, mark: str) -> None:
    assert opened_by(prompt) == mark


@given(cuts=st.lists(st.integers(0, 200), max_size=8))
def test_a_thought_that_the_template_has_opened_is_not_spoken(cuts: list[int]) -> None:
    assert read("The user greets me.\n</think>\n\nHello.", cuts, "<think>") == ("Hello.", [])


def test_a_thought_that_the_template_has_opened_is_a_sign_of_life_at_once() -> None:
    markup = Markup(opened="<think>")
    assert markup.feed("The") == [Progress(ProgressKind.REASONING)]
    assert markup.feed(" user") == []
    assert markup.feed("</think>Hello.") == [Delta("Hello.")]


def test_who_does_not_think_though_the_template_wants_it_is_heard_all_the_same() -> None:
    assert read("Hello there.", opened="<think>") == ("Hello there.", [])
    assert read("Hello there.", opened="<think>", is_whole=False) == ("", []), "a thought that was cut off"
    call = '<tool_call>{"name": "time", "arguments": {}}</tool_call>'
    assert read(f"I look. {call}", opened="<think>")[1] == [ToolCall("call-1", "time", "{}")]


CALLS = {
    "arguments as text": '{"name": "weather", "arguments": "{\\"city\\": \\"Bern\\"}"}',
    "arguments as text in text": '{"name": "weather", "arguments": ' + json.dumps(json.dumps('{"city": "Bern"}')) + "}",
    "parameters": '{"name": "weather", "parameters": {"city": "Bern"}}',
    "as the API has it": '{"type": "function", "function": {"name": "weather", "arguments": {"city": "Bern"}}}',
    "function as the name": '{"function": "weather", "arguments": {"city": "Bern"}}',
    "in a block of code": '```json\n{"name": "weather", "arguments": {"city": "Bern"}}\n```',
    "in a list": '[{"name": "weather", "arguments": {"city": "Bern"}}]',
    "a bracket too much": '{"name": "weather", "arguments": {"city": "Bern"}}}',
}


@pytest.mark.parametrize("written", CALLS.values(), ids=CALLS)
def test_a_call_is_read_in_the_forms_that_models_give_it(written: str) -> None:
    [call] = read(f"<tool_call>\n{written}\n</tool_call>")[1]
    assert (call.name, json.loads(call.arguments_json)) == ("weather", {"city": "Bern"})


@pytest.mark.parametrize("between", ["\n", "", ", ", ";\n"])
def test_two_calls_within_one_mark_are_two(between: str) -> None:
    time, add = '{"name": "time", "arguments": {}}', '{"name": "add", "arguments": {"a": 2}}'
    found = [ToolCall("call-1", "time", "{}"), ToolCall("call-2", "add", '{"a": 2}')]
    assert read(f"<tool_call>{time}{between}{add}</tool_call>") == ("", found)
    assert read(f"<tool_call>[{time}, {add}]") == ("", found)


@pytest.mark.parametrize(
    "written",
    [
        '{"name": "time", "arguments": ' + "[" * 2000 + "]" * 2000 + "}",
        '{"name": "time", "arguments": {"n": ' + "9" * 5000 + "}}",
        '{"name": "", "arguments": {}}',
        '{"name": "time", "arguments": "noon"}',
        '{"name": "time", "arguments": {"text": "' + "x" * 300_000 + '"}}',
    ],
)
def test_what_no_function_could_be_called_with_is_no_call(written: str) -> None:
    assert read(f"Well.\n<tool_call>{written}</tool_call>")[1] == []


def test_calls_without_end_have_one() -> None:
    call = '{"name": "time", "arguments": {}}'
    assert len(read(f"<tool_call>{call * 40}</tool_call><tool_call>{call * 40}</tool_call>")[1]) == 64


def test_what_a_call_has_can_travel_on_the_wire() -> None:
    [call] = read(r'<tool_call>{"name": "time", "arguments": {"zone": "\ud83d"}}</tool_call>')[1]
    assert call.arguments_json.encode()


@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=20),
    cuts=st.lists(st.integers(0, 200), max_size=10),
    opened=st.sampled_from(["", "<think>"]),
)
def test_how_a_text_of_marks_is_cut_changes_nothing(pieces: list[str], cuts: list[int], opened: str) -> None:
    text = "".join(pieces)
    assert read(text, cuts, opened) == read(text, [], opened)


@given(st.text(alphabet=st.characters(exclude_characters="<["), max_size=60))
def test_a_text_without_marks_is_untouched(text: str) -> None:
    assert read(text) == (text.lstrip(), [])


def test_many_marks_that_are_not_closed_take_no_time_to_speak_of() -> None:
    words, calls = read(". <think> . <thinking> . <thought>" * 2000, opened="<reasoning>")
    assert (words, calls) == ("", []), "it is longer than any reply"
    assert read(". <think> . <thinking>" * 700, opened="<reasoning>")[0].count("<think>") == 700


async def test_a_reply_of_a_model_begins_within_the_thought_that_its_template_opened() -> None:
    async def pieces(*texts: str) -> AsyncGenerator[Piece, None]:
        for text in texts:
            yield Piece(text, 1)

    hello = Conversation((Message(Role.USER, "hello"),), max_tokens=50)
    for reason, words in ((StopReason.STOP, "Well, hello."), (StopReason.LENGTH, "")):
        reply = read_reply(pieces("Well,", " hello."), hello, partial(Finish, reason, 5), "<think>")
        events = [each async for each in reply]
        assert "".join(each.text for each in events if isinstance(each, Delta)) == words
        assert events[-1] == Finish(reason, 5, 2)


def test_json_of_a_prank_is_none() -> None:
    assert load("[" * 100 + "]" * 100)
    for text in ("[" * 101 + "]" * 101, "[" * 100_000, "9" * 5000, "", "nonsense"):
        with pytest.raises(ValueError, match=r"."):
            load(text)
    assert load_all('1 {"a": 2}, [3]; ' + "[" * 100_000) == [1, {"a": 2}, [3]]
