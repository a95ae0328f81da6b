"""Who calls with a traceparent finds their span in the traces: as a server's parent, or linked by a session's turns."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import grpc.aio
import pytest

from edge_gateway.transports.grpc_stream import ConversationServicer
from parley import asr, llm, tts
from parley.asr.wire import request_to_proto as asr_request
from parley.conversation import SERVICE, SessionConfig, SessionReady, TurnReport, UserText
from parley.conversation.wire import event_from_proto, request_to_proto
from parley.llm.wire import request_to_proto as llm_request
from parley.tts.wire import request_to_proto as tts_request
from parley.v1.asr_pb2_grpc import AsrServiceStub
from parley.v1.conversation_pb2_grpc import ConversationServiceStub, add_ConversationServiceServicer_to_server
from parley.v1.llm_pb2_grpc import LlmServiceStub
from parley.v1.tts_pb2_grpc import TtsServiceStub
from parley_cli.client import WebSocket
from serving.telemetry import SpanIdentity, span_of
from tests.edge_gateway.rig import Listener, Script, house, serve, serve_asr, serve_llm, serve_tts
from tests.edge_gateway.traces import attributes, traces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from opentelemetry.sdk.trace import ReadableSpan

    from parley.conversation import Event, Request
    from tests.edge_gateway.rig import Gateway

Call = grpc.aio.StreamStreamCall[Any, Any]
CALLER: Final = SpanIdentity(0x1234, 0x56)
# What is no traceparent: nothing, another form, ids of zeros, a length that is none, another alphabet.
MALFORMED: Final = (
    "",
    "hello",
    f"00-{0:032x}-{1:016x}-01",
    f"00-{1:032x}-{0:016x}-01",
    f"ff-{1:032x}-{1:016x}-01",
    f"00-{1:031x}-{1:016x}-01",
    f"00-{'x' * 32}-{1:016x}-01",
    "0" * 10_000,
)
WAYS: Final = ("in the message", "as metadata")


class Program:
    """A call of the conversation service with metadata."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def send(self, request: Request) -> None:
        await self._call.write(request_to_proto(request))

    async def __anext__(self) -> Event:
        while True:
            message: Any = await self._call.read()
            event = event_from_proto(message)
            if event is not None:
                return event


@asynccontextmanager
async def joined(gateway: Gateway, transport: str, traceparent: str) -> AsyncIterator[Listener]:
    """A listener that brings a traceparent."""
    async with AsyncExitStack() as stack:
        if transport == "websocket":
            http = await stack.enter_async_context(aiohttp.ClientSession())
            headers = {"traceparent": traceparent}
            socket = await stack.enter_async_context(http.ws_connect(f"{gateway.url}/v1/conversation", headers=headers))
            yield Listener(WebSocket(socket))
            return
        servicer = ConversationServicer(gateway.admission)
        address = await serve(
            stack, SERVICE, lambda server: add_ConversationServiceServicer_to_server(servicer, server)
        )
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        call = ConversationServiceStub(channel).Converse(metadata=(("traceparent", traceparent),))
        yield Listener(Program(call))
        call.cancel()


def linked(span: ReadableSpan) -> set[int]:
    return {link.context.trace_id for link in span.links}


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
@pytest.mark.parametrize("traceparent", [CALLER.traceparent, *MALFORMED[:4]])
async def test_the_turns_of_a_session_are_linked_to_who_opened_it(transport: str, traceparent: str) -> None:
    script = Script()
    async with house(script) as parley, joined(parley, transport, traceparent) as listener:
        await listener.send(SessionConfig())
        await listener.until(SessionReady)
        for text in ("what time is it", "and in rome"):
            await listener.send(UserText(text))
            await listener.until(TurnReport)
    roots = [each.root for each in traces(script.recorded.all_spans)]
    first, second = (root for root in roots if attributes(root)["parley.kind"] == "typed")
    assert first.context is not None
    caller = {CALLER.trace_id} if traceparent == CALLER.traceparent else set()
    assert (linked(first), linked(second)) == (caller, {first.context.trace_id} | caller)


async def consume(call: Call, requests: Iterable[object]) -> None:
    for request in requests:
        await call.write(request)
    await call.done_writing()
    async for _ in call:
        pass


async def call_server(service: str, script: Script, in_message: str, in_metadata: str) -> None:
    metadata = (("traceparent", in_metadata),) if in_metadata else ()
    async with AsyncExitStack() as stack:
        serve_it = {"asr": serve_asr, "llm": serve_llm, "tts": serve_tts}[service]
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(await serve_it(stack, script)))
        if service == "llm":
            config = llm.Config((llm.Message(llm.Role.USER, "hello"),), traceparent=in_message)
            await consume(LlmServiceStub(channel).Chat(metadata=metadata), [llm_request(config)])
        elif service == "tts":
            speech = tts_request(tts.Config(traceparent=in_message)), tts_request("It is late. ")
            await consume(TtsServiceStub(channel).Synthesize(metadata=metadata), speech)
        else:
            tone = (b"\x00\x20\x00\xe0" * 8_000, bytes(32_000))
            sound = [asr.Audio(pcm, place * 16_000) for place, pcm in enumerate(tone * 2)]
            opening = asr.Config(traceparent=in_message)
            said: list[asr.Request] = [opening, *sound, asr.Flush()]
            heard = [asr_request(each) for each in said]
            await consume(AsrServiceStub(channel).Transcribe(metadata=metadata), heard)


def parents(script: Script) -> set[tuple[str, int]]:
    return {(span.name, span.parent.trace_id if span.parent else 0) for span in script.recorded.all_spans}


NAMES: Final = {"asr": {"asr.end_of_turn", "asr.transcribe"}, "llm": {"llm.chat"}, "tts": {"tts.synthesize"}}


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_is_called_alone_joins_its_callers_trace(service: str, way: str) -> None:
    script = Script(heard=("what time is it", "and in rome"))
    in_message = CALLER.traceparent if way == "in the message" else ""
    await call_server(service, script, in_message, "" if in_message else CALLER.traceparent)
    # Of a stream all turns, since nobody gives them traces of their own.
    assert parents(script) == {(name, CALLER.trace_id) for name in NAMES[service]}
    assert len(script.recorded.all_spans) == (4 if service == "asr" else 1)


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize("traceparent", MALFORMED)
async def test_what_is_no_traceparent_is_no_reason_to_fail(service: str, traceparent: str) -> None:
    script = Script()
    await call_server(service, script, traceparent, traceparent if len(traceparent) < 1_000 else "")
    assert parents(script) == {(name, 0) for name in NAMES[service]}


@pytest.mark.parametrize("traceparent", MALFORMED)
def test_what_is_no_traceparent_names_no_span(traceparent: str) -> None:
    assert span_of(traceparent) is None
