"""Many calls over one stream: each begins, flows, fails and ends by itself, over real gRPC."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING, cast

import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from parley._frames import CREDIT, KEPT_CREDIT, Allowance, Consumption, FrameWriter, cost
from parley._multiplexer import Multiplexer
from parley.errors import EngineFailed, InvalidInput, NotFound, Overloaded, ParleyError, Unavailable
from parley.v1 import llm_pb2, llm_pb2_grpc
from parley.v1.multiplex_pb2 import CallFrame, ConnectRequest, ConnectResponse, ServerLoad
from parley.v1.multiplex_pb2_grpc import MultiplexServiceStub, add_MultiplexServiceServicer_to_server
from serving.call_status import statuses
from serving.calls import Peer
from serving.grpc_server import Listen, started
from serving.load import Load
from serving.multiplex import Handlers, MultiplexServicer, Traffic
from serving.traffic import TrafficCollector
from tests.virtual_time import on_virtual_time, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Coroutine
    from contextlib import AbstractAsyncContextManager

    Context = grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]

SERVICE = "parley.v1.LlmService"
LONGEST = 4_096


class Servicer(llm_pb2_grpc.LlmServiceServicer):
    """Does what the first request's session is called."""

    def __init__(self) -> None:
        self.running = 0
        self.written = 0
        self.changed = asyncio.Condition()

    async def Chat(  # type: ignore[override]  # noqa: N802
        self, request_iterator: AsyncIterable[llm_pb2.ChatRequest], context: Context
    ) -> None:
        await self._count(1)
        try:
            async with statuses(context):
                await self._do(Peer(request_iterator, context))
        finally:
            await self._count(-1)

    async def _do(self, peer: Peer[llm_pb2.ChatRequest, llm_pb2.ChatResponse]) -> None:
        first = await anext(peer)
        match first.config.session_id:
            case "echo":
                async for request in peer:
                    await peer.write(delta(request.tool_result.content))
            case "endless":
                while True:
                    await peer.write(delta("more"))
                    self.written += 1
            case "long":
                while True:
                    await peer.write(delta("sound" * 1_900))
                    self.written += 1
            case "silent":
                await peer.write(delta("here"))
                await asyncio.Event().wait()
            case "refused":
                raise InvalidInput("too warm", field="config.temperature", retry_after_ms=250)
            case _:
                raise ZeroDivisionError

    async def ListModels(  # noqa: N802
        self, request: llm_pb2.ListModelsRequest, context: object
    ) -> llm_pb2.ListModelsResponse:
        raise NotImplementedError

    async def _count(self, by: int) -> None:
        async with self.changed:
            self.running += by
            self.changed.notify_all()

    async def until_running(self, calls: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.running == calls)


def delta(text: str) -> llm_pb2.ChatResponse:
    return llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text=text))


def config(name: str) -> llm_pb2.ChatRequest:
    return llm_pb2.ChatRequest(config=llm_pb2.ChatConfig(session_id=name))


def said(text: str) -> llm_pb2.ChatRequest:
    return llm_pb2.ChatRequest(tool_result=llm_pb2.ToolResult(content=text))


async def only(*requests: llm_pb2.ChatRequest) -> AsyncIterator[llm_pb2.ChatRequest]:
    for request in requests:
        yield request


async def and_then_wait(*requests: llm_pb2.ChatRequest) -> AsyncIterator[llm_pb2.ChatRequest]:
    for request in requests:
        yield request
    await asyncio.Event().wait()


class House:
    """A server, and a gateway's way to it."""

    def __init__(
        self, servicer: Servicer, channel: grpc.aio.Channel, old_seconds: float, close: AsyncExitStack
    ) -> None:
        self.servicer = servicer
        self.channel = channel
        self.multiplexer = Multiplexer(channel, "llm", LONGEST, old_seconds)
        self.close = close

    def call(
        self, requests: AsyncIterable[llm_pb2.ChatRequest], method: str = f"/{SERVICE}/Chat"
    ) -> AbstractAsyncContextManager[AsyncIterator[llm_pb2.ChatResponse]]:
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(self.channel)
        return self._begin(requests, method, stub)

    @asynccontextmanager
    async def _begin(
        self, requests: AsyncIterable[llm_pb2.ChatRequest], method: str, stub: llm_pb2_grpc.LlmServiceAsyncStub
    ) -> AsyncIterator[AsyncIterator[llm_pb2.ChatResponse]]:
        rest = aiter(requests)
        first, parse = await anext(rest), llm_pb2.ChatResponse.FromString
        async with self.multiplexer.call(method, parse, first, rest, stub.Chat) as responses:
            yield responses


