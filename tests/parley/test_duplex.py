"""The rules of a bidirectional call, each against a real server on a real port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import grpc.aio
import pytest

from parley import llm
from parley._duplex import duplex
from parley.errors import InvalidInput, Unavailable, to_status
from parley.v1 import llm_pb2, llm_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

    Context = grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]
    Call = grpc.aio.StreamStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatResponse]


class Servicer(llm_pb2_grpc.LlmServiceServicer):
    """Answers every request with an endless run of deltas, and notes how its handlers end."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.requests = 0
        self.refusal: InvalidInput | None = None
        self.refuse_after = 0

    async def ListModels(  # noqa: N802
        self, request: llm_pb2.ListModelsRequest, context: object
    ) -> llm_pb2.ListModelsResponse:
        raise NotImplementedError

    async def Chat(  # noqa: N802
        self, request_iterator: AsyncIterable[llm_pb2.ChatRequest], context: Context
    ) -> AsyncIterator[llm_pb2.ChatResponse]:
        try:
            async for _ in request_iterator:
                self.requests += 1
                self.began.set()
                if self.refusal is not None and self.requests > self.refuse_after:
                    code, message, trailing = to_status(self.refusal)
                    await context.abort(code, message, trailing)
                yield llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text=f"{self.requests}"))
        finally:
            self.ended.set()


@asynccontextmanager
async def listening(servicer: Servicer) -> AsyncIterator[str]:
    server = grpc.aio.server()
    llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def serving(servicer: Servicer) -> AsyncIterator[llm_pb2_grpc.LlmServiceAsyncStub]:
    async with listening(servicer) as address, grpc.aio.insecure_channel(address) as channel:
        yield llm_pb2_grpc.LlmServiceStub(channel)


async def requests(count: int) -> AsyncIterator[llm_pb2.ChatRequest]:
    for _ in range(count):
        yield llm_pb2.ChatRequest()


async def endless() -> AsyncIterator[llm_pb2.ChatRequest]:
    yield llm_pb2.ChatRequest()
    await asyncio.Event().wait()


async def test_every_request_is_written_and_the_end_of_requests_ends_the_call() -> None:
    async with serving(Servicer()) as stub, duplex(stub.Chat, requests(3), "llm") as responses:
        assert [response.delta.text async for response in responses] == ["1", "2", "3"]


async def test_an_exception_among_the_requests_is_the_one_that_the_block_raises() -> None:
    async def broken() -> AsyncIterator[llm_pb2.ChatRequest]:
        yield llm_pb2.ChatRequest()
        # A call that ends before its handler has begun has none to end.
        await servicer.began.wait()
        raise LookupError("the microphone is gone")

    servicer = Servicer()
    with pytest.raises(LookupError, match="the microphone is gone"):
        async with serving(servicer) as stub, duplex(stub.Chat, broken(), "llm") as responses:
            async for _ in responses:
                pass
    assert servicer.ended.is_set()


async def test_an_exception_in_the_block_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with serving(Servicer()) as stub, duplex(stub.Chat, endless(), "llm") as responses:
            async for _ in responses:
                raise ZeroDivisionError


async def test_leaving_the_block_ends_the_servers_handler() -> None:
    servicer = Servicer()
    async with serving(servicer) as stub:
        async with duplex(stub.Chat, endless(), "llm") as responses:
            await anext(responses)
        async with asyncio.timeout(2):
            await servicer.ended.wait()


async def test_a_reader_cancelled_in_the_middle_of_an_item_ends_the_servers_handler() -> None:
    servicer = Servicer()
    calls: list[Call] = []

    async def read(stub: llm_pb2_grpc.LlmServiceAsyncStub) -> None:
        def start() -> Call:
            # Kept, so that it is not the garbage collector which ends the call.
            calls.append(stub.Chat())
            return calls[-1]

        async with duplex(start, endless(), "llm") as responses:
            async for _ in responses:
                reading.set()
                await asyncio.Event().wait()

    reading = asyncio.Event()
    async with serving(servicer) as stub, asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(read(stub))
        await reading.wait()
        reader.cancel()
        async with asyncio.timeout(2):
            await servicer.ended.wait()


async def test_a_refusal_comes_as_our_error_with_the_field_that_it_names() -> None:
    servicer = Servicer()
    servicer.refusal = InvalidInput("language 'xx': not one of en", field="config.language", retry_after_ms=1500)
    with pytest.raises(InvalidInput, match="not one of en") as caught:
        async with serving(servicer) as stub, duplex(stub.Chat, endless(), "llm") as responses:
            async for _ in responses:
                pass
    assert caught.value.field == "config.language"
    assert caught.value.retry_after_ms == 1500


