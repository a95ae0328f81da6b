"""A listener who is a program: the same conversation over gRPC, for tests that are about both ways to the gateway."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from edge_gateway.transports.grpc_stream import ConversationServicer
from parley.conversation import (
    SERVICE,
    AudioPacket,
    ConversationClient,
    Event,
    Ping,
    Pong,
    Request,
    SessionConfig,
    SessionReady,
)
from parley.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from parley_cli.client import PacketEncoder
from serving.grpc_server import Listen, started
from tests.edge_gateway.rig import TONE, Gateway, Listener, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRANSPORTS: Final = ("websocket", "grpc")


class Program(Listener):
    """A client of the gRPC service that plays what it gets at once, and says so."""

    def __init__(self, requests: asyncio.Queue[Request | None], events: AsyncIterator[Event]) -> None:
        self.events: list[Event] = []
        self.packets: list[AudioPacket] = []
        self._encoder = PacketEncoder()
        self._sequence = 0
        self._requests = requests
        self._incoming = events

    async def send(self, request: Request) -> None:
        self._requests.put_nowait(request)

    async def say_no_more(self) -> None:
        """Close our half of the stream."""
        self._requests.put_nowait(None)

    async def speak(self, seconds: float, sound: bytes = TONE) -> None:
        for _ in range(round(seconds / 0.02)):
            await self.send(AudioPacket(self._encoder.encode(sound), self._sequence, round(time.time() * 1e6)))
            self._sequence += 1

    async def next(self) -> Event:
        event = await anext(self._incoming, None)
        if event is None:
            raise EOFError("the gateway has ended the call")
        if isinstance(event, AudioPacket):
            self.packets.append(event)
        else:
            self.events.append(event)
        if isinstance(event, Ping):
            now_us = round(time.time() * 1e6)
            await self.send(Pong(event.id, now_us, now_us))
        return event


async def _queued(requests: asyncio.Queue[Request | None]) -> AsyncIterator[Request]:
    while (request := await requests.get()) is not None:
        yield request


@asynccontextmanager
async def grpc_client(gateway: Gateway) -> AsyncIterator[ConversationClient]:
    """The gateway's gRPC service on a port of its own, and a client of it."""
    servicer = ConversationServicer(gateway.admission)
    listen = Listen("127.0.0.1", 0, "PORT", 0, 0.0, 64 * 1024)
    async with started(SERVICE, lambda server: add_ConversationServiceServicer_to_server(servicer, server), listen) as (
        port,
        ready,
    ):
        await ready()
        async with ConversationClient(f"127.0.0.1:{port}") as client:
            yield client


@asynccontextmanager
async def calling(client: ConversationClient) -> AsyncIterator[Program]:
    """A program that has said nothing yet."""
    requests: asyncio.Queue[Request | None] = asyncio.Queue()
    async with client.converse(_queued(requests)) as events:
        yield Program(requests, events)


@asynccontextmanager
async def joined(gateway: Gateway, transport: str, config: SessionConfig | None = None) -> AsyncIterator[Listener]:
    """A listener over one of `TRANSPORTS` whose session is ready."""
    if transport == "websocket":
        async with listening(gateway, config) as listener:
            yield listener
        return
    async with grpc_client(gateway) as client, calling(client) as program:
        await program.send(config or SessionConfig())
        await program.until(SessionReady)
        yield program
