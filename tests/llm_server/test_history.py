"""Functions that earlier replies have called, in the conversation that a caller sends."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_server.engine import Conversation, Delta, Message, Role, ToolCall
from llm_server.engines.messages import as_dict
from llm_server.engines.rules import RulesEngine
from llm_server.engines.scripted import ScriptedEngine
from llm_server.history import NO_RESULT, with_results
from parley import llm
from parley.errors import InvalidInput
from tests.llm_server.endpoint_rig import serving as endpoints
from tests.llm_server.endpoint_rig import whole, writes
from tests.llm_server.test_service import Patient, asked, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from llm_server.engine import ReplyEvent


def user(text: str) -> Message:
    return Message(Role.USER, text)


def calling(*ids: str) -> Message:
    return Message(Role.ASSISTANT, "", tool_calls=tuple(ToolCall(each, "light", "{}") for each in ids))


def result(call: str, text: str = "done") -> Message:
    return Message(Role.TOOL, text, tool_call_id=call)


@pytest.mark.parametrize(
    ("given_messages", "wanted"),
    [
        pytest.param(
            [calling("a", "b"), result("b"), result("a")], [calling("a", "b"), result("a"), result("b")], id="order"
        ),
        pytest.param(
            [calling("a"), user("hello?"), result("a")], [calling("a"), result("a"), user("hello?")], id="too late"
        ),
        pytest.param(
            [calling("a"), user("go on")], [calling("a"), result("a", NO_RESULT), user("go on")], id="missing"
        ),
        pytest.param([result("a"), user("hello")], [user("hello")], id="of no call"),
        pytest.param([result("a"), calling("a")], [calling("a"), result("a", NO_RESULT)], id="before its call"),
        pytest.param([calling("a"), result("a"), result("a", "again")], [calling("a"), result("a")], id="twice"),
        pytest.param(
            [calling("a"), result("a", "one"), calling("a"), result("a", "two")],
            [calling("a"), result("a", "one"), calling("a"), result("a", "two")],
            id="the same id in another reply",
        ),
    ],
)
def test_each_call_has_its_result_right_behind_it(given_messages: list[Message], wanted: list[Message]) -> None:
    assert with_results(tuple(given_messages)) == tuple(wanted)


MESSAGES = st.one_of(
    st.builds(user, st.sampled_from(["hello", "and then?"])),
    st.lists(st.sampled_from("abc"), unique=True, max_size=3).map(lambda ids: calling(*ids)),
    st.builds(result, st.sampled_from("abcd"), st.sampled_from(["one", "two"])),
)


@given(st.lists(MESSAGES, max_size=12))
def test_whatever_comes_every_result_follows_its_call_and_no_word_is_lost(messages: list[Message]) -> None:
    found = with_results(tuple(messages))
    owed: list[str] = []
    for message in found:
        if message.role is Role.TOOL:
            assert owed.pop(0) == message.tool_call_id
        else:
            assert owed == []
            owed = [call.id for call in message.tool_calls]
    assert owed == []
    assert [m for m in found if m.role is not Role.TOOL] == [m for m in messages if m.role is not Role.TOOL]
    assert with_results(found) == found
    own = Counter((m.tool_call_id, m.text) for m in found if m.role is Role.TOOL and m.text != NO_RESULT)
    assert own <= Counter((m.tool_call_id, m.text) for m in messages if m.role is Role.TOOL)


HISTORY = (
    llm.Message(llm.Role.USER, "turn on the light"),
    llm.Message(llm.Role.ASSISTANT, "", tool_calls=(llm.ToolCall("1:1", "light", '{"on": true}'),)),
    llm.Message(llm.Role.TOOL, "the light is on", tool_call_id="1:1"),
    llm.Message(llm.Role.ASSISTANT, "It is on."),
    llm.Message(llm.Role.USER, "thank you"),
)


class Listening(ScriptedEngine):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__("You are welcome.", 0, 0)
        self.asked: list[Conversation] = []

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        self.asked.append(conversation)
        async for event in super().reply(conversation):
            yield event


async def test_calls_and_results_of_earlier_replies_reach_the_engine() -> None:
    engine = Listening()
    async with serving(engine) as house:
        await asked(house.client, llm.Config(HISTORY))
    assert engine.asked[0].messages == (
        user("turn on the light"),
        Message(Role.ASSISTANT, "", tool_calls=(ToolCall("1:1", "light", '{"on": true}'),)),
        result("1:1", "the light is on"),
        Message(Role.ASSISTANT, "It is on."),
        user("thank you"),
    )


async def test_an_endpoint_gets_a_result_for_each_call_and_no_other() -> None:
    torn = (HISTORY[0], HISTORY[1], HISTORY[3], llm.Message(llm.Role.TOOL, "of nothing", tool_call_id="7"), HISTORY[4])
    engine = Listening()
    async with serving(engine) as house:
        await asked(house.client, llm.Config(torn))
    async with endpoints(writes("You are welcome.")) as (remote, [endpoint]):
        await whole(remote, engine.asked[0])
    messages = endpoint.bodies[0]["messages"]
    assert isinstance(messages, list)
    assert [(m["role"], m.get("tool_call_id")) for m in messages] == [
        ("user", None),
        ("assistant", None),
        ("tool", "1:1"),
        ("assistant", None),
        ("user", None),
    ]
    assert messages[1]["tool_calls"][0]["id"] == "1:1"
    assert messages[2]["content"] == NO_RESULT


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (llm.Message(llm.Role.USER, "hi", tool_calls=(llm.ToolCall("a", "light", "{}"),)), "tool_calls"),
        (llm.Message(llm.Role.TOOL, "done"), "tool_call_id"),
        (llm.Message(llm.Role.USER, "hi", tool_call_id="a"), "tool_call_id"),
        (llm.Message(llm.Role.ASSISTANT, "", tool_calls=(llm.ToolCall("", "light", "{}"),)), "tool_calls[0].id"),
        (llm.Message(llm.Role.ASSISTANT, "", tool_calls=(llm.ToolCall("x" * 300, "a", "{}"),)), "tool_calls[0].id"),
        (llm.Message(llm.Role.ASSISTANT, "", tool_calls=(llm.ToolCall("a", "b", "{}"),) * 2), "tool_calls[1].id"),
    ],
)
async def test_calls_that_cannot_be_told_apart_are_refused_with_their_place(message: llm.Message, field: str) -> None:
    async with serving(Patient()) as house:
        with pytest.raises(InvalidInput) as caught:
            await asked(house.client, llm.Config((llm.Message(llm.Role.USER, "hello"), message)))
    assert caught.value.field == f"config.messages[1].{field}"


@pytest.mark.parametrize(
    ("written", "as_text", "as_object"),
    [
        ('{"on":true}', '{"on":true}', {"on": True}),
        ("", "{}", {}),
        ('{"on": tr', "{}", {}),
        ("[1]", "{}", {}),
        ("9" * 5000, "{}", {}),
        ('{"on": ' + "[" * 5000 + "]" * 5000 + "}", "{}", {}),
        ('"{\\"on\\": true}"', '{"on": true}', {"on": True}),
    ],
)
def test_arguments_that_a_model_got_wrong_are_left_out_when_it_reads_them_again(
    written: str, as_text: str, as_object: dict[str, object]
) -> None:
    message = Message(Role.ASSISTANT, "", tool_calls=(ToolCall("a", "the light", written),))
    for texts, wanted in ((True, as_text), (False, as_object)):
        [call] = cast("list[dict[str, object]]", as_dict(message, arguments_as_text=texts)["tool_calls"])
        assert call["function"] == {"name": "the_light", "arguments": wanted}


async def test_the_rules_do_not_take_a_function_for_something_that_was_said() -> None:
    engine = RulesEngine()
    engine.load()
    cut_off = Message(Role.ASSISTANT, "It is", interrupted=True, unheard="on now.")
    conversation = Conversation((user("the light"), cut_off, calling("a"), result("a"), user("go on")), 50)
    text = "".join([event.text async for event in engine.reply(conversation) if isinstance(event, Delta)])
    assert text == "on now."