async def test_a_server_that_is_not_there_is_unavailable_and_named() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        with pytest.raises(Unavailable, match="llm server is not available"):
            async with duplex(stub.Chat, requests(1), "llm") as responses:
                async for _ in responses:
                    pass


async def test_a_server_that_ends_the_call_while_we_write_is_an_error_and_no_hang() -> None:
    async def many() -> AsyncIterator[llm_pb2.ChatRequest]:
        while True:
            yield llm_pb2.ChatRequest()
            await asyncio.sleep(0)

    servicer = Servicer()
    servicer.refusal = InvalidInput("enough", field="config")
    # Usually it is the server's own word; where our write and its end meet, grpc.aio keeps only that it broke off.
    with pytest.raises((InvalidInput, Unavailable), match=r"enough|not available"):
        async with serving(servicer) as stub, duplex(stub.Chat, many(), "llm") as responses:
            async for _ in responses:
                pass


class Deaf(Servicer):
    """Says one thing, reads one request, and neither reads nor says anything more."""

    async def Chat(  # noqa: N802
        self, request_iterator: AsyncIterable[llm_pb2.ChatRequest], context: Context
    ) -> AsyncIterator[llm_pb2.ChatResponse]:
        async for _ in request_iterator:
            self.began.set()
            yield llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text="yes?"))
            await asyncio.Event().wait()


