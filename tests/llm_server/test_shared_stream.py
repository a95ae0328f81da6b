"""A reply over a stream that is shared: what is there at once goes at once, and together; over real gRPC."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import grpc.aio

from llm_server.engines.scripted import ScriptedEngine
from llm_server.service import SERVICE
from parley import llm
from parley._frames import CREDIT
from parley.llm.wire import request_to_proto
from parley.v1 import llm_pb2
from parley.v1.multiplex_pb2 import CallFrame, ConnectRequest, ConnectResponse
from parley.v1.multiplex_pb2_grpc import MultiplexServiceStub
from tests.llm_server.test_service import HELLO, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Call = grpc.aio.StreamStreamCall[ConnectRequest, ConnectResponse]

BEGIN = [
    CallFrame(call=1, begin=f"/{SERVICE}/Chat"),
    CallFrame(call=1, message=request_to_proto(llm.Config(HELLO)).SerializeToString()),
]


@asynccontextmanager
async def asked(text: str) -> AsyncIterator[Call]:
    """A stream over which a reply was asked for, which is `text` at once."""
    async with (
        serving(ScriptedEngine(text, 0, 0)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        call: Call = MultiplexServiceStub(channel).Connect()
        assert not cast("ConnectResponse", await call.read()).frames
        await call.write(ConnectRequest(frames=BEGIN))
        yield call
        call.cancel()


async def frames_of(call: Call) -> list[CallFrame]:
    """Those of the next message of the stream."""
    return list(cast("ConnectResponse", await call.read()).frames)


def response(frame: CallFrame) -> llm_pb2.ChatResponse:
    return llm_pb2.ChatResponse.FromString(frame.message)


async def test_ready_comes_with_the_first_word_and_what_is_written_meanwhile_is_one_message() -> None:
    async with asked("It is late. " * 20) as call:
        first = await frames_of(call)
        assert [response(frame).WhichOneof("response") for frame in first] == ["ready", "delta"]
        rest: list[CallFrame] = []
        while not rest or rest[-1].WhichOneof("frame") != "status":
            rest += await frames_of(call)
        told = [response(frame) for frame in rest if frame.WhichOneof("frame") == "message"]
        assert [each.WhichOneof("response") for each in told] == ["delta", "finished"]
        assert (response(first[1]).delta.text + told[0].delta.text).strip() == ("It is late. " * 20).strip()


async def test_who_gives_no_credit_gets_no_more_and_with_it_gets_all_that_was_written_meanwhile() -> None:
    engine = ScriptedEngine("word " * 500, 0, 0.0001)
    async with serving(engine) as server, grpc.aio.insecure_channel(server.address) as channel:
        call: Call = MultiplexServiceStub(channel).Connect()
        await call.read()
        await call.write(ConnectRequest(frames=BEGIN))
        told: list[llm_pb2.ChatResponse] = []
        while len(told) < CREDIT:
            told += [response(frame) for frame in await frames_of(call)]
        assert len(told) == CREDIT
        while told[-1].WhichOneof("response") != "finished":
            await call.write(ConnectRequest(frames=[CallFrame(call=1, credit=1)]))
            told += [response(frame) for frame in await frames_of(call) if frame.WhichOneof("frame") == "message"]
        assert "".join(each.delta.text for each in told).split() == ["word"] * 500
        call.cancel()
