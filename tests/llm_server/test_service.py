"""The LLM service over a real port."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from llm_server.builtin_tools import OwnTool, own_tools
from llm_server.engine import Conversation, Delta, Finish, Message, Role, StopReason, ToolCall
from llm_server.engines.scripted import ScriptedEngine
from llm_server.service import SERVICE, LlmServicer
from parley import llm
from parley._duplex import duplex
from parley.errors import InvalidInput, Overloaded, ParleyError, TooLarge, WrongState
from parley.v1 import llm_pb2, llm_pb2_grpc
from parley.v1.llm_pb2_grpc import add_LlmServiceServicer_to_server
from serving.grpc_server import Listen, started
from serving.telemetry import SpanIdentity, Telemetry, new_provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from llm_server.engine import Engine

HELLO = (llm.Message(llm.Role.USER, "hello"),)


class Patient(ScriptedEngine):
    """Writes one piece, then thinks for ever, and says when it was stopped."""

    def __init__(self) -> None:
        super().__init__("", 0, 0)
        self.stopped = asyncio.Event()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        try:
            yield Delta(f"Well, {conversation.messages[-1].text}")
            await asyncio.Event().wait()
            yield Finish(StopReason.STOP)
        finally:
            self.stopped.set()


class Serving:
    def __init__(self, client: llm.LlmClient, telemetry: Telemetry, spans: InMemorySpanExporter, address: str) -> None:
        self.client = client
        self.address = address
        self.telemetry = telemetry
        self.spans = spans


@asynccontextmanager
async def serving(engine: Engine, max_calls: int = 10, own_tools: tuple[OwnTool, ...] = ()) -> AsyncIterator[Serving]:
    spans = InMemorySpanExporter()
    provider = new_provider("llm")
    provider.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = Telemetry(provider, CollectorRegistry())
    servicer = LlmServicer(engine, telemetry, max_calls, own_tools)
    listen = Listen("127.0.0.1", 0, "PARLEY_LLM_PORT", 0, 0.0, 512 * 1024)
    async with started(SERVICE, lambda server: add_LlmServiceServicer_to_server(servicer, server), listen) as (
        port,
        ready,
    ):
        await ready()
        async with llm.LlmClient(f"127.0.0.1:{port}") as client:
            yield Serving(client, telemetry, spans, f"127.0.0.1:{port}")


async def asked(client: llm.LlmClient, config: llm.Config) -> list[llm.Event]:
    async with client.chat(config) as events:
        return [event async for event in events]


async def test_a_reply_comes_in_pieces_that_join_and_ends_with_its_numbers() -> None:
    async with serving(ScriptedEngine("One two three.", 0, 0)) as server:
        events = await asked(server.client, llm.Config(HELLO))
    assert events[0] == llm.Ready("scripted", "")
    assert "".join(event.text for event in events if isinstance(event, llm.Delta)) == "One two three."
    end = events[-1]
    assert isinstance(end, llm.Finished)
    assert end.reason is llm.FinishReason.STOP
    assert end.completion_tokens == 3
    assert 0 <= end.first_token_ms <= end.total_ms


async def test_pieces_that_are_there_together_share_a_message() -> None:
    async with serving(ScriptedEngine("word " * 200, 0, 0)) as server:
        events = await asked(server.client, llm.Config(HELLO))
    assert len([event for event in events if isinstance(event, llm.Delta)]) < 20


async def test_a_piece_is_sent_as_soon_as_it_is_written() -> None:
    engine = Patient()
    async with serving(engine) as server, server.client.chat(llm.Config(HELLO)) as events:
        await anext(events)
        assert await anext(events) == llm.Delta("Well, hello")


async def test_leaving_stops_the_engine() -> None:
    engine = Patient()
    async with serving(engine) as server:
        async with server.client.chat(llm.Config(HELLO)) as events:
            await anext(events)
            await anext(events)
        async with asyncio.timeout(2):
            await engine.stopped.wait()
            while not server.telemetry.registry.get_sample_value(
                "parley_cancel_to_idle_seconds_count", {"service": "llm"}
            ):
                await asyncio.sleep(0)


async def test_the_span_is_a_child_of_the_turn_and_holds_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARLEY_TRACE_CONTENT", raising=False)
    identity = SpanIdentity.new()
    async with serving(ScriptedEngine("A secret.", 0, 0)) as server:
        await asked(server.client, llm.Config(HELLO, traceparent=identity.traceparent))
        (span,) = server.spans.get_finished_spans()
    assert span.name == "llm.chat"
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (identity.trace_id, identity.span_id)
    assert [event.name for event in span.events] == ["first_token"]
    assert "secret" not in span.to_json()
    assert "hello" not in span.to_json()


async def test_words_are_traced_only_where_the_operator_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_TRACE_CONTENT", "1")
    async with serving(ScriptedEngine("A secret.", 0, 0)) as server:
        await asked(server.client, llm.Config(HELLO))
        (span,) = server.spans.get_finished_spans()
    texts = [value for event in span.events for value in (event.attributes or {}).values()]
    assert "".join(map(str, texts)) == "A secret."
    assert all(name.startswith("parley.pii.") for event in span.events for name in event.attributes or {})


@pytest.mark.parametrize(
    ("config", "error", "field"),
    [
        (llm.Config(()), InvalidInput, "config.messages"),
        (llm.Config(HELLO, temperature=7.0), InvalidInput, "config.temperature"),
        (llm.Config((llm.Message(llm.Role.USER, "x" * 300_000),)), TooLarge, "config.messages"),
    ],
)
async def test_bad_input_is_refused_with_the_field_at_fault(
    config: llm.Config, error: type[ParleyError], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.llm.MAX_CHAT_MESSAGE_BYTES", 512 * 1024)
    async with serving(ScriptedEngine("Hi.", 0, 0)) as server:
        with pytest.raises(error) as caught:
            await asked(server.client, config)
    assert caught.value.field == field


async def test_a_full_server_says_when_to_come_again() -> None:
    async with serving(Patient(), max_calls=1) as server, server.client.chat(llm.Config(HELLO)) as events:
        await anext(events)
        with pytest.raises(Overloaded) as caught:
            await asked(server.client, llm.Config(HELLO))
    assert caught.value.retry_after_ms == 500


async def test_a_second_configuration_is_refused() -> None:
    async def twice() -> AsyncIterator[llm_pb2.ChatRequest]:
        for _ in range(2):
            yield llm_pb2.ChatRequest(config=llm.Config(HELLO).to_proto())

    async with serving(Patient()) as server, grpc.aio.insecure_channel(server.address) as channel:
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        with pytest.raises(WrongState):
            async with duplex(stub.Chat, twice(), "llm") as responses:
                async for _ in responses:
                    pass


class Caller(ScriptedEngine):
    """Writes what it is told for each round, and keeps what it was asked."""

    calls_tools = True

    def __init__(self, *rounds: tuple[Delta | ToolCall, ...]) -> None:
        super().__init__("", 0, 0)
        self.rounds = list(rounds)
        self.asked: list[Conversation] = []

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        self.asked.append(conversation)
        events = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        for event in events:
            yield event
        calls = any(isinstance(event, ToolCall) for event in events)
        yield Finish(StopReason.TOOL_CALLS if calls else StopReason.STOP, 10, 5)


LIGHT = llm.Tool("light", "Switches a light.", '{"type": "object", "properties": {"on": {"type": "boolean"}}}')
SWITCH = ToolCall("a", "light", '{"on": true}')


async def test_a_function_of_the_caller_is_called_in_the_middle_of_a_reply() -> None:
    engine = Caller((Delta("Let me see."), SWITCH), (Delta("It is on."),))
    results: asyncio.Queue[llm.ToolResult] = asyncio.Queue()

    async def given() -> AsyncIterator[llm.ToolResult]:
        while True:
            yield await results.get()

    seen: list[llm.Event] = []
    config = llm.Config(HELLO, tools=(LIGHT,))
    async with serving(engine) as house, house.client.chat(config, given()) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, llm.ToolCall):
                await results.put(llm.ToolResult(event.id, "the light is on"))
        spans = [span.name for span in house.spans.get_finished_spans()]
    assert llm.ToolCall("a", "light", '{"on": true}') in seen
    assert "".join(event.text for event in seen if isinstance(event, llm.Delta)) == "Let me see. It is on."
    finished = seen[-1]
    assert isinstance(finished, llm.Finished)
    assert (finished.reason, finished.completion_tokens) == (llm.FinishReason.STOP, 10)
    assert engine.asked[0].tools[0].parameters["type"] == "object"
    assert engine.asked[1].messages[1:] == (
        Message(Role.ASSISTANT, "Let me see.", tool_calls=(SWITCH,)),
        Message(Role.TOOL, "the light is on", tool_call_id="a"),
    )
    assert "execute_tool light" in spans


async def test_a_function_of_the_servers_own_is_called_without_the_caller() -> None:
    engine = Caller((ToolCall("a", "arithmetic", '{"expression": "6 * 7"}'),), (Delta("It is 42."),))
    async with serving(engine, own_tools=own_tools("arithmetic")) as house:
        events = await asked(house.client, llm.Config(HELLO))
    assert not any(isinstance(event, llm.ToolCall) for event in events)
    assert engine.asked[1].messages[-1] == Message(Role.TOOL, "42", tool_call_id="a")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (ToolCall("a", "light", "{}"), "Error: there is no function light"),
        (ToolCall("a", "arithmetic", "{"), "Error: the arguments are no JSON"),
        (ToolCall("a", "arithmetic", '{"expression": "1/0"}'), "Error: nothing can be divided by zero"),
    ],
)
async def test_the_model_is_told_what_went_wrong_with_a_function(call: ToolCall, told: str) -> None:
    engine = Caller((call,), (Delta("That did not work."),))
    async with serving(engine, own_tools=own_tools("arithmetic")) as house:
        await asked(house.client, llm.Config(HELLO))
    assert engine.asked[1].messages[-1].text.startswith(told)


async def test_a_model_that_calls_functions_for_ever_has_to_speak_at_last() -> None:
    engine = Caller((ToolCall("a", "time", "{}"),))
    async with serving(engine, own_tools=own_tools("time")) as house:
        events = await asked(house.client, llm.Config(HELLO))
    assert isinstance(events[-1], llm.Finished)
    assert [bool(conversation.tools) for conversation in engine.asked] == [True] * 5 + [False]


async def test_a_caller_who_will_not_answer_is_told_so() -> None:
    engine = Caller((SWITCH,))
    async with serving(engine) as house:
        with pytest.raises(WrongState, match="ended before the result"):
            await asked(house.client, llm.Config(HELLO, tools=(LIGHT,)))


async def test_a_result_that_nobody_waits_for_is_refused() -> None:
    async def given() -> AsyncIterator[llm.ToolResult]:
        yield llm.ToolResult("b", "hm")

    async with serving(Patient()) as house, house.client.chat(llm.Config(HELLO), given()) as events:
        with pytest.raises(InvalidInput, match="no call 'b' waits") as caught:
            async for _ in events:
                pass
    assert caught.value.field == "tool_result.tool_call_id"


async def test_an_engine_that_cannot_call_functions_says_so() -> None:
    async with serving(ScriptedEngine("Hi.", 0, 0)) as house:
        with pytest.raises(InvalidInput, match="the engine scripted cannot call functions") as caught:
            await asked(house.client, llm.Config(HELLO, tools=(LIGHT,)))
    assert caught.value.field == "config.tools"
