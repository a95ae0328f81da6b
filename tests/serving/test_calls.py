"""What a handler has in flight when its caller leaves: it goes on to its end, in every service."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from asr_server.engines.scripted import ScriptedEngine as ScriptedAsr
from asr_server.scheduler import Scheduler
from asr_server.service import AsrServicer
from asr_server.transcriber import Models
from edge_gateway.transports.grpc_stream import ConversationServicer
from llm_server.engines.scripted import ScriptedEngine as ScriptedLlm
from llm_server.service import LlmServicer
from parley.v1 import asr_pb2, conversation_pb2, llm_pb2, tts_pb2
from parley.v1.asr_pb2_grpc import add_AsrServiceServicer_to_server
from parley.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from parley.v1.llm_pb2_grpc import add_LlmServiceServicer_to_server
from parley.v1.tts_pb2_grpc import add_TtsServiceServicer_to_server
from serving.calls import Peer, in_flight
from serving.health import HealthServicer
from serving.telemetry import Telemetry, new_provider
from serving.threads import Worker
from tests.edge_gateway.rig import house
from tts_server.engines.scripted import ScriptedEngine as ScriptedTts
from tts_server.service import TtsServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from google.protobuf.message import Message

    Call = grpc.aio.StreamStreamCall[bytes, bytes]

T = TypeVar("T")

_PATIENCE_SECONDS = 20


@dataclass(slots=True)
class Watched:
    """What handlers have asked grpc.aio for."""

    under_way: int = 0
    cancelled: int = 0
    handlers: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def over(self, operation: Awaitable[T]) -> T:
        """Watch an operation."""
        self.under_way += 1
        try:
            return await operation
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            self.cancelled += bool(task.cancelling())
            raise
        finally:
            self.under_way -= 1
            self.news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not is_so():
                self.news.clear()
                await self.news.wait()


class WatchedContext:
    """What a handler is given, watched."""

    def __init__(self, context: Any, watched: Watched) -> None:  # noqa: ANN401 - it is of every service
        self._context = context
        self._watched = watched

    def __getattr__(self, name: str) -> object:
        return getattr(self._context, name)

    async def write(self, response: object) -> None:
        await self._watched.over(self._context.write(response))

    async def abort(self, *status: object) -> None:
        await self._watched.over(self._context.abort(*status))


class Watcher(grpc.aio.ServerInterceptor):
    """Has every handler of a server watched."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 - theirs, for methods of any kind
        found = await continuation(handler_call_details)
        streams = found.stream_stream

        async def requests(given: AsyncIterator[object]) -> AsyncIterator[object]:
            while (request := await self._watched.over(anext(given, None))) is not None:
                yield request

        async def handle(given: Any, context: object) -> None:  # noqa: ANN401 - it is of every service
            self._watched.handlers += 1
            try:
                incoming = requests(aiter(given)) if streams else given
                await (streams or found.unary_stream)(incoming, WatchedContext(context, self._watched))
            finally:
                self._watched.handlers -= 1
                self._watched.news.set()

        make = grpc.stream_stream_rpc_method_handler if streams else grpc.unary_stream_rpc_method_handler
        return make(handle, found.request_deserializer, found.response_serializer)


def telemetry(service: str) -> Telemetry:
    return Telemetry(new_provider(service), CollectorRegistry())


async def add_asr(stack: AsyncExitStack, server: grpc.aio.Server) -> None:
    worker = Worker("asr")
    stack.callback(worker.close)
    servicer = AsrServicer(Models(ScriptedAsr(("hello",), 0.0), Scheduler(worker)), telemetry("asr"), 100)
    add_AsrServiceServicer_to_server(servicer, server)


async def add_llm(_: AsyncExitStack, server: grpc.aio.Server) -> None:
    servicer = LlmServicer(ScriptedLlm("It is late. " * 20_000, 0.0, 0.0), telemetry("llm"), 100)
    add_LlmServiceServicer_to_server(servicer, server)


async def add_tts(stack: AsyncExitStack, server: grpc.aio.Server) -> None:
    worker = Worker("tts")
    stack.callback(worker.close)
    servicer = TtsServicer(ScriptedTts(0.0, 0.02), worker, telemetry("tts"), 100)
    await servicer.load("")
    add_TtsServiceServicer_to_server(servicer, server)


async def add_gateway(stack: AsyncExitStack, server: grpc.aio.Server) -> None:
    parley = await stack.enter_async_context(house())
    add_ConversationServiceServicer_to_server(ConversationServicer(parley.admission), server)


