"""What models in our own process share: what they write between words, how much they read, and their templates."""

from __future__ import annotations

import json
from contextlib import aclosing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_server.engine import (
    Conversation,
    Delta,
    Finish,
    Message,
    Progress,
    ProgressKind,
    Role,
    StopReason,
    Tool,
    ToolCall,
)
from llm_server.engines.local.reply import Piece, read_reply
from llm_server.engines.local.template import ChatTemplate, read_template
from llm_server.engines.markup import Markup
from llm_server.engines.truncation import truncate
from parley.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

CALL = '<tool_call>\n{"name": "time", "arguments": {"time_zone": "Europe/Paris"}}\n</tool_call>'
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CHATML = (
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}"
    "[{{ c.function.name }} {{ c.function.arguments.city }}]{% endfor %}|{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def read(text: str, cuts: list[int]) -> tuple[str, list[ToolCall]]:
    markup, events = Markup(), []
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for first, end in pairwise(edges):
        events += markup.feed(text[first:end])
    events += markup.finish()
    words = "".join(event.text for event in events if isinstance(event, Delta))
    return words, [event for event in events if isinstance(event, ToolCall)]


@given(cuts=st.lists(st.integers(0, 1000)))
def test_thoughts_and_calls_are_found_wherever_the_pieces_are_cut(cuts: list[int]) -> None:
    words, calls = read(f"<think>\nHm, 1 < 2.\n</think>\n\nOne < two, I look. {CALL}", cuts)
    assert words.rstrip() == "One < two, I look."
    assert [(call.name, json.loads(call.arguments_json)) for call in calls] == [("time", {"time_zone": "Europe/Paris"})]


@given(text=st.text(alphabet="<think>/ol_ca.", max_size=40), cuts=st.lists(st.integers(0, 1000)))
def test_how_the_pieces_are_cut_changes_nothing(text: str, cuts: list[int]) -> None:
    assert read(text, cuts)[0].rstrip() == read(text, [])[0].rstrip()


def test_a_text_without_marks_is_untouched_and_not_held_back() -> None:
    markup = Markup()
    assert markup.feed("Hello ") == [Delta("Hello ")]
    assert markup.feed("there <") == [Delta("there ")]
    assert markup.feed("3") == [Delta("<3")]
    assert markup.finish() == []


def test_calls_have_names_of_their_own_over_a_whole_reply() -> None:
    markup = Markup(calls=2)
    assert [call.id for call in (*markup.feed(CALL + CALL), *markup.finish()) if isinstance(call, ToolCall)] == [
        "call-3",
        "call-4",
    ]


@pytest.mark.parametrize(
    "written", ["no json", '"a string"', "[]", '{"arguments": {}}', '{"name": 3}', '{"name": "a", "arguments": [1]}']
)
def test_what_only_looks_like_a_call_is_neither_called_nor_spoken(written: str) -> None:
    assert read(f"Well.<tool_call>{written}</tool_call>", []) == ("Well.", [])


def test_a_call_whose_end_is_missing_is_still_a_call() -> None:
    _, calls = read(CALL.removesuffix("\n</tool_call>"), [])
    assert [call.name for call in calls] == ["time"]


def test_a_thought_aloud_is_a_sign_of_life_and_nothing_of_it_is_said() -> None:
    markup = Markup()
    assert markup.feed("<think>Hm, ") == [Progress(ProgressKind.REASONING)]
    assert markup.feed("let me see.") == []
    assert markup.feed("</think>\nHello.") == [Delta("Hello.")]


async def test_a_reply_is_read_to_its_end_with_its_tokens_counted() -> None:
    async def pieces() -> AsyncGenerator[Piece, None]:
        yield Piece("I look. ", 3)
        yield Piece(CALL, 9)

    calling = Message(Role.ASSISTANT, "", tool_calls=(ToolCall("call-1", "time", "{}"),))
    earlier = Conversation((Message(Role.USER, "hello"), calling), max_tokens=50)
    events = [each async for each in read_reply(pieces(), earlier, lambda tokens: Finish(StopReason.STOP, 5, tokens))]
    assert "".join(each.text for each in events if isinstance(each, Delta)) == "I look. "
    assert [each.id for each in events if isinstance(each, ToolCall)] == ["call-2"]
    assert events[-1] == Finish(StopReason.TOOL_CALLS, 5, 12)