class Watched:
    """A call that notes which of its operations are in flight, and which were cancelled while the call went on."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.flying: set[str] = set()
        self.torn: list[str] = []
        self.failed: list[str] = []
        self.answers = 0
        self.answers_when_left: int | None = None
        self.done = call.done

    def cancel(self) -> bool:
        if self.answers_when_left is None:
            self.answers_when_left = self.answers
        return self.call.cancel()

    async def wait_for_connection(self) -> None:
        await self._watch("wait_for_connection", self.call.wait_for_connection())

    async def read(self) -> object:
        response = await self._watch("read", self.call.read())
        self.answers += response is not grpc.aio.EOF
        return response

    async def write(self, request: llm_pb2.ChatRequest) -> None:
        await self._watch("write", self.call.write(request))

    async def done_writing(self) -> None:
        await self._watch("done_writing", self.call.done_writing())

    async def _watch(self, name: str, operation: Awaitable[object]) -> object:
        self.flying.add(name)
        task = asyncio.current_task()
        try:
            return await operation
        except asyncio.CancelledError:
            if task is not None and task.cancelling():
                self.torn.append(name)
            raise
        except (grpc.aio.AioRpcError, grpc.aio.InternalError):
            self.failed.append(name)
            raise
        finally:
            self.flying.discard(name)


class ClosesTooLate(Watched):
    """A call that the server ends while our half is being closed, which grpc.aio tells with an error of its own."""

    async def done_writing(self) -> None:
        while not self.call.done():
            await asyncio.sleep(0)
        raise grpc.aio.InternalError('Failed "execute_batch"')


async def test_a_refusal_that_meets_the_closing_of_our_half_is_told_as_what_it_is() -> None:
    servicer = Servicer()
    servicer.refusal = InvalidInput("no such language")
    async with serving(servicer) as stub:
        with pytest.raises(InvalidInput, match="no such language"):
            async with duplex(lambda: cast("Call", ClosesTooLate(stub.Chat())), requests(1), "llm") as responses:
                await anext(responses)


async def until_both_fly(call: Watched) -> None:
    """Return when a read and a write wait for a server that does neither."""
    still = 0
    while still < 50:
        still = still + 1 if call.flying == {"read", "write"} else 0
        await asyncio.sleep(0)


def watched(stub: llm_pb2_grpc.LlmServiceAsyncStub, calls: list[Watched]) -> Callable[[], Call]:
    """Start a call that is watched, and keep it."""

    def start() -> Call:
        calls.append(Watched(stub.Chat()))
        return cast("Call", calls[-1])

    return start


async def flood(closed: asyncio.Event) -> AsyncIterator[llm_pb2.ChatRequest]:
    """More than a server takes that does not read."""
    try:
        while True:
            yield llm_pb2.ChatRequest(tool_result=llm_pb2.ToolResult(content="x" * 60_000))
    finally:
        closed.set()


async def leaves() -> None:
    """The block is simply left."""


async def fails() -> None:
    raise ZeroDivisionError


async def is_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.Event().wait()


async def is_cancelled_again_and_again() -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def again(task: asyncio.Task[object]) -> None:
        if not task.done():
            task.cancel()
            loop.call_soon(again, task)

    again(task)
    await asyncio.Event().wait()


async def takes_too_long() -> None:
    async with asyncio.timeout(0):
        await asyncio.Event().wait()


@pytest.mark.parametrize("end", [leaves, fails, is_cancelled, is_cancelled_again_and_again, takes_too_long])
async def test_however_a_block_ends_no_operation_is_cancelled_in_flight_and_no_task_is_left(
    end: Callable[[], Awaitable[None]],
) -> None:
    closed = asyncio.Event()
    calls: list[Watched] = []

    async def hold(stub: llm_pb2_grpc.LlmServiceAsyncStub) -> None:
        with contextlib.suppress(ZeroDivisionError, TimeoutError):
            async with duplex(watched(stub, calls), flood(closed), "llm") as responses:
                assert (await anext(responses)).delta.text == "yes?"
                await until_both_fly(calls[0])
                await end()

    async with asyncio.timeout(5), serving(Deaf()) as stub, asyncio.TaskGroup() as tasks:
        await asyncio.wait((tasks.create_task(hold(stub)),))
        assert {task.get_name() for task in asyncio.all_tasks()} & {"llm requests", "llm responses"} == set()
    assert (calls[0].torn, calls[0].flying) == ([], set())
    assert closed.is_set()


class Late(Watched):
    """A call to which responses come while it is being cancelled."""

    async def read(self) -> object:
        try:
            return await super().read()
        except asyncio.CancelledError:
            return llm_pb2.ChatResponse()


async def test_responses_that_come_while_a_block_is_left_keep_nobody_from_leaving() -> None:
    async with (
        asyncio.timeout(5),
        serving(Deaf()) as stub,
        duplex(lambda: cast("Call", Late(stub.Chat())), requests(1), "llm") as responses,
    ):
        await anext(responses)


@pytest.mark.parametrize("turns", range(0, 30, 3))
async def test_what_is_on_its_way_arrives_before_who_leaves_is_gone(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley._duplex._ARRIVAL_SECONDS", 30)
    calls: list[Watched] = []

    def start() -> Call:
        calls.append(Watched(stub.Chat()))
        return cast("Call", calls[-1])

    async with serving(Servicer()) as stub, duplex(start, endless(), "llm"):
        for _ in range(turns):
            await asyncio.sleep(0)
    [call] = calls
    assert (call.torn, call.failed) == ([], [])
    assert call.answers_when_left, "the call was left while it began"


async def test_nobody_waits_to_leave_for_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley._duplex._ARRIVAL_SECONDS", 0.001)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        async with asyncio.timeout(5), grpc.aio.insecure_channel(f"127.0.0.1:{mute.getsockname()[1]}") as channel:
            stub = llm_pb2_grpc.LlmServiceStub(channel)
            async with duplex(partial(stub.Chat, wait_for_ready=True), endless(), "llm"):
                await asyncio.sleep(0)


async def test_requests_that_fail_end_a_read_in_flight_by_ending_the_call() -> None:
    calls: list[Watched] = []
    reading = asyncio.Event()

    async def broken() -> AsyncIterator[llm_pb2.ChatRequest]:
        yield llm_pb2.ChatRequest()
        await reading.wait()
        raise LookupError("the microphone is gone")

    with pytest.raises(LookupError, match="the microphone is gone"):
        async with serving(Deaf()) as stub, duplex(watched(stub, calls), broken(), "llm") as responses:
            async for _ in responses:
                reading.set()
    assert (calls[0].torn, calls[0].flying) == ([], set())


async def test_responses_that_came_before_a_failure_are_all_given() -> None:
    servicer = Servicer()
    servicer.refuse_after, servicer.refusal = 3, InvalidInput("enough", field="config")
    seen = []
    with pytest.raises(InvalidInput, match="enough"):
        async with serving(servicer) as stub, duplex(stub.Chat, requests(4), "llm") as responses:
            async for response in responses:
                seen.append(response.delta.text)  # noqa: PERF401 - what comes before the failure
    assert seen == ["1", "2", "3"]


async def test_a_client_that_is_closed_ends_the_calls_of_others_with_an_error() -> None:
    async with listening(Deaf()) as address:
        client = llm.LlmClient(address)
        with pytest.raises(Unavailable, match="llm server was cancelled"):
            async with client.chat(llm.Config((llm.Message(llm.Role.USER, "hello"),))) as events:
                await anext(events)
                await client.close()
                await anext(events)


async def test_a_task_that_is_cancelled_while_it_leaves_a_block_is_cancelled() -> None:
    calls: list[Watched] = []

    async def hold(stub: llm_pb2_grpc.LlmServiceAsyncStub) -> None:
        task = asyncio.current_task()
        assert task is not None
        async with duplex(watched(stub, calls), endless(), "llm") as responses:
            await anext(responses)
            asyncio.get_running_loop().call_soon(task.cancel)

    async with asyncio.timeout(5), serving(Deaf()) as stub, asyncio.TaskGroup() as tasks:
        holding = tasks.create_task(hold(stub))
        await asyncio.wait((holding,))
    assert holding.cancelled()
    assert (calls[0].torn, calls[0].flying) == ([], set())
