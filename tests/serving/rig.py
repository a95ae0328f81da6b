"""A server with one service, on a real port: a call says that it has begun, and ends when it is told to."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley.v1 import llm_pb2, llm_pb2_grpc
from serving.grpc_server import Listen, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine

    Call = grpc.aio.StreamStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatResponse]
    Watch = grpc.aio.UnaryStreamCall[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]

SERVICE = "parley.v1.LlmService"


class Holding(llm_pb2_grpc.LlmServiceServicer):
    """Holds each call until it is let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def Chat(  # type: ignore[override]  # noqa: N802
        self,
        request_iterator: AsyncIterable[llm_pb2.ChatRequest],
        context: grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse],
    ) -> None:
        del request_iterator
        await context.write(llm_pb2.ChatResponse(ready=llm_pb2.ChatReady()))
        await self.let_go.wait()
        await context.write(llm_pb2.ChatResponse(finished=llm_pb2.ChatFinished()))

    async def ListModels(  # noqa: N802
        self,
        request: llm_pb2.ListModelsRequest,
        context: grpc.aio.ServicerContext[llm_pb2.ListModelsRequest, llm_pb2.ListModelsResponse],
    ) -> llm_pb2.ListModelsResponse:
        del request, context
        return llm_pb2.ListModelsResponse()


class Client:
    """What a caller has of it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.health = health_pb2_grpc.HealthStub(channel)
        self.service: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)

    async def check(self, service: str) -> int:
        answer = await self.health.Check(health_pb2.HealthCheckRequest(service=service))  # type: ignore[attr-defined]
        return int(answer.status)

    def watch(self, service: str) -> Watch:
        watch: Watch = self.health.Watch(health_pb2.HealthCheckRequest(service=service))  # type: ignore[attr-defined]
        return watch

    async def begin(self) -> Call:
        """A call that has been let in."""
        call: Call = self.service.Chat()
        assert isinstance(await call.read(), llm_pb2.ChatResponse)
        return call


@dataclass(slots=True)
class Server:
    """A running server."""

    servicer: Holding
    client: Client
    ready: Callable[[], Awaitable[None]]
    drain: Callable[[], Coroutine[None, None, None]]
    """Ends it; comes back when it has ended."""


@asynccontextmanager
async def running(drain_seconds: float, servicer: Holding | None = None) -> AsyncIterator[Server]:
    """A server that is not ready yet."""
    servicer = servicer or Holding()

    def register(server: grpc.aio.Server) -> None:
        llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, server)

    listen = Listen("127.0.0.1", 0, "PORT", 0, drain_seconds, 64 * 1024)
    async with AsyncExitStack() as stack:
        port, ready = await stack.enter_async_context(started(SERVICE, register, listen))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Server(servicer, Client(channel), ready, stack.aclose)