async def test_who_leaves_a_reply_ends_the_work_on_it() -> None:
    ended = False

    async def pieces() -> AsyncGenerator[Piece, None]:
        nonlocal ended
        try:
            while True:
                yield Piece("word ", 1)
        finally:
            ended = True

    hello = Conversation((Message(Role.USER, "hello"),), max_tokens=50)
    async with aclosing(read_reply(pieces(), hello, lambda tokens: Finish(StopReason.STOP, 0, tokens))) as events:
        assert await anext(events) == Delta("word ")
    assert ended


def conversation(turns: int) -> tuple[Message, ...]:
    found = [Message(Role.SYSTEM, "be brief")]
    for number in range(turns):
        found += [Message(Role.USER, f"question {number}"), Message(Role.ASSISTANT, f"answer {number}")]
    return (*found, Message(Role.USER, "last"))


@given(turns=st.integers(0, 30), most=st.integers(1, 70))
def test_what_is_left_begins_with_the_user_keeps_the_instructions_and_fits(turns: int, most: int) -> None:
    messages = conversation(turns)
    kept = truncate(messages, most, len)
    assert kept[0].role is Role.SYSTEM
    assert kept[1].role is Role.USER
    assert kept[-1].text == "last"
    assert len(kept) <= most or len(kept) == 2
    assert kept[1:] == messages[len(messages) - len(kept) + 1 :]


def test_what_is_left_out_moves_on_by_several_turns_at_once() -> None:
    firsts = [truncate(conversation(turns), 20, len)[1].text for turns in range(10, 22)]
    assert len(set(firsts)) <= 4


def test_a_template_shows_tools_calls_and_what_was_heard() -> None:
    template = ChatTemplate(CHATML, {})
    call = ToolCall("call-1", "weather", '{"city": "Zürich"}')
    messages = (
        Message(Role.USER, "hello"),
        Message(Role.ASSISTANT, "Hello, how", interrupted=True, unheard="are you?"),
        Message(Role.USER, "weather"),
        Message(Role.ASSISTANT, "", tool_calls=(call,)),
        Message(Role.TOOL, "sunny & 20 °C", tool_call_id="call-1"),
    )
    text = template.render(messages, (WEATHER,))
    assert '"name": "weather"' in text
    assert "<assistant>Hello, how [interrupted by the user; not heard: are you?]|" in text
    assert "<assistant>[weather Zürich]|<tool>sunny & 20 °C|<assistant>" in text


def test_a_template_cannot_reach_out_of_its_sandbox() -> None:
    template = ChatTemplate("{{ ''.__class__.__mro__[1].__subclasses__() }}", {})
    with pytest.raises(InvalidInput, match="unsafe"):
        template.render((Message(Role.USER, "hello"),))


def test_a_template_may_refuse_a_conversation() -> None:
    template = ChatTemplate("{{ raise_exception('roles must alternate') }}", {})
    with pytest.raises(InvalidInput, match="roles must alternate"):
        template.render((Message(Role.USER, "hello"),))


def test_a_template_that_is_no_template_is_named_at_the_start() -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        ChatTemplate("{% for", {})


@pytest.mark.parametrize(
    "settings",
    [
        {"chat_template": "{{ bos_token }}{{ messages[0].content }}", "bos_token": "<s>"},
        {
            "chat_template": [{"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"}],
            "bos_token": {"content": "<s>"},
        },
    ],
)
def test_older_models_have_their_template_among_the_settings(tmp_path: Path, settings: dict[str, object]) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert read_template(tmp_path).render((Message(Role.USER, "hello"),)) == "<s>hello"


def test_a_model_without_a_template_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Instruct or Chat"):
        read_template(tmp_path)


def test_settings_that_are_no_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(Unavailable, match=r"tokenizer_config\.json cannot be read"):
        read_template(tmp_path)
