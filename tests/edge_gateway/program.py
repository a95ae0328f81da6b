"""A listener who is a program: the same conversation over gRPC, for tests that are about both ways to the gateway."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from edge_gateway.transports.grpc_stream import ConversationServicer
from parley.conversation import (
    SERVICE,
    ConversationClient,
    SessionConfig,
    SessionReady,
)
from parley.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from serving.grpc_server import Listen, started
from tests.edge_gateway.rig import Gateway, Listener, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from parley.conversation import Conversation

TRANSPORTS: Final = ("websocket", "grpc")


class Program(Listener):
    """A client of the gRPC service that plays what it gets at once, and says so."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__(conversation)
        # Close our half of the stream.
        self.say_no_more = conversation.finish


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
    async with client.open() as conversation:
        yield Program(conversation)


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
