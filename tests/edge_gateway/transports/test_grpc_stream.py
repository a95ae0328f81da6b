"""A program's conversation over gRPC: the same session, without a browser."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from edge_gateway.transports.forwarded import TrustedProxies
from edge_gateway.transports.grpc_stream import ConversationServicer
from parley.conversation import (
    SERVICE,
    AudioPacket,
    ConversationClient,
    ErrorEvent,
    Event,
    Outcome,
    Request,
    SessionConfig,
    SessionReady,
    TurnReport,
    UserText,
)
from parley.conversation.wire import request_to_proto
from parley.errors import Overloaded
from parley.v1.conversation_pb2_grpc import ConversationServiceStub, add_ConversationServiceServicer_to_server
from parley_cli.client import PacketEncoder
from serving.grpc_server import Listen, started
from tests.edge_gateway.rig import SILENCE, TONE, Gateway, Script, house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from parley.v1 import conversation_pb2

    Call = grpc.aio.StreamStreamCall[conversation_pb2.ConverseRequest, conversation_pb2.ConverseResponse]


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[ConversationClient]:
    async with listening(gateway) as address, ConversationClient(address) as client:
        yield client


@asynccontextmanager
async def listening(gateway: Gateway, proxies: TrustedProxies | None = None) -> AsyncIterator[str]:
    servicer = ConversationServicer(gateway.admission, proxies)
    listen = Listen("127.0.0.1", 0, "PORT", 0, 0.0, 64 * 1024)

    async with started(SERVICE, lambda server: add_ConversationServiceServicer_to_server(servicer, server), listen) as (
        port,
        ready,
    ):
        await ready()
        yield f"127.0.0.1:{port}"


async def spoken(done: asyncio.Event) -> AsyncIterator[Request]:
    """A configuration, one spoken turn, and patience."""
    yield SessionConfig()
    encoder = PacketEncoder()
    for number, sound in enumerate([SILENCE] * 10 + [TONE] * 40 + [SILENCE] * 50):
        yield AudioPacket(encoder.encode(sound), number, round(time.time() * 1e6))
    await done.wait()


async def until_report(events: AsyncIterator[Event]) -> list[Event]:
    seen: list[Event] = []
    async with asyncio.timeout(10):
        async for event in events:
            seen.append(event)
            if isinstance(event, TurnReport):
                break
    return seen


@pytest.mark.parametrize(("named", "logged"), [("127.0.0.1", "203.0.113.9"), ("10.0.0.7", "127.0.0.1")])
async def test_the_log_says_where_a_program_comes_from_also_behind_a_proxy(
    named: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "parley.gateway")
    forwarded = (("x-forwarded-for", "6.6.6.6, 203.0.113.9"), ("forwarded", "for=6.6.6.6"))
    async with (
        house() as parley,
        listening(parley, TrustedProxies(named)) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        call: Call = ConversationServiceStub(channel).Converse(metadata=forwarded)
        await call.write(request_to_proto(SessionConfig()))
        assert await call.read() != grpc.aio.EOF
        call.cancel()
    [begin] = [each for each in caplog.records if each.getMessage() == "session begins"]
    assert begin.__dict__["client"] == logged


async def test_a_program_speaks_and_is_answered() -> None:
    done = asyncio.Event()
    async with house() as parley, serving(parley) as client, client.converse(spoken(done)) as events:
        seen = await until_report(events)
        done.set()
    assert isinstance(seen[0], SessionReady)
    report = seen[-1]
    assert isinstance(report, TurnReport)
    assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)
    packets = [event for event in seen if isinstance(event, AudioPacket)]
    assert [packet.sequence for packet in packets] == list(range(len(packets)))
    assert packets


async def test_bad_input_gets_an_error_event_and_the_stream_goes_on() -> None:
    done = asyncio.Event()

    async def requests() -> AsyncIterator[Request]:
        yield AudioPacket(b"too early")
        yield SessionConfig()
        yield UserText("hello")
        await done.wait()

    async with house() as parley, serving(parley) as client, client.converse(requests()) as events:
        seen = await until_report(events)
        done.set()
    errors = [event for event in seen if isinstance(event, ErrorEvent)]
    assert [error.field for error in errors] == ["configure"]


async def test_a_full_gateway_refuses_with_a_status() -> None:
    async def one() -> AsyncIterator[Request]:
        yield SessionConfig()
        await asyncio.Event().wait()

    async with house(Script(max_sessions=1)) as parley, serving(parley) as client, client.converse(one()) as events:
        await anext(events)
        with pytest.raises(Overloaded):
            async with client.converse(one()) as refused:
                await anext(refused)