async def add_health(_: AsyncExitStack, server: grpc.aio.Server) -> None:
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer("x"), server)


@dataclass(frozen=True, slots=True)
class Service:
    """One method, and a request that begins a call which goes on until its caller leaves."""

    method: str
    add: Callable[[AsyncExitStack, grpc.aio.Server], Awaitable[None]]
    requests: tuple[Message, ...]


QUESTION = llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, text="hello")
WORDS = "Some words that nobody will ever hear. " * 40
SERVICES = (
    Service(
        "/parley.v1.AsrService/Transcribe", add_asr, (asr_pb2.TranscribeRequest(config=asr_pb2.TranscribeConfig()),)
    ),
    Service(
        "/parley.v1.LlmService/Chat",
        add_llm,
        (llm_pb2.ChatRequest(config=llm_pb2.ChatConfig(messages=[QUESTION], max_tokens=8_000)),),
    ),
    Service(
        "/parley.v1.TtsService/Synthesize",
        add_tts,
        (
            tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig()),
            tts_pb2.SynthesizeRequest(text=tts_pb2.SynthesizeText(text=WORDS)),
        ),
    ),
    Service(
        "/parley.v1.ConversationService/Converse",
        add_gateway,
        (conversation_pb2.ConverseRequest(configure=conversation_pb2.SessionConfig()),),
    ),
    Service("/grpc.health.v1.Health/Watch", add_health, (health_pb2.HealthCheckRequest(),)),
)


@asynccontextmanager
async def calling(service: Service) -> AsyncIterator[tuple[Watched, Callable[[], Awaitable[Call]]]]:
    """A server with one service whose handlers are watched, and how to begin a call of it."""
    watched = Watched()
    async with AsyncExitStack() as stack:
        server = grpc.aio.server(interceptors=[Watcher(watched)])
        await service.add(stack, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        # On the wire a method that takes one request is no other.
        stub: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(service.method)

        async def begun() -> Call:
            call = stub()
            for request in service.requests:
                await call.write(request.SerializeToString())
            await call.read()
            return call

        yield watched, begun


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.method.rpartition("/")[2])
async def test_a_caller_who_leaves_has_nothing_cancelled_in_flight(service: Service) -> None:
    async with calling(service) as (watched, begin):
        for _ in range(3):
            call = await begin()
            await watched.until(lambda: watched.handlers == 1)
            call.cancel()
            await watched.until(lambda: watched.handlers == watched.under_way == 0)
    assert watched.cancelled == 0


async def test_whoever_is_cancelled_leaves_an_operation_to_its_end() -> None:
    began, finish, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def operation() -> str:
        began.set()
        await finish.wait()
        ended.set()
        return "done"

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(in_flight(operation()))
        await began.wait()
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert waiting.cancelled()
        finish.set()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await ended.wait()


async def test_a_failure_that_nobody_waits_for_any_more_is_no_news() -> None:
    began, finish, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def operation() -> None:
        began.set()
        await finish.wait()
        ended.set()
        raise grpc.aio.InternalError("the call is over")

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(in_flight(operation()))
        await began.wait()
        waiting.cancel()
        await asyncio.wait((waiting,))
        finish.set()
        await ended.wait()
        await asyncio.sleep(0)
    gc.collect()
    assert not told


async def test_a_failure_is_raised_where_it_is_waited_for() -> None:
    async def operation() -> None:
        raise grpc.aio.UsageError("the call is over")

    with pytest.raises(grpc.aio.UsageError, match="the call is over"):
        await in_flight(operation())


@pytest.mark.parametrize("turns", [1, 5, 10])
async def test_who_leaves_is_not_taken_for_one_who_has_said_all(turns: int) -> None:
    """A read ends some turns of the loop before the call is known to be cancelled (seen: 0 to 10)."""

    async def nothing() -> AsyncIterator[bytes]:
        for never in list[bytes]():
            yield never

    async def handle(told: asyncio.Event) -> None:
        async for _ in Peer[bytes, bytes](nothing(), cast("Any", None)):
            pass
        told.set()

    went_on, stayed = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        leaver = tasks.create_task(handle(went_on))
        tasks.create_task(handle(stayed))
        for _ in range(turns):
            await asyncio.sleep(0)
        leaver.cancel()
    assert not went_on.is_set()
    assert stayed.is_set()
