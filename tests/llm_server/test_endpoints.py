"""OpenAI-compatible endpoints over real sockets: what is asked, what comes back, and who takes over when one cannot."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

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
from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.addresses import endpoints
from llm_server.engines.endpoints.endpoint import Endpoint
from llm_server.engines.endpoints.health import Health
from parley import llm
from parley.errors import Unavailable
from serving.config import read
from tests.llm_server.endpoint_rig import (
    HELLO,
    begin,
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


class Forgetful:
    """Closes a connection instead of answering the second request: a kept one, or, from the first on, every one."""

    def __init__(self, *, keeps: bool) -> None:
        self.keeps = keeps
        self.asked = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = event("Hello.") + event(reason="stop") + b"data: [DONE]\n\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        while (self.keeps or not self.asked) and (request := await self.request(reader)):
            self.asked += 1
            if self.asked == 2:
                break
            assert b"hello" in request
            writer.write(head.encode() + body)
        writer.close()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """The body of the next one; empty: there is none."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return await reader.readexactly(int(length.partition(b":")[2]))


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_kept_connection_that_is_closed_meanwhile_costs_no_reply(*, keeps: bool) -> None:
    """llama.cpp's server closes its side after a reply, and aiohttp finds out when it writes the next request."""
    async with await asyncio.start_server(Forgetful(keeps=keeps), "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        engine = EndpointsEngine((Endpoint(address, "a"),), warm_up=False)
        try:
            assert (await whole(engine))[0] == "Hello."
            if keeps:
                assert (await whole(engine))[0] == "Hello."
            else:
                # A new connection that is closed at once is no such thing.
                with pytest.raises(Unavailable, match="cannot be reached"):
                    await whole(engine)
        finally:
            await engine.close()


async def test_sampling_is_passed_on_and_an_interrupted_reply_is_marked() -> None:
    messages = (
        Message(Role.USER, "tell me a story"),
        Message(Role.ASSISTANT, "Once upon", interrupted=True, unheard="a time"),
        Message(Role.USER, "go on"),
    )
    async with serving(writes("Yes.")) as (engine, [asked]):
        await whole(engine, Conversation(messages, max_tokens=5, temperature=0.2, top_p=0.5, seed=7))
    body = asked.bodies[0]
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.2, 0.5, 7)
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
    async with serving(together, patience_seconds=600) as (engine, _), asyncio.TaskGroup() as tasks:
        for _ in range(120):
            # One after the other: a loop that has to connect all of them at once takes too long for the first.
            tasks.create_task(whole(engine))
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
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "http:///v1"}, "whose host or port cannot be: give http://HOST"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "http://host:80000/v1"}, "PARLEY_LLM_URL has an address whose"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "http://host:port/v1"}, "PARLEY_LLM_URL has an address whose"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "http://[::1/v1"}, "PARLEY_LLM_URL has an address whose"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "http://ho st/v1"}, "PARLEY_LLM_URL has an address whose"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "http://host..example/v1"}, "PARLEY_LLM_URL has an address whose"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": f"http://{'x' * 64}/v1"}, "PARLEY_LLM_URL has an address whose"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_FALLBACKS": "n@http://:1/v1"}, "PARLEY_LLM_FALLBACKS has an address"),
        (
            {"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "http://me:pw@host/v1", "PARLEY_LLM_API_KEY": "k"},
            "a user in its address and PARLEY_LLM_API_KEY a key",
        ),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_API_KEY": "k\ney"}, "PARLEY_LLM_API_KEY has a character"),
        ({"PARLEY_LLM_MODEL": "m", "PARLEY_LLM_API_KEY": "“key”"}, "PARLEY_LLM_API_KEY has a character"),
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


@pytest.mark.parametrize(
    ("url", "chat", "models"),
    [
        ("http://host:1/v1", "http://host:1/v1/chat/completions", "http://host:1/v1/models"),
        ("http://host/v1/", "http://host/v1/chat/completions", "http://host/v1/models"),
        ("http://host/v1/chat/completions", "http://host/v1/chat/completions", "http://host/v1/models"),
        (
            "https://host/openai/deployments/m?api-version=2024-06-01",
            "https://host/openai/deployments/m/chat/completions?api-version=2024-06-01",
            "https://host/openai/deployments/m/models?api-version=2024-06-01",
        ),
        ("https://host/v1/?a=1&b=2#top", "https://host/v1/chat/completions?a=1&b=2", "https://host/v1/models?a=1&b=2"),
        ("http://[::1]:8000", "http://[::1]:8000/chat/completions", "http://[::1]:8000/models"),
    ],
)
def test_a_query_in_an_address_goes_along(url: str, chat: str, models: str) -> None:
    endpoint = Endpoint(url, "m")
    assert (endpoint.chat, endpoint.models) == (chat, models)


async def test_an_endpoint_with_a_version_in_its_address_gets_query_and_key_in_its_own_way() -> None:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await writes("Hello.")(request)

    async with serving(answer) as (_, [one]):
        engine = EndpointsEngine((Endpoint(f"{one.url}?api-version=2024-06-01", "m", "key"),))
        assert (await whole(engine))[0] == "Hello."
        await engine.close()
    assert asked[0].query["api-version"] == "2024-06-01"
    assert asked[0].headers["api-key"] == "key"


def test_what_is_secret_in_an_address_is_never_told() -> None:
    endpoint = Endpoint("https://me:pa%24s@host/v1?v=1&token=aa%2Fbb&api-version=2024", "m", "key-1")
    assert endpoint.name == "m@host"
    assert (
        endpoint.quoted("key-1 pa$s pa%24s aa/bb aa%2Fbb 2024 at 1 //you:word@proxy")
        == "*** *** *** *** *** *** at 1 //***@proxy"
    )


def headed(status: int, body: bytes, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, body=body, headers={name.replace("_", "-"): it for name, it in headers.items()}
        )

    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65_536)


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(event())
    assert request.transport is not None
    request.transport.abort()
    return response


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(headed(200, b"nonsense", Content_Encoding="gzip"), id="what is no gzip"),
        pytest.param(headed(500, b"nonsense", Content_Encoding="gzip"), id="a failure that is no gzip"),
        pytest.param(headed(500, b"\xff\xfe", Content_Type="text/plain; charset=hex"), id="a strange charset"),
        pytest.param(headed(302, b"", Location="/v1/chat/completions"), id="a redirection"),
        pytest.param(headed(307, b"", Location="/v1/chat/completions"), id="a redirection in a circle"),
        pytest.param(headed(307, b"", Location="http://"), id="a redirection to nowhere"),
        pytest.param(headed(307, b"", Location=f"http://{'x' * 64}/"), id="a redirection to no host"),
        pytest.param(headed(429, b"", Retry_After="nan"), id="a time that is none"),
        pytest.param(headed(503, b"", Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"), id="a date"),
        pytest.param(headed(200, b"<html>Please log in</html>", Content_Type="text/html"), id="a page"),
        pytest.param(headed(204, b""), id="nothing"),
        pytest.param(endless, id="a failure without end"),
        pytest.param(cut, id="a connection that is cut"),
    ],
)
async def test_whatever_is_wrong_with_an_answer_another_endpoint_takes_over(answer: Answer) -> None:
    async with serving(answer, writes("Here I am.")) as (engine, _):
        assert (await whole(engine))[0] == "Here I am."


