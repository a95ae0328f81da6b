"""The LLM service over a real port."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from llm_server.engine import (
    ENGINES_OWN,
    Conversation,
    Delta,
    Finish,
    Progress,
    ProgressKind,
    Sampling,
    StopReason,
    ToolCall,
)
from llm_server.engines.scripted import ScriptedEngine
from llm_server.requests import conversation_of
from llm_server.service import SERVICE, LlmServicer
from parley import llm
from parley._duplex import duplex
from parley.errors import EngineFailed, InvalidInput, Overloaded, ParleyError, TooLarge, WrongState
from parley.v1 import llm_pb2, llm_pb2_grpc
from parley.v1.llm_pb2_grpc import add_LlmServiceServicer_to_server
from serving.grpc_server import Listen, started
from serving.telemetry import SpanIdentity, Telemetry, new_provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from llm_server.builtin_tools import BuiltinTool
    from llm_server.engine import Engine, ReplyEvent

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

    def number(self, name: str) -> float:
        return self.telemetry.registry.get_sample_value(name, {"service": "llm"}) or 0.0


@asynccontextmanager
async def serving(
    engine: Engine,
    max_calls: int = 10,
    builtin_tools: tuple[BuiltinTool, ...] = (),
    progress_seconds: float | None = 60.0,
    sampling: Sampling = ENGINES_OWN,
) -> AsyncIterator[Serving]:
    spans = InMemorySpanExporter()
    provider = new_provider("llm")
    provider.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = Telemetry(provider, CollectorRegistry())
    more = {} if progress_seconds is None else {"progress_seconds": progress_seconds}
    servicer = LlmServicer(engine, telemetry, max_calls, builtin_tools, sampling=sampling, **more)
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


class Queueing(ScriptedEngine):
    """Lets a reply wait for the engine, then think, until it is told to go on."""

    def __init__(self) -> None:
        super().__init__("", 0, 0)
        self.steps: asyncio.Queue[Progress | Delta] = asyncio.Queue()
        self.taken = asyncio.Event()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        assert conversation.messages
        while True:
            event = await self.steps.get()
            yield event
            self.taken.set()
            if isinstance(event, Delta):
                break
        yield Finish(StopReason.STOP)

    async def step(self, event: Progress | Delta) -> None:
        """Come back when the server has taken it."""
        self.taken.clear()
        self.steps.put_nowait(event)
        await self.taken.wait()


async def test_a_reply_is_in_the_queue_while_the_engine_says_so_and_in_its_hands_from_then_on() -> None:
    engine = Queueing()
    async with serving(engine) as server, server.client.chat(llm.Config(HELLO)) as events:
        await anext(events)
        seen = [server.number("parley_queue_depth")]
        for event in (Progress(ProgressKind.WAITING), Progress(ProgressKind.QUEUED), Progress(ProgressKind.QUEUED)):
            await engine.step(event)
            seen.append(server.number("parley_queue_depth"))
        assert server.number("parley_batch_size_count") == 0
        await engine.step(Progress(ProgressKind.REASONING))
        seen.append(server.number("parley_queue_depth"))
        await engine.step(Delta("Yes."))
        assert [event async for event in events]
        assert seen == [0, 0, 1, 1, 0]
        assert server.number("parley_batch_size_count") == server.number("parley_batch_size_sum") == 1


async def test_a_caller_who_leaves_the_queue_is_in_it_no_more() -> None:
    engine = Queueing()
    async with serving(engine) as server:
        async with server.client.chat(llm.Config(HELLO)) as events:
            await anext(events)
            await engine.step(Progress(ProgressKind.QUEUED))
            assert server.number("parley_queue_depth") == 1
        async with asyncio.timeout(10):
            while server.number("parley_queue_depth"):
                await asyncio.sleep(0)


async def test_the_servers_own_numbers_lead_to_the_turn_if_it_is_sampled() -> None:
    kept, dropped = SpanIdentity.new(), replace(SpanIdentity.new(), sampled=False)
    async with serving(ScriptedEngine("Yes.", 0, 0)) as server:
        for turn in (kept, dropped):
            await asked(server.client, llm.Config(HELLO, traceparent=turn.traceparent))
        page = generate_latest(server.telemetry.registry).decode()  # type: ignore[no-untyped-call]  # theirs has no types
    led = [line.partition("{")[0] for line in page.splitlines() if kept.trace_id_hex in line]
    assert led == ["parley_llm_server_ttft_seconds_bucket"]
    assert dropped.trace_id_hex not in page


async def test_the_span_is_a_child_of_the_turn_and_holds_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARLEY_TRACE_CONTENT", raising=False)
    identity = SpanIdentity.new()
    async with serving(ScriptedEngine("A secret.", 0, 0)) as server:
        await asked(server.client, llm.Config(HELLO, traceparent=identity.traceparent))
        (span,) = server.spans.get_finished_spans()
    assert (span.name, span.kind) == ("llm.chat", SpanKind.INTERNAL)
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (identity.trace_id, identity.span_id)
    assert [event.name for event in span.events] == ["first_token"]
    assert "secret" not in span.to_json()
    assert "hello" not in span.to_json()


class Counting(ScriptedEngine):
    """Counts its tokens."""

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        async for event in super().reply(conversation):
            if isinstance(event, Finish):
                yield Finish(StopReason.LENGTH, 12, 3, cached_tokens=8, queue_ms=0.25, model="tiny@127.0.0.1:8000")
            else:
                yield event


async def test_the_span_speaks_the_current_names_of_generative_ai() -> None:
    config = llm.Config(HELLO, session_id="s-1", max_tokens=40, temperature=0.5, top_p=0.25, seed=7)
    async with serving(Counting("One two.", 0, 0)) as server:
        await asked(server.client, config)
        (span,) = server.spans.get_finished_spans()
    has = dict(span.attributes or {})
    first_chunk = has.pop("gen_ai.response.time_to_first_chunk")
    assert isinstance(first_chunk, float)
    assert 0 <= first_chunk < 60
    assert {name: value for name, value in has.items() if name.startswith("gen_ai.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.conversation.id": "s-1",
        "gen_ai.output.type": "text",
        "gen_ai.request.model": "scripted",
        "gen_ai.request.max_tokens": 40,
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.25,
        "gen_ai.request.seed": 7,
        "gen_ai.response.model": "tiny",
        "gen_ai.response.finish_reasons": ("length",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 8,
    }
    assert (has["server.address"], has["server.port"]) == ("127.0.0.1", 8000)
    assert (has["parley.queue_ms"], has["parley.batch_size"]) == (0.25, 1)
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert {name for name in has if name.startswith("gen_ai.")} <= known


async def test_what_was_not_counted_is_not_said() -> None:
    async with serving(ScriptedEngine("", 0, 0)) as server:
        await asked(server.client, llm.Config(HELLO))
        (span,) = server.spans.get_finished_spans()
    assert not [name for name in span.attributes or {} if "usage" in name or "first_chunk" in name]


async def test_words_are_traced_only_where_the_operator_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_TRACE_CONTENT", "1")
    async with serving(ScriptedEngine("A secret.", 0, 0)) as server:
        await asked(server.client, llm.Config(HELLO))
        (span,) = server.spans.get_finished_spans()
    texts = [value for event in span.events for value in (event.attributes or {}).values()]
    assert "".join(map(str, texts)) == "A secret."
    assert all(name.startswith("parley.pii.") for event in span.events for name in event.attributes or {})


class Listening(ScriptedEngine):
    """Keeps what it is asked."""

    heard: Conversation

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        self.heard = conversation
        async for event in super().reply(conversation):
            yield event


@pytest.mark.parametrize(
    ("config", "drawn"),
    [
        (llm.Config(HELLO), Sampling(0.5, 0.25, 7)),
        (llm.Config(HELLO, temperature=0.0, top_p=1.0, seed=0), Sampling(0.0, 1.0, 0)),
        (llm.Config(HELLO, top_p=0.75), Sampling(0.5, 0.75, 7)),
    ],
)
async def test_a_call_is_drawn_as_it_says_and_otherwise_as_the_server_is_set(
    config: llm.Config, drawn: Sampling
) -> None:
    engine = Listening("Hi.", 0, 0)
    async with serving(engine, sampling=Sampling(0.5, 0.25, 7)) as server:
        await asked(server.client, config)
    assert Sampling(engine.heard.temperature, engine.heard.top_p, engine.heard.seed) == drawn


@pytest.mark.parametrize(
    ("config", "error", "field"),
    [
        (llm.Config(()), InvalidInput, "config.messages"),
        (llm.Config(HELLO, temperature=7.0), InvalidInput, "config.temperature"),
        (llm.Config(HELLO, top_p=0.0), InvalidInput, "config.top_p"),
        (llm.Config(HELLO, top_p=1.5), InvalidInput, "config.top_p"),
        (llm.Config((llm.Message(llm.Role.USER, "x" * 300_000),)), TooLarge, "config.messages"),
    ],
)
async def test_bad_input_is_refused_with_the_field_at_fault(
    config: llm.Config, error: type[ParleyError], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.llm.client.MAX_CHAT_MESSAGE_BYTES", 512 * 1024)
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
            yield llm.request_to_proto(llm.Config(HELLO))

    async with serving(Patient()) as server, grpc.aio.insecure_channel(server.address) as channel:
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        with pytest.raises(WrongState):
            async with duplex(stub.Chat, twice(), "llm") as responses:
                async for _ in responses:
                    pass


class Failing(ScriptedEngine):
    """Writes more than goes out at once, and fails."""

    def __init__(self, pieces: int) -> None:
        super().__init__("", 0, 0)
        self.pieces = pieces

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        for _ in range(self.pieces):
            await asyncio.sleep(0)
            yield Delta(f"{conversation.messages[-1].text} ")
        raise EngineFailed("out of memory")


@pytest.mark.parametrize("pieces", [1, 50, 1000])
async def test_what_was_written_before_a_failure_is_still_heard(pieces: int) -> None:
    heard = ""
    async with serving(Failing(pieces)) as server, server.client.chat(llm.Config(HELLO)) as events:
        with pytest.raises(EngineFailed, match="out of memory"):
            async for event in events:
                heard += event.text if isinstance(event, llm.Delta) else ""
    assert heard == "hello " * pieces


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (llm_pb2.ChatConfig(messages=[llm_pb2.ChatMessage()] * 60_000), "config.messages"),
        (
            llm_pb2.ChatConfig(
                messages=[
                    llm_pb2.ChatMessage(
                        role=llm_pb2.CHAT_ROLE_ASSISTANT, tool_calls=[llm_pb2.ToolCall(id="1")] * 20_000
                    )
                ]
            ),
            "config.messages",
        ),
        (
            llm_pb2.ChatConfig(
                messages=[llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER)], tools=[llm_pb2.ToolDefinition()] * 60_000
            ),
            "config.tools",
        ),
    ],
)
async def test_a_small_message_with_very_much_in_it_is_refused(request_: llm_pb2.ChatConfig, field: str) -> None:
    with pytest.raises(ParleyError) as refused:
        conversation_of(request_)
    assert refused.value.field == field


async def test_bytes_that_are_no_message_are_refused_as_a_bad_request() -> None:
    async with serving(ScriptedEngine("Yes.", 0, 0)) as server, grpc.aio.insecure_channel(server.address) as channel:
        stub: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/{SERVICE}/Chat")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(stub(iter([b"\xff\xff\xff"]))))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "no message" in (refused.value.details() or "")