@asynccontextmanager
async def house(
    old_seconds: float = 600.0, drain_seconds: float = 60.0, traffic: Traffic | None = None
) -> AsyncIterator[House]:
    servicer = Servicer()

    def register(server: grpc.aio.Server) -> None:
        llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, server)

    listen = Listen("127.0.0.1", 0, "PORT", 0, drain_seconds, LONGEST)
    async with AsyncExitStack() as server:
        port, ready = await server.enter_async_context(started(SERVICE, register, listen, traffic=traffic))
        await ready()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.TaskGroup() as tasks:
            found = House(servicer, channel, old_seconds, server)
            running = tasks.create_task(found.multiplexer.run())
            try:
                yield found
            finally:
                running.cancel()


def streams(found: House) -> set[object]:
    """The streams that are open now."""
    current = found.multiplexer._current  # noqa: SLF001 - how many there are shows nowhere else
    return {current} if current is not None and not current.is_over else set()


async def texts(responses: AsyncIterator[llm_pb2.ChatResponse]) -> list[str]:
    return [response.delta.text async for response in responses]


async def test_calls_side_by_side_share_a_stream_and_hear_only_their_own() -> None:
    async with house() as found:

        async def talk(name: str) -> list[str]:
            async with found.call(only(config("echo"), *(said(f"{name}{count}") for count in range(40)))) as responses:
                return await texts(responses)

        async with asyncio.TaskGroup() as tasks:
            talks = [tasks.create_task(talk(name)) for name in "abcdefgh"]
        assert [each.result() for each in talks] == [[f"{name}{count}" for count in range(40)] for name in "abcdefgh"]
        first = streams(found)
        assert await talk("i") == [f"i{count}" for count in range(40)]
        assert streams(found) == first


async def test_messages_of_shared_streams_are_counted_in_both_directions() -> None:
    traffic, registry = Traffic(), CollectorRegistry()
    registry.register(TrafficCollector(traffic))
    async with house(traffic=traffic) as found:
        async with found.call(and_then_wait(config("echo"), said("on"))) as responses:
            assert (await anext(responses)).delta.text == "on"
        before = {direction: counted(registry, direction) for direction in ("received", "sent")}
        async with found.call(and_then_wait(config("echo"), said("on"))) as responses:
            assert (await anext(responses)).delta.text == "on"
        assert all(counted(registry, direction) > before[direction] > 0 for direction in before)