async def test_whatever_is_wrong_with_an_answer_a_warm_up_is_only_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    wrong = [headed(500, b"nonsense", Content_Encoding="gzip"), headed(200, b'{"error": "no such model"}'), cut]
    async with serving(*wrong) as (engine, _), asyncio.TaskGroup() as tasks:
        warming = tasks.create_task(engine.keep_warm())
        async with asyncio.timeout(5):
            while len(caplog.records) < len(wrong):
                await asyncio.sleep(0)
        warming.cancel()


async def test_a_reply_that_is_complete_is_not_lost_when_the_connection_is() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(event("Hello."))
        await response.write(event(reason="stop"))
        assert request.transport is not None
        request.transport.close()
        return response

    async with serving(answer) as (engine, [asked]):
        assert await whole(engine) == ("Hello.", Finish(StopReason.STOP, model=f"a@{asked.host}"))


async def test_a_reply_that_is_complete_does_not_wait_for_an_endpoint_that_forgets_to_close() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await response.write(event("Hello."))
        await response.write(event(reason="stop"))
        await asyncio.Event().wait()
        return response

    async with serving(answer, patience_seconds=600) as (engine, _), asyncio.timeout(20):
        assert (await whole(engine))[0] == "Hello."


async def test_all_models_that_can_answer_are_listed_the_first_choice_first() -> None:
    async with serving(writes("Hello."), refuse, hang) as (engine, asked), over_grpc(engine) as house:
        assert await house.client.models() == llm.Models("openai", ("a", "b", "c"), address=asked[0].host)


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
