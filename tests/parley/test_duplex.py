"""The rules of a bidirectional call, each against a real server on a real port."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from parley._duplex import duplex
from parley.errors import InvalidInput, Unavailable, to_status
from parley.v1 import llm_pb2, llm_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    Context = grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]


class Servicer(llm_pb2_grpc.LlmServiceServicer):
    """Answers every request with an endless run of deltas, and notes how its handlers end."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.requests = 0
        self.refusal: InvalidInput | None = None

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
                if self.refusal is not None:
                    code, message, trailing = to_status(self.refusal)
                    await context.abort(code, message, trailing)
                yield llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text=f"{self.requests}"))
        finally:
            self.ended.set()


@asynccontextmanager
async def serving(servicer: Servicer) -> AsyncIterator[llm_pb2_grpc.LlmServiceAsyncStub]:
    server = grpc.aio.server()
    llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield llm_pb2_grpc.LlmServiceStub(channel)
    finally:
        await server.stop(None)


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
    calls: list[grpc.aio.StreamStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatResponse]] = []

    async def read(stub: llm_pb2_grpc.LlmServiceAsyncStub) -> None:
        def start() -> grpc.aio.StreamStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatResponse]:
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
