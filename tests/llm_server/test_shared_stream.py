"""A reply over a stream that is shared: what is written in one turn of the loop goes together; over real gRPC."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import grpc.aio
import pytest

from llm_server.engine import Delta, Finish, StopReason
from llm_server.engines.scripted import ScriptedEngine
from llm_server.responses import ResponseWriter, finished
from llm_server.service import SERVICE
from parley import llm
from parley._frames import CREDIT
from parley.llm.wire import request_to_proto
from parley.v1 import llm_pb2
from parley.v1.multiplex_pb2 import CallFrame, ConnectRequest, ConnectResponse
from parley.v1.multiplex_pb2_grpc import MultiplexServiceStub
from tests.llm_server.test_progress import Slow
from tests.llm_server.test_service import HELLO, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llm_server.engine import Engine
    from serving.calls import Peer

    Call = grpc.aio.StreamStreamCall[ConnectRequest, ConnectResponse]

BEGIN = [
    CallFrame(call=1, begin=f"/{SERVICE}/Chat"),
    CallFrame(call=1, message=request_to_proto(llm.Config(HELLO)).SerializeToString()),
]


@asynccontextmanager
async def asked(engine: Engine) -> AsyncIterator[Call]:
    """A stream over which a reply of `engine` was asked for."""
    async with serving(engine) as server, grpc.aio.insecure_channel(server.address) as channel:
        call: Call = MultiplexServiceStub(channel).Connect()
        assert not cast("ConnectResponse", await call.read()).frames
        await call.write(ConnectRequest(frames=BEGIN))
        yield call
        call.cancel()


@pytest.fixture(autouse=True)
def _nothing_goes_for_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for 20 ms splits no message."""
    monkeypatch.setattr("parley._frames._LATER_SECONDS", 3_600.0)


async def frames_of(call: Call) -> list[CallFrame]:
    """Those of the next message of the stream."""
    return list(cast("ConnectResponse", await call.read()).frames)


def response(frame: CallFrame) -> llm_pb2.ChatResponse:
    return llm_pb2.ChatResponse.FromString(frame.message)


def told(frames: list[CallFrame]) -> list[str | None]:
    """What the messages among frames are."""
    return [response(frame).WhichOneof("response") for frame in frames if frame.WhichOneof("frame") == "message"]


async def test_a_reply_that_is_written_at_once_is_one_message_from_ready_to_its_end() -> None:
    text = "It is late. " * 20
    async with asked(ScriptedEngine(text, 0, 0)) as call:
        frames = await frames_of(call)
        assert told(frames) == ["ready", "delta", "finished"]
        assert response(frames[1]).delta.text.strip() == text.strip()


async def test_a_word_does_not_wait_for_those_that_are_not_written_yet() -> None:
    engine = Slow((Delta("It "), Delta("is "), None, Delta("late."), Finish(StopReason.STOP)))
    async with asked(engine) as call:
        frames = await frames_of(call)
        assert told(frames) == ["ready", "delta"]
        assert response(frames[1]).delta.text == "It is "
        engine.go_on.set()
        assert told(await frames_of(call)) == ["delta", "finished"]


async def test_who_gives_no_credit_gets_no_more_and_with_it_gets_all_that_was_written_meanwhile() -> None:
    async with asked(ScriptedEngine("word " * 500, 0, 0.0001)) as call:
        written: list[llm_pb2.ChatResponse] = []
        while len(written) < CREDIT:
            written += [response(frame) for frame in await frames_of(call)]
        assert len(written) == CREDIT
        while written[-1].WhichOneof("response") != "finished":
            await call.write(ConnectRequest(frames=[CallFrame(call=1, credit=1)]))
            written += [response(frame) for frame in await frames_of(call) if frame.WhichOneof("frame") == "message"]
        assert "".join(each.delta.text for each in written).split() == ["word"] * 500


class Caller:
    """A caller on a shared stream, in memory: takes what it is sent as far as it has given room."""

    def __init__(self) -> None:
        self.room = 0
        self.got: list[str | None] = []
        self._asked = asyncio.Event()

    def push(self, *responses: llm_pb2.ChatResponse) -> None:
        self.got += [response.WhichOneof("response") for response in responses]

    async def write(self, response: llm_pb2.ChatResponse) -> None:
        await self._asked.wait()
        self.push(response)

    def give_room(self) -> None:
        self.room = CREDIT
        self._asked.set()


def writer_to(caller: Caller) -> ResponseWriter:
    return ResponseWriter(cast("Peer[llm_pb2.ChatRequest, llm_pb2.ChatResponse]", caller), 60.0)


async def test_a_reply_that_is_over_goes_in_the_same_turn_of_the_loop() -> None:
    caller = Caller()
    caller.give_room()
    writer = writer_to(caller)
    writer.put("It is late.")
    writer.put(finished(Finish(StopReason.STOP), 0, 0))
    assert not caller.got
    writer.close()
    assert caller.got == ["delta", "finished"]
    await writer.run()
    assert caller.got == ["delta", "finished"]


async def test_nothing_overtakes_what_waits_for_room() -> None:
    caller = Caller()
    writer = writer_to(caller)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        writer.put("It is late.")
        for _ in range(3):
            await asyncio.sleep(0)
        writer.put(finished(Finish(StopReason.STOP), 0, 0))
        # There is room, and the word has not had its turn yet.
        caller.give_room()
        writer.close()
    assert caller.got == ["delta", "finished"]
