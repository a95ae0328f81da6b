"""Whoever puts a message into an outbox may be cancelled at any time; the stream goes on, over a real server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from parley._outbox import Outbox, outbox
from parley.v1 import conversation_pb2, conversation_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

    Context = grpc.aio.ServicerContext[conversation_pb2.ConverseRequest, conversation_pb2.ConverseResponse]
    Out = Outbox[conversation_pb2.ConverseResponse]


class Servicer(conversation_pb2_grpc.ConversationServiceServicer):
    """Says in each call what it was given to say."""

    def __init__(self, speak: Callable[[Out], Awaitable[None]], last_seconds: float) -> None:
        self._speak = speak
        self._last_seconds = last_seconds
        self.ended = asyncio.Event()

    async def Converse(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: AsyncIterable[conversation_pb2.ConverseRequest], context: Context
    ) -> None:
        try:
            async with outbox(context.write, bound=5, last_seconds=self._last_seconds) as out:
                await self._speak(out)
        finally:
            self.ended.set()


@asynccontextmanager
async def conversing(
    speak: Callable[[Out], Awaitable[None]], last_seconds: float = 5.0
) -> AsyncIterator[
    tuple[grpc.aio.StreamStreamCall[conversation_pb2.ConverseRequest, conversation_pb2.ConverseResponse], Servicer]
]:
    server = grpc.aio.server()
    servicer = Servicer(speak, last_seconds)
    conversation_pb2_grpc.add_ConversationServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with asyncio.timeout(10), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: conversation_pb2_grpc.ConversationServiceAsyncStub = conversation_pb2_grpc.ConversationServiceStub(
                channel
            )
            yield stub.Converse(), servicer
    finally:
        await server.stop(None)


def packet(number: int) -> conversation_pb2.ConverseResponse:
    message = conversation_pb2.ConverseResponse()
    message.audio.sequence = number
    message.audio.data = bytes(120)
    return message


async def test_three_hundred_interruptions_lose_no_message_and_mix_none_up() -> None:
    taken: list[int] = []

    async def speak(out: Out) -> None:
        for number in range(300):
            async with asyncio.TaskGroup() as tasks:
                reply = tasks.create_task(say(out, number))
                for _ in range(number % 13 + 1):
                    await asyncio.sleep(0)
                reply.cancel()
            assert await out.put(packet(1_000_000 + number))
            taken.append(1_000_000 + number)

    async def say(out: Out, number: int) -> None:
        for place in range(50):
            assert await out.put(packet(1000 * number + place))
            taken.append(1000 * number + place)

    async with conversing(speak) as (call, _):
        seen = [response.audio.sequence async for response in call]
    assert seen == taken
    assert len(seen) > 600


async def test_what_was_put_is_written_before_the_block_is_left() -> None:
    async def speak(out: Out) -> None:
        for number in range(5):
            await out.put(packet(number))
        assert number == 4

    async with conversing(speak) as (call, _):
        assert [response.audio.sequence async for response in call] == [0, 1, 2, 3, 4]


async def test_a_peer_who_does_not_read_makes_others_wait_and_keeps_nobody_from_leaving() -> None:
    put = 0

    async def speak(out: Out) -> None:
        nonlocal put
        message = conversation_pb2.ConverseResponse()
        message.audio.data = bytes(60_000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    await out.put(message)
                    put += 1

    async with conversing(speak, last_seconds=0.01) as (call, servicer):
        await call.wait_for_connection()
        await servicer.ended.wait()
        received = [response async for response in call]
        assert await call.code() is grpc.StatusCode.OK
    assert 0 < len(received) < put


async def test_a_write_that_fails_ends_the_block_with_its_error() -> None:
    async def write(_: int) -> None:
        raise LookupError("nobody is there")

    with pytest.raises(LookupError, match="nobody is there"):
        async with outbox(write) as out:
            await out.put(1)
            await asyncio.Event().wait()


async def test_an_outbox_that_is_closed_takes_nothing_and_lets_those_go_who_wait() -> None:
    out: Outbox[int] = Outbox(bound=1)
    assert await out.put(1)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(out.put(2))
        await asyncio.sleep(0)
        out.close()
    assert waiting.result() is False
    assert not await out.put(3)
    assert [number async for number in out] == [1]


async def test_who_waits_for_room_and_is_cancelled_has_put_nothing() -> None:
    out: Outbox[int] = Outbox(bound=1)
    await out.put(1)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(out.put(2))
        await asyncio.sleep(0)
        waiting.cancel()
    out.close()
    assert [number async for number in out] == [1]


async def test_a_reader_who_stops_closes_the_outbox() -> None:
    out: Outbox[int] = Outbox()
    await out.put(1)
    messages = aiter(out)
    await anext(messages)
    await messages.aclose()
    assert not await out.put(2)