async def test_a_server_tells_its_callers_how_much_it_has_to_do_and_nobody_without_calls() -> None:
    servicer, handlers, server = Servicer(), Handlers(), grpc.aio.server()
    llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, cast("grpc.aio.Server", handlers))
    multiplexed = MultiplexServicer(handlers)
    add_MultiplexServiceServicer_to_server(multiplexed, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with AsyncExitStack() as close, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        found, tasks = House(servicer, channel, 600.0, close), asyncio.TaskGroup()
        async with tasks:
            running = tasks.create_task(found.multiplexer.run())
            async with found.call(and_then_wait(config("echo"), said("on"))) as responses:
                assert (await anext(responses)).delta.text == "on"
                assert told(found) is None
                multiplexed.tell(Load(0.0123, 0.4567, 1.5))
                # What is said after it comes after it.
                async with found.call(only(config("echo"), said("again"))) as others:
                    assert await texts(others) == ["again"]
                said_load = ServerLoad(loop_lag_ms=12, busy_permille=457, engine_wait_ms=1500)
                assert told(found) == said_load
            await servicer.until_running(0)
            multiplexed.tell(Load(busy=1.0))
            async with found.call(only(config("echo"), said("again"))) as others:
                assert await texts(others) == ["again"]
            assert told(found) == said_load
            running.cancel()
    await server.stop(None)


async def test_a_call_counts_until_the_server_has_ended_it_and_not_until_it_was_read() -> None:
    async with house() as found:
        assert since(found) is None
        async with found.call(and_then_wait(config("silent"))) as stays:
            await anext(stays)
            began = since(found)
            assert began is not None
            async with found.call(only(config("echo"), said("on"))) as unread:
                await anext(unread)
                assert since(found) == began
        assert since(found) is None
        async with found.call(only(config("echo"), said("on"))) as unread:
            assert since(found) is not None
            assert (await anext(unread)).delta.text == "on"
            await found.servicer.until_running(0)
            # What is answered after its end comes after it.
            async with found.call(only(config("echo"), said("again"))) as others:
                assert await texts(others) == ["again"]
            assert since(found) is None
            assert await texts(unread) == []
        assert since(found) is None


async def test_a_call_counts_no_more_when_its_stream_has_broken() -> None:
    async with house(drain_seconds=0) as found, found.call(and_then_wait(config("silent"))) as stays:
        await anext(stays)
        assert since(found) is not None
        await found.close.aclose()
        with pytest.raises(Unavailable):
            await anext(stays)
        assert since(found) is None


def since(found: House) -> float | None:
    return found.multiplexer.calls_since


def told(found: House) -> ServerLoad | None:
    return None if found.multiplexer.load is None else found.multiplexer.load[1]


def counted(registry: CollectorRegistry, direction: str) -> float:
    return registry.get_sample_value("parley_stream_messages_total", {"direction": direction}) or 0.0


async def test_a_caller_who_leaves_ends_their_handler_and_no_other() -> None:
    async with house() as found, found.call(and_then_wait(config("silent"))) as stays:
        await anext(stays)
        async with found.call(and_then_wait(config("silent"))) as leaves:
            await anext(leaves)
            await found.servicer.until_running(2)
        await found.servicer.until_running(1)
        async with found.call(only(config("echo"), said("on"))) as responses:
            assert await texts(responses) == ["on"]


async def test_a_caller_who_does_not_read_holds_up_their_own_server_and_no_other_call() -> None:
    async with house() as found, found.call(and_then_wait(config("endless"))) as unread:
        await found.servicer.until_running(1)
        async with found.call(only(config("echo"), *(said(str(count)) for count in range(100)))) as responses:
            assert len(await texts(responses)) == 100
        assert found.servicer.written <= CREDIT
        for _ in range(5 * CREDIT):
            await anext(unread)
        assert found.servicer.written >= 5 * CREDIT


async def test_of_long_messages_a_caller_lets_fewer_come_ahead_of_what_it_reads() -> None:
    taken = 21
    async with house() as found, found.call(and_then_wait(config("long"))) as unread:
        for _ in range(taken):
            await anext(unread)
        async with found.call(only(config("echo"), *(said(str(count)) for count in range(100)))) as responses:
            assert len(await texts(responses)) == 100
        # Without what it keeps of the credit, six.
        assert 1 <= found.servicer.written - taken <= 4


def test_long_messages_take_more_of_the_credit_and_give_it_back() -> None:
    assert [cost(bytes(size)) for size in (0, 4_095, 4_096, 9_600, 60 * 1024)] == [1, 1, 2, 3, 16]
    allowance, consumption = Allowance(), Consumption()
    for sent in range(1, 7):
        allowance.spend(bytes(9_600))
        assert allowance.left == CREDIT - 3 * sent
    # A fifth of a second of sound each: no more than about a second is on its way.
    assert allowance.left < 0
    given = [consumption.take(cost(bytes(9_600))) for _ in range(6)]
    assert given == [0, 0, 9, 0, 0, 9]
    allowance.add(sum(given))
    assert allowance.left == CREDIT


def test_of_sound_that_runs_ahead_less_waits_than_the_credit_lets_come() -> None:
    allowance, consumption, sent = Allowance(), Consumption(KEPT_CREDIT), 0
    for taken in range(100):
        while allowance.left > 0:
            allowance.spend(bytes(9_600))
            sent += 1
        waits = sent - taken
        assert 1 <= waits <= (6 if taken < 5 else 4)
        allowance.add(consumption.take(cost(bytes(9_600))))


@given(st.lists(st.integers(0, 70 * 1024), max_size=60))
def test_who_keeps_credit_is_sent_more_all_the_same_and_keeps_none_of_short_messages(sizes: list[int]) -> None:
    allowance, consumption = Allowance(), Consumption(KEPT_CREDIT)
    for size in sizes:
        message = bytes(size)
        allowance.spend(message)
        allowance.add(consumption.take(cost(message)))
        assert allowance.left > 0
    if all(cost(bytes(size)) == 1 for size in sizes):
        assert allowance.left + len(sizes) % (CREDIT // 2) == CREDIT


async def test_a_server_that_does_not_read_holds_up_its_own_caller_and_no_other_call() -> None:
    sent = 0

    async def many() -> AsyncIterator[llm_pb2.ChatRequest]:
        nonlocal sent
        yield config("silent")
        while True:
            yield said("x")
            sent += 1

    async with house() as found, found.call(many()) as responses:
        await anext(responses)
        async with found.call(only(config("echo"), *(said(str(count)) for count in range(100)))) as others:
            assert len(await texts(others)) == 100
        assert sent <= CREDIT


async def test_a_refusal_has_its_field_and_its_delay_and_ends_its_call_alone() -> None:
    async with house() as found, found.call(and_then_wait(config("silent"))) as stays:
        await anext(stays)
        with pytest.raises(InvalidInput, match="too warm") as refused:
            async with found.call(and_then_wait(config("refused"))) as responses:
                await texts(responses)
        assert (refused.value.field, refused.value.retry_after_ms, refused.value.told) == (
            "config.temperature",
            250,
            True,
        )
        async with found.call(only(config("echo"), said("on"))) as responses:
            assert await texts(responses) == ["on"]


async def test_a_handler_that_breaks_ends_its_call_alone_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as found, found.call(and_then_wait(config("silent"))) as stays:
        await anext(stays)
        with pytest.raises(EngineFailed, match="unexpected ZeroDivisionError"):
            async with found.call(and_then_wait(config("broken"))) as responses:
                await texts(responses)
        async with found.call(only(config("echo"), said("on"))) as responses:
            assert await texts(responses) == ["on"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


async def test_what_the_requests_or_the_block_raise_is_raised_as_it_is() -> None:
    async def broken() -> AsyncIterator[llm_pb2.ChatRequest]:
        yield config("silent")
        raise LookupError("the microphone is gone")

    async with house() as found:
        with pytest.raises(LookupError, match="the microphone is gone"):
            async with found.call(broken()) as responses:
                await texts(responses)
        with pytest.raises(ZeroDivisionError):
            async with found.call(and_then_wait(config("silent"))) as responses:
                async for _ in responses:
                    raise ZeroDivisionError
        await found.servicer.until_running(0)


async def test_a_message_that_is_too_long_ends_its_call_alone() -> None:
    async with house() as found, found.call(and_then_wait(config("silent"))) as stays:
        await anext(stays)
        with pytest.raises(Overloaded, match="at most 4096"):
            async with found.call(and_then_wait(config("echo"), said("x" * LONGEST))) as responses:
                await texts(responses)
        await found.servicer.until_running(1)
        longest = "x" * (LONGEST - 20)
        async with found.call(only(config("echo"), said(longest))) as responses:
            assert await texts(responses) == [longest]


async def test_a_method_that_is_not_there_is_refused() -> None:
    async with house() as found:
        with pytest.raises(NotFound, match="no such method"):
            async with found.call(and_then_wait(config("echo")), f"/{SERVICE}/Sing") as responses:
                await texts(responses)


async def test_when_the_stream_breaks_every_call_is_told_and_the_next_one_opens_another() -> None:
    async with house(drain_seconds=0) as found:
        async with (
            found.call(and_then_wait(config("silent"))) as one,
            found.call(and_then_wait(config("silent"))) as two,
        ):
            await anext(one)
            await anext(two)
            before = streams(found)
            await found.close.aclose()
            for responses in (one, two):
                with pytest.raises(Unavailable):
                    await anext(responses)
        with pytest.raises(ParleyError):
            async with found.call(and_then_wait(config("silent"))) as responses:
                await anext(responses)
        assert streams(found).isdisjoint(before)


async def test_a_server_that_drains_refuses_new_calls_and_ends_with_the_last_one() -> None:
    async with house() as found, asyncio.TaskGroup() as tasks:
        async with found.call(and_then_wait(config("silent"))) as stays:
            await anext(stays)
            closing = tasks.create_task(found.close.aclose())
            with pytest.raises(Unavailable, match="stopping"):
                # Until the server has been told, calls begin as ever.
                while True:
                    async with found.call(only(config("echo"), said("on"))) as responses:
                        await texts(responses)
            assert not closing.done()
            assert found.servicer.running == 1
        await closing


async def test_an_old_stream_takes_no_new_calls_and_ends_with_its_last_one() -> None:
    async with house(old_seconds=0) as found:
        async with found.call(and_then_wait(config("silent"))) as stays:
            await anext(stays)
            [old] = streams(found)
            async with found.call(only(config("echo"), said("on"))) as responses:
                assert await texts(responses) == ["on"]
            assert streams(found).isdisjoint({old})
            assert not old.is_over  # type: ignore[attr-defined]
            await found.servicer.until_running(1)
        while not old.is_over:  # type: ignore[attr-defined]
            await asyncio.sleep(0)


async def test_a_server_that_knows_no_such_streams_is_called_as_ever() -> None:
    servicer = Servicer()
    server = grpc.aio.server()
    llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.TaskGroup() as tasks:
        found = House(servicer, channel, 600.0, AsyncExitStack())
        running = tasks.create_task(found.multiplexer.run())
        for _ in range(2):
            async with found.call(only(config("echo"), said("on"))) as responses:
                assert await texts(responses) == ["on"]
        running.cancel()
    await server.stop(None)


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ([CallFrame(call=2, begin=f"/{SERVICE}/Chat"), CallFrame(call=2, begin=f"/{SERVICE}/Chat")], "numbers rise"),
        ([CallFrame(call=0, begin=f"/{SERVICE}/Chat")], "numbers rise"),
        (
            [CallFrame(call=1, begin=f"/{SERVICE}/Chat"), *[CallFrame(call=1, message=b"")] * (3 * CREDIT)],
            "has no credit",
        ),
    ],
)
async def test_frames_against_the_protocol_end_the_stream_with_a_reason(frames: list[CallFrame], problem: str) -> None:
    async with house() as found:
        call = MultiplexServiceStub(found.channel).Connect()
        await call.write(ConnectRequest(frames=frames))
        with pytest.raises(grpc.aio.AioRpcError, match=problem):
            while await call.read() is not grpc.aio.EOF:
                pass


async def test_frames_that_mean_nothing_are_ignored() -> None:
    async with house() as found:
        call = MultiplexServiceStub(found.channel).Connect()
        strange = [CallFrame(call=7, message=b"?"), CallFrame(), CallFrame(call=3, credit=5), CallFrame(status=b"!")]
        begin = [CallFrame(call=9, begin=f"/{SERVICE}/Chat"), CallFrame(call=9, message=b"\xff\xff")]
        await call.write(ConnectRequest(frames=[*strange, *begin]))
        await call.done_writing()
        answers = [frame async for response in call for frame in response.frames if frame.status]
        assert [(frame.call, b"request" in frame.status) for frame in answers[:1]] == [(9, True)]


class Held:
    """A stream that takes the next message when it is let go."""

    def __init__(self, large_batch_bytes: int = 0, *, ready: bool = False) -> None:
        """`ready`: each message is taken at once."""
        self.messages: list[list[CallFrame]] = []
        """All that were sent."""
        self.writer = FrameWriter(self._write, *((large_batch_bytes,) if large_batch_bytes else ()))
        self._ready = ready
        self._free = asyncio.Semaphore(0)

    @property
    def calls(self) -> list[list[int]]:
        """Whose the frames of each message are."""
        return [[frame.call for frame in frames] for frames in self.messages]

    @property
    def sizes(self) -> list[int]:
        """How many frames each message has."""
        return [len(frames) for frames in self.messages]

    def let_go(self) -> None:
        self._free.release()

    async def _write(self, frames: list[CallFrame]) -> None:
        self.messages.append(frames)
        if not self._ready:
            await self._free.acquire()


async def test_frames_that_wait_together_go_together_but_not_without_end() -> None:
    held = Held()
    writer = held.writer
    writer.put(CallFrame(call=1, cancel=True))
    assert not held.messages
    writer.open()
    # What is idle sends at once, in the middle of a turn of the loop.
    assert held.sizes == [1]
    for count in range(3):
        writer.put(CallFrame(call=count + 2, cancel=True))
    for _ in range(10):
        writer.put(CallFrame(call=1, message=bytes(10_000)))
    assert held.sizes == [1]
    for _ in range(10):
        held.let_go()
    await writer.drained()
    assert held.sizes == [1, 7, 4, 2]


async def test_a_write_that_fails_is_the_end_of_what_is_sent() -> None:
    async def write(_: list[CallFrame]) -> None:
        await asyncio.sleep(0)
        raise asyncio.InvalidStateError

    writer = FrameWriter(write)
    writer.open()
    for count in range(3):
        writer.put(CallFrame(call=count + 1, cancel=True))
    await writer.drained()
    writer.put(CallFrame(call=9, cancel=True))
    await writer.drained()


async def test_a_call_that_has_much_to_send_holds_up_no_other() -> None:
    held = Held()
    writer = held.writer
    writer.open()
    writer.put(CallFrame(call=1, half_close=True))
    for _ in range(12):
        writer.put(CallFrame(call=1, message=bytes(10_000)))
    for call in (2, 3):
        for size in (1, 2):
            writer.put(CallFrame(call=call, message=bytes(size)))
    for _ in range(10):
        held.let_go()
    await writer.drained()
    # Each call has its turn, whoever came first, and all that the others had goes with the first message.
    assert [set(batch) for batch in held.calls] == [{1}, {1, 2, 3}, {1}, {1}]
    assert held.calls[1][:4] == [1, 2, 3, 1]
    assert sum(held.sizes) == 17


async def test_frames_of_a_call_keep_their_order_when_calls_take_turns() -> None:
    held = Held()
    writer = held.writer
    writer.open()
    for number in range(60):
        writer.put(CallFrame(call=number % 3 + 1, message=number.to_bytes(1, "big") * 3_000))
        held.let_go()
    await writer.drained()
    sent = list(chain(*held.messages))
    for call in (1, 2, 3):
        assert [frame.message[0] for frame in sent if frame.call == call] == list(range(call - 1, 60, 3))


async def test_what_nobody_waits_for_goes_with_the_next_that_somebody_does() -> None:
    held = Held()
    writer = held.writer
    writer.open()
    for call in (1, 2):
        writer.put_later(CallFrame(call=call, message=b"speech"))
    assert not held.messages
    writer.put(CallFrame(call=3, message=b"pause"))
    assert held.calls == [[1, 2, 3]]
    # What has come while a message was on its way waits for company all the same.
    writer.put_later(CallFrame(call=1, message=b"speech"))
    held.let_go()
    while not writer.is_idle:
        await asyncio.sleep(0)
    assert held.calls == [[1, 2, 3]]
    # But not when the stream ends.
    held.let_go()
    await writer.drained()
    assert held.calls == [[1, 2, 3], [1]]


async def test_what_nobody_waits_for_goes_by_itself_in_the_end() -> None:
    sent: asyncio.Queue[list[int]] = asyncio.Queue()

    async def write(frames: list[CallFrame]) -> None:
        sent.put_nowait([frame.call for frame in frames])

    writer = FrameWriter(write)
    writer.put_later(CallFrame(call=1, message=b"speech"))
    writer.open()
    assert await sent.get() == [1]
    for call in (2, 3):
        writer.put_later(CallFrame(call=call, message=b"speech"))
    assert await sent.get() == [2, 3]
    # What was put before it was closed is not sent after it.
    writer.put_later(CallFrame(call=4, message=b"speech"))
    writer.close()
    await writer.drained()
    assert sent.empty()


async def test_what_nobody_waits_for_goes_before_the_end_though_a_message_is_on_its_way() -> None:
    held = Held()
    writer = held.writer
    writer.open()
    writer.put(CallFrame(call=1, message=b"speech"))
    writer.put_later(CallFrame(call=1, status=b""))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(writer.drained())
        await asyncio.sleep(0)
        held.let_go()
        held.let_go()
    assert draining.done()
    assert held.calls == [[1], [1]]


def some(held: Held, count: int) -> None:
    """Have `count` messages of a frame each sent, as far as they may be."""
    for _ in range(count):
        held.writer.put(CallFrame(call=1, message=b"."))


async def test_what_the_other_side_has_not_read_holds_up_the_next_message() -> None:
    held = Held(ready=True)
    writer = held.writer
    writer.open()
    some(held, 20)
    # An older version says nothing, and is sent all.
    assert held.sizes == [1] * 20
    writer.was_read(20)
    some(held, 12)
    assert held.sizes == [1] * 28
    was_idle = writer.is_idle
    writer.was_read(1)
    assert held.sizes == [1] * 28 + [4]
    writer.was_read(8)
    assert (was_idle, writer.is_idle) == (False, True)
    # What is held up is sent all the same before the stream ends.
    some(held, 9)
    await writer.drained()
    assert sum(held.sizes) == 41


async def test_the_other_side_is_told_of_what_was_read_with_the_next_message_and_soon_of_four() -> None:
    held = Held(ready=True)
    writer = held.writer
    writer.open()
    writer.read()
    assert not held.messages
    writer.put(CallFrame(call=1, message=b"."))
    assert [frame.read for frame in held.messages[0]] == [0, 1]
    for _ in range(3):
        writer.read()
    assert writer._later is None  # noqa: SLF001 - that nothing is to come shows nowhere else
    writer.read()
    async with asyncio.timeout(5):
        while len(held.messages) < 2:
            await asyncio.sleep(0)
    assert [frame.read for frame in held.messages[1]] == [4]
    for _ in range(6):
        writer.read()
    # At once, as it may have nothing left that it may send.
    assert [frame.read for frame in held.messages[2]] == [6]


async def test_two_that_wait_for_each_other_to_read_tell_each_other() -> None:
    held = Held(ready=True)
    writer = held.writer
    writer.open()
    writer.was_read(0)
    some(held, 9)
    assert held.sizes == [1] * 8
    for _ in range(6):
        writer.read()
    assert held.sizes == [1] * 8 + [2]


async def test_a_server_puts_more_in_a_message_for_who_says_what_it_reads() -> None:
    held = Held(200_000)
    writer = held.writer
    writer.open()
    for says in (False, True):
        if says:
            writer.was_read(0)
        before = len(held.messages)
        for _ in range(11):
            writer.put(CallFrame(call=1, message=bytes(10_000)))
        while not writer.is_idle:
            held.let_go()
            for _ in range(3):
                await asyncio.sleep(0)
        assert held.sizes[before:] == ([1, 10] if says else [1, 4, 4, 2])


async def test_a_call_begins_with_its_first_request_in_one_message() -> None:
    async with house() as found:
        # The stream is there: what is put now goes at once.
        async with found.call(only(config("echo"), said("on"))) as responses:
            assert await texts(responses) == ["on"]
        batches: list[list[str | None]] = []
        frames = found.multiplexer._current._frames  # type: ignore[union-attr]  # noqa: SLF001 - shows nowhere else
        write = frames._write  # noqa: SLF001

        def spy(batch: list[CallFrame]) -> Coroutine[object, object, object]:
            batches.append([frame.WhichOneof("frame") for frame in batch])
            return write(batch)

        frames._write = spy  # noqa: SLF001
        async with found.multiplexer.call(
            f"/{SERVICE}/Chat",
            llm_pb2.ChatResponse.FromString,
            config("silent"),
            None,
            llm_pb2_grpc.LlmServiceStub(found.channel).Chat,
        ) as responses:
            await anext(responses)
        # Behind it stands what was read of the call before.
        assert batches[0][:3] == ["begin", "message", "half_close"]


async def test_a_call_that_is_left_before_it_was_served_is_served_by_nobody() -> None:
    async with house() as found:
        call = MultiplexServiceStub(found.channel).Connect()
        first = config("silent").SerializeToString()
        left = [
            CallFrame(call=1, begin=f"/{SERVICE}/Chat"),
            CallFrame(call=1, message=first),
            CallFrame(call=1, cancel=True),
        ]
        stays = [CallFrame(call=2, begin=f"/{SERVICE}/Chat"), CallFrame(call=2, message=first)]
        await call.write(ConnectRequest(frames=[*left, *stays]))
        answered = [frame.call async for response in _until_a_frame(call) for frame in response.frames if frame.call]
        assert answered == [2]
        assert found.servicer.running == 1
        call.cancel()


async def _until_a_frame(
    call: grpc.aio.StreamStreamCall[ConnectRequest, ConnectResponse],
) -> AsyncIterator[ConnectResponse]:
    while True:
        response = await call.read()
        assert isinstance(response, ConnectResponse)
        yield response
        if response.frames:
            return


async def test_a_caller_who_closes_its_half_has_closed_that_of_each_call() -> None:
    async with house() as found:
        call = MultiplexServiceStub(found.channel).Connect()
        frames = [CallFrame(call=1, begin=f"/{SERVICE}/Chat")]
        frames += [CallFrame(call=1, message=each.SerializeToString()) for each in (config("echo"), said("on"))]
        await call.write(ConnectRequest(frames=frames))
        await call.done_writing()
        told = [frame async for response in call for frame in response.frames if frame.call]
        assert [frame.WhichOneof("frame") for frame in told] == ["message", "status"]
        assert told[-1].status == b""


class Caller:
    """A stream's caller in memory: what it sends, and what it is sent, message by message."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[ConnectRequest] = asyncio.Queue()
        self.got: list[list[tuple[int, str | None]]] = []

    async def requests(self) -> AsyncIterator[ConnectRequest]:
        while True:
            yield await self.said.get()

    def say(self, *frames: CallFrame) -> None:
        self.said.put_nowait(ConnectRequest(frames=frames))

    async def write(self, response: ConnectResponse) -> None:
        self.got.append([(frame.call, frame.WhichOneof("frame")) for frame in response.frames if frame.call])


@on_virtual_time
async def test_an_end_goes_with_the_next_message_and_what_went_wrong_at_once() -> None:
    handlers, caller = Handlers(), Caller()
    llm_pb2_grpc.add_LlmServiceServicer_to_server(Servicer(), cast("grpc.aio.Server", handlers))
    echoed = [CallFrame(message=said("a").SerializeToString()), CallFrame(half_close=True)]

    def begins(call: int, name: str, *more: CallFrame) -> list[CallFrame]:
        frames = [CallFrame(begin=f"/{SERVICE}/Chat"), CallFrame(message=config(name).SerializeToString()), *more]
        for frame in frames:
            frame.call = call
        return frames

    async with asyncio.TaskGroup() as tasks:
        context = cast("grpc.aio.ServicerContext[ConnectRequest, ConnectResponse]", caller)
        serving = tasks.create_task(MultiplexServicer(handlers).Connect(caller.requests(), context))
        caller.say(*begins(1, "echo", *echoed))
        await settled()
        assert caller.got == [[], [(1, "message")]]
        caller.say(*begins(2, "echo", *echoed))
        await settled()
        assert caller.got[2:] == [[(1, "status"), (2, "message")]]
        caller.say(*begins(3, "refused"))
        await settled()
        assert caller.got[3:] == [[(2, "status"), (3, "status")]]
        serving.cancel()
