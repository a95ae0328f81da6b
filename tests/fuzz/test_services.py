"""Requests that are anything to the four services, over real sockets: messages, and bytes that are none."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc
import pytest
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from edge_gateway.transports.grpc_stream import ConversationServicer
from llm_server.builtin_tools import builtin_tools
from llm_server.engines.rules import RulesEngine
from llm_server.service import LlmServicer
from parley import conversation
from parley.v1 import asr_pb2, conversation_pb2, llm_pb2, tts_pb2
from parley.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from parley.v1.llm_pb2_grpc import add_LlmServiceServicer_to_server
from serving.telemetry import Telemetry, new_provider
from tests.edge_gateway.rig import Script, forgetful, house, serve, serve_asr, serve_tts
from tests.fuzz.common import FUZZER, fuzz, served
from tests.fuzz.messages import broken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from google.protobuf.message import Message

pytestmark = FUZZER

_PATIENCE_SECONDS: Final = 20.0
# A stranger who says nothing wrong may be listened to for as long as they like.
_ENOUGH_RESPONSES: Final = 30
EXPECTED: Final = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Service:
    """One service, and how to have it."""

    method: str
    request: type[Message]
    start: Callable[[AsyncExitStack], Awaitable[str]]


async def _start_asr(stack: AsyncExitStack) -> str:
    return await serve_asr(stack, Script())


async def start_llm(stack: AsyncExitStack) -> str:
    """An LLM server; gives where it is."""
    engine = RulesEngine()
    engine.load()
    telemetry = Telemetry(new_provider("llm"), CollectorRegistry())
    servicer = LlmServicer(engine, telemetry, 100, builtin_tools("time,arithmetic"))
    return await serve(stack, "llm", lambda server: add_LlmServiceServicer_to_server(servicer, server))


async def _start_tts(stack: AsyncExitStack) -> str:
    return await serve_tts(stack, Script(character_seconds=0.0001))


async def _start_gateway(stack: AsyncExitStack) -> str:
    parley = await stack.enter_async_context(house(Script(max_sessions=1_000, recorded=forgetful())))
    servicer = ConversationServicer(parley.admission)
    return await serve(
        stack, conversation.SERVICE, lambda server: add_ConversationServiceServicer_to_server(servicer, server)
    )


SERVICES: Final = (
    Service("/parley.v1.AsrService/Transcribe", asr_pb2.TranscribeRequest, _start_asr),
    Service("/parley.v1.LlmService/Chat", llm_pb2.ChatRequest, start_llm),
    Service("/parley.v1.TtsService/Synthesize", tts_pb2.SynthesizeRequest, _start_tts),
    Service("/parley.v1.ConversationService/Converse", conversation_pb2.ConverseRequest, _start_gateway),
)


def outcome(channel: grpc.Channel, method: str, requests: list[bytes]) -> grpc.StatusCode:
    """How a call with these requests ends.

    The caller is not grpc.aio's, which keeps memory of what is sent to a call that is refused: what is measured is the
    memory of the process that both are in.
    """
    stub: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
    call = stub(iter(requests), timeout=_PATIENCE_SECONDS)
    responses = 0
    try:
        for _ in call:
            responses += 1
            if responses == _ENOUGH_RESPONSES:
                break
    except grpc.RpcError:
        return call.code()
    finally:
        call.cancel()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.method.rpartition("/")[2])
def test_no_request_makes_a_server_fail(service: Service) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        async with AsyncExitStack() as stack:
            yield await service.start(stack)

    requests = st.lists(broken(service.request), min_size=1, max_size=5)
    with served(opened) as server, grpc.insecure_channel(server.thing) as channel:

        def check(given: list[bytes]) -> None:
            code = server.during(lambda: outcome(channel, service.method, given))
            assert code in EXPECTED, (code, given)

        fuzz(service.method, requests, check, server.watch)
