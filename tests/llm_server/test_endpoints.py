"""OpenAI-compatible endpoints over real sockets: what is asked, what comes back, and who takes over when one cannot."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from llm_server.config import LlmConfig
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
from llm_server.engines import open_engine
from llm_server.engines.endpoints import EndpointsEngine, endpoints
from llm_server.engines.endpoints.endpoint import Endpoint
from llm_server.engines.endpoints.health import Health
from llm_server.engines.endpoints.sse import EventReader
from parley import llm
from parley.errors import Unavailable
from serving.config import read
from tests.llm_server.endpoint_rig import (
    HELLO,
    event,
    hang,
    keeps_alive,
    over_quota,
    refuse,
    role_and_silence,
    says,
    serving,
    too_long,
    whole,
    writes,
)
from tests.llm_server.test_service import serving as over_grpc

if TYPE_CHECKING:
    from tests.llm_server.endpoint_rig import Answer


async def test_a_reply_comes_piece_by_piece_with_its_usage_and_who_wrote_it() -> None:
    async with serving(writes("Hel", "lo", " there.")) as (engine, [asked]):
        assert await whole(engine) == ("Hello there.", Finish(StopReason.STOP, 12, 3, model=f"a@{asked.host}"))
    assert asked.keys == ["Bearer key-a"]
    assert asked.bodies[0] == {
        "model": "a",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        "max_tokens": 50,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_sampling_is_passed_on_and_an_interrupted_reply_is_marked() -> None:
    messages = (
        Message(Role.USER, "tell me a story"),
        Message(Role.ASSISTANT, "Once upon", interrupted=True, unheard="a time"),
        Message(Role.USER, "go on"),
    )
    async with serving(writes("Yes.")) as (engine, [asked]):
        await whole(engine, Conversation(messages, max_tokens=5, temperature=0.2, seed=7))
    body = asked.bodies[0]
    assert (body["temperature"], body["seed"]) == (0.2, 7)
    assert isinstance(body["messages"], list)
    assert body["messages"][1]["content"] == "Once upon [interrupted by the user; not heard: a time]"


async def test_a_reply_that_is_cut_short_says_so() -> None:
    async with serving(says(event("one two"), event(reason="length"), b"data: [DONE]\n\n")) as (engine, _):
        assert (await whole(engine))[1].reason is StopReason.LENGTH


@pytest.mark.parametrize(
    "answer",
    [
        refuse,
        hang,
        over_quota,
        says(b"data: nonsense\n\n"),
        says(),
        says(b'data: {"choices": [7]}\n\n'),
        writes(),
        role_and_silence,
        keeps_alive,
    ],
)
async def test_another_endpoint_takes_over_before_the_first_piece(answer: Answer) -> None:
    async with serving(answer, writes("Here I am."), patience_seconds=0.8) as (engine, asked):
        text, finish = await whole(engine)
        assert (text, finish.model) == ("Here I am.", f"b@{asked[1].host}")
        assert asked[1].keys == ["Bearer key-b"]
        # It is remembered: the next reply does not wait for it again.
        await whole(engine)
    assert (len(asked[0].bodies), len(asked[1].bodies)) == (1, 2)


async def test_a_conversation_that_one_refuses_is_no_reason_to_leave_it_alone() -> None:
    async with serving(too_long, writes("Here I am.")) as (engine, asked):
        await whole(engine)
        await whole(engine)
    assert (len(asked[0].bodies), len(asked[1].bodies)) == (2, 2)


async def test_many_replies_at_once_do_not_queue_for_connections() -> None:
    arrived = asyncio.Semaphore(0)

    async def together(request: web.Request) -> web.StreamResponse:
        arrived.release()
        await all_here.wait()
        return await writes("Hello.")(request)

    all_here = asyncio.Event()
    async with serving(together) as (engine, _), asyncio.TaskGroup() as tasks:
        replies = [tasks.create_task(whole(engine)) for _ in range(120)]
        for _ in replies:
            await arrived.acquire()
        all_here.set()


async def test_an_endpoint_that_is_not_there_at_all_is_passed_over() -> None:
    async with serving(writes("Hello.")) as (_, [asked]):
        engine = EndpointsEngine((Endpoint("http://127.0.0.1:1/v1", "gone"), Endpoint(asked.url, "b")))
        assert (await whole(engine))[0] == "Hello."
        await engine.close()


async def test_what_was_said_is_never_begun_again_by_another() -> None:
    async with serving(says(event("Once upon ")), writes("Here I am.")) as (engine, asked):
        heard = ""
        with pytest.raises(Unavailable, match=r"a@.* broke off in the middle"):
            async with aclosing(engine.reply(HELLO)) as reply:
                async for each in reply:
                    heard += each.text if isinstance(each, Delta) else ""
        assert heard == "Once upon "
        assert not asked[1].bodies
        assert (await whole(engine))[0] == "Here I am.", "but the next reply is another's"


async def test_when_nobody_answers_every_reason_is_told_and_no_key() -> None:
    async with serving(too_long, over_quota) as (engine, _):
        with pytest.raises(Unavailable) as raised:
            await whole(engine)
    assert "400" in str(raised.value)
    assert "context too long; your key is ***" in str(raised.value)
    assert "429" in str(raised.value)
    assert "key-" not in str(raised.value)


async def test_a_key_that_an_endpoint_quotes_in_its_events_is_not_told() -> None:
    async with serving(says(b'data: {"error": "key-a is not known"}\n\n')) as (engine, _):
        with pytest.raises(Unavailable, match=r"\*\*\* is not known"):
            await whole(engine)


async def test_who_leaves_closes_the_connection_at_once() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(event("Well, "))
        await asyncio.Event().wait()
        return response

    async with serving(endless) as (engine, [asked]):
        async with aclosing(engine.reply(HELLO)) as reply:
            while await anext(reply) != Delta("Well, "):
                pass
        async with asyncio.timeout(2):
            await asked.left.wait()


@given(st.lists(st.integers(1, 40), max_size=12))
def test_events_are_the_same_wherever_the_bytes_are_cut(lengths: list[int]) -> None:
    stream = 'data: {"a": "ü"}\r\n\r\n: a comment\n\ndata: one\ndata: two\n\ndata: [DONE]\n\n'.encode()
    reader, found, place = EventReader(), [], 0
    for length in [*lengths, len(stream)]:
        found += reader.feed(stream[place : place + length])
        place += length
    assert found == ['{"a": "ü"}', "one\ntwo", "[DONE]"]


def test_who_failed_rests_longer_each_time_and_is_asked_again() -> None:
    health = Health(2)
    health.failed(0, 0.0)
    assert health.order(1.0) == (1, 0)
    assert health.order(2.5) == (0, 1)
    health.failed(0, 2.5)
    assert health.order(5.0) == (1, 0)
    health.failed(1, 5.0, retry_after_seconds=30.0)
    assert health.order(6.0) == (0, 1), "the one whose rest is over sooner"
    health.worked(0)
    assert health.order(6.0) == (0, 1)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "PARLEY_LLM_MODEL is empty"),
        (
            {"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_FALLBACKS": "other"},
            "PARLEY_LLM_FALLBACKS has 'other': give MODEL@URL",
        ),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_FALLBACKS": "other@host"}, "give MODEL@URL"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "host:8000/v1"}, "PARLEY_LLM_URL must begin with http"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_FALLBACK_API_KEYS": "k"}, "has 1 keys for 0 fallbacks"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, str], why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        open_engine(read(LlmConfig, {"PARLEY_LLM_ENGINE": "openai", **settings}))


def test_fallbacks_have_their_own_keys() -> None:
    first = Endpoint("http://one/v1", "m")
    found = endpoints(first, "n@http://two/v1, user/o@https://three/v1", "k")
    assert [(each.model, each.url, each.api_key) for each in found] == [
        ("m", "http://one/v1", ""),
        ("n", "http://two/v1", "k"),
        ("user/o", "https://three/v1", ""),
    ]
    assert "k'" not in repr(found[1])


async def test_all_models_that_can_answer_are_listed_the_first_choice_first() -> None:
    async with serving(writes("Hello."), refuse, hang) as (engine, _), over_grpc(engine) as house:
        assert await house.client.models() == llm.Models("openai", ("a", "b", "c"))


def calls(*fragments: dict[str, object]) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'tool_calls': list(fragments)}}]})}\n\n".encode()


WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


EARLIER = ToolCall("x0", "time", "{}")
MESSAGES = (
    Message(Role.USER, "hello"),
    Message(Role.ASSISTANT, "", tool_calls=(EARLIER,)),
    Message(Role.TOOL, "noon", tool_call_id="x0"),
)


@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
async def test_calls_of_functions_are_put_together_from_their_fragments(reason: str) -> None:
    answer = says(
        event("I look."),
        calls({"index": 0, "id": "x1", "function": {"name": "weather", "arguments": ""}}),
        calls(
            {"index": 0, "function": {"arguments": '{"city": '}}, {"index": 1, "id": "x2", "function": {"name": "time"}}
        ),
        calls({"index": 0, "function": {"arguments": '"Rome"}'}}),
        event(reason=reason),
    )
    async with serving(answer) as (engine, [asked]):
        events = [each async for each in engine.reply(Conversation(MESSAGES, 50, tools=(WEATHER,)))]
    assert events[:-1] == [
        Progress(ProgressKind.WAITING, f"a@{asked.host}"),
        Delta("I look."),
        ToolCall("x1", "weather", '{"city": "Rome"}'),
        ToolCall("x2", "time", ""),
    ]
    assert isinstance(events[-1], Finish)
    assert events[-1].reason is StopReason.TOOL_CALLS
    body = asked.bodies[0]
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Tells the weather.", "parameters": WEATHER.parameters},
        }
    ]
    assert body["messages"] == [
        {"role": "user", "content": "hello"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "x0", "type": "function", "function": {"name": "time", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "x0"},
    ]


@pytest.mark.parametrize("fragment", [{"index": 0, "id": "x", "function": {"arguments": "{}"}}, "weather", 3])
async def test_calls_that_cannot_be_read_are_an_endpoints_failure(fragment: object) -> None:
    answer = says(
        f"data: {json.dumps({'choices': [{'delta': {'tool_calls': [fragment]}}]})}\n\n".encode(), event(reason="stop")
    )
    async with serving(answer, writes("Well.")) as (engine, _):
        assert (await whole(engine))[0] == "Well."
