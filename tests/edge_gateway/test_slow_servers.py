"""A server that is slow is waited for, and one that hangs is told apart from it: each has its signs of life."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from parley import llm
from parley.conversation import ErrorCode, ErrorEvent, Outcome, ReplyDelayed, ReplyStarted, TurnReport, UserText
from parley.v1 import llm_pb2, llm_pb2_grpc
from tests.edge_gateway.own_clock import OwnClock
from tests.edge_gateway.rig import (
    Gateway,
    Listener,
    Script,
    Writer,
    gateway,
    house,
    listening,
    serve,
    serve_asr,
    serve_tts,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    import grpc.aio

    Context = grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]

WAITING = llm_pb2.ChatResponse(progress=llm_pb2.ChatProgress(kind=llm_pb2.PROGRESS_KIND_WAITING, model="small"))
THINKING = llm_pb2.ChatResponse(progress=llm_pb2.ChatProgress(kind=llm_pb2.PROGRESS_KIND_REASONING, model="small"))
DELTA = llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text="It is late."))
FINISHED = llm_pb2.ChatResponse(finished=llm_pb2.ChatFinished(reason=llm_pb2.FINISH_REASON_STOP))


class LlmByHand(llm_pb2_grpc.LlmServiceServicer):
    """An LLM server that sends what a test puts, when it puts it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.sends: asyncio.Queue[llm_pb2.ChatResponse] = asyncio.Queue()

    async def Chat(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: AsyncIterable[llm_pb2.ChatRequest], context: Context
    ) -> None:
        self.asked.set()
        response = llm_pb2.ChatResponse(ready=llm_pb2.ChatReady(engine="by hand", model="small"))
        while True:
            await context.write(response)
            if response.HasField("finished"):
                return
            response = await self.sends.get()

    async def ListModels(  # noqa: N802 - the name in the proto
        self, request: llm_pb2.ListModelsRequest, context: object
    ) -> llm_pb2.ListModelsResponse:
        return llm_pb2.ListModelsResponse(engine="by hand")


@asynccontextmanager
async def house_by_hand() -> AsyncIterator[tuple[Gateway, LlmByHand]]:
    script, server = Script(), LlmByHand()
    async with AsyncExitStack() as stack:
        written = await serve(
            stack, llm.SERVICE, lambda where: llm_pb2_grpc.add_LlmServiceServicer_to_server(server, where)
        )
        addresses = (await serve_asr(stack, script), written, await serve_tts(stack, script))
        yield await stack.enter_async_context(gateway(script, addresses)), server


def errors(listener: Listener) -> list[ErrorEvent]:
    return [event for event in listener.events if isinstance(event, ErrorEvent)]


def delays(listener: Listener) -> list[ReplyDelayed]:
    return [event for event in listener.events if isinstance(event, ReplyDelayed)]


async def first_error(listener: Listener, clock: OwnClock) -> tuple[ErrorEvent, float]:
    """The next error, and how long it took to come."""
    began = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        passing = tasks.create_task(clock.advance(60.0))
        error = await listener.until(ErrorEvent)
        passing.cancel()
    return error, asyncio.get_running_loop().time() - began


async def test_a_model_is_waited_for_as_long_as_its_server_gives_signs_of_life() -> None:
    clock = OwnClock()
    async with house_by_hand() as (parley, server), listening(parley) as listener:
        await listener.send(UserText("what time is it"))
        await server.asked.wait()
        for response in (*[WAITING] * 12, *[THINKING] * 12):
            server.sends.put_nowait(response)
            await clock.advance(1.0)
        server.sends.put_nowait(DELTA)
        server.sends.put_nowait(FINISHED)
        report = await listener.until(TurnReport)
    assert (report.outcome, report.heard) == (Outcome.COMPLETED, "One moment. It is late.")
    assert not errors(listener)
    # Once for each thing that is waited for.
    waiting, thinking = delays(listener)
    assert (waiting.turn, waiting.hop, waiting.model, waiting.kind) == (1, "llm", "small", llm.ProgressKind.WAITING)
    assert 1_500 <= waiting.waited_ms <= 3_000
    assert (thinking.kind, thinking.model) == (llm.ProgressKind.REASONING, "small")
    assert 12_000 <= thinking.waited_ms <= 15_000


async def test_the_filler_is_heard_while_the_model_is_waited_for() -> None:
    clock = OwnClock()
    async with house_by_hand() as (parley, server), listening(parley) as listener:
        await listener.send(UserText("what time is it"))
        await server.asked.wait()
        server.sends.put_nowait(WAITING)
        await clock.advance(1.2)
        server.sends.put_nowait(WAITING)
        assert not delays(listener)
        await clock.advance(0.5)
        await listener.until(ReplyDelayed)
        await listener.until(ReplyStarted)
        server.sends.put_nowait(DELTA)
        server.sends.put_nowait(FINISHED)
        assert (await listener.until(TurnReport)).heard == "One moment. It is late."


async def test_a_server_that_gives_no_sign_of_life_for_three_seconds_is_named_and_asked_again() -> None:
    clock = OwnClock()
    async with house_by_hand() as (parley, server), listening(parley) as listener:
        await listener.send(UserText("what time is it"))
        await server.asked.wait()
        server.sends.put_nowait(WAITING)
        await clock.advance(2.0)
        server.sends.put_nowait(WAITING)
        error, seconds = await first_error(listener, clock)
        report = await listener.until(TurnReport)
        server.asked.clear()
        await listener.send(UserText("what time is it now"))
        await server.asked.wait()
        server.sends.put_nowait(DELTA)
        server.sends.put_nowait(FINISHED)
        again = await listener.until(TurnReport)
    assert 2.9 <= seconds <= 5.0
    assert (error.hop, error.code, error.retryable, error.ends_session) == ("llm", ErrorCode.DEADLINE, True, False)
    assert (report.turn, report.outcome) == (1, Outcome.FAILED)
    assert (again.turn, again.outcome, again.heard) == (2, Outcome.COMPLETED, "It is late.")


async def test_the_llm_server_gives_signs_of_life_while_its_model_takes_longer_than_that() -> None:
    async with house(Script(writer=Writer("It is late.", 3.5))) as parley, listening(parley) as listener:
        await listener.send(UserText("what time is it"))
        delayed = await listener.until(ReplyDelayed)
        report = await listener.until(TurnReport)
    assert (delayed.kind, delayed.hop) == (llm.ProgressKind.WAITING, "llm")
    assert (report.outcome, report.heard) == (Outcome.COMPLETED, "One moment. It is late.")
    assert not errors(listener)


async def test_a_tts_server_that_makes_no_sound_is_given_two_seconds_and_the_reply_is_written() -> None:
    clock = OwnClock()
    script = Script(writer=Writer("Read this."), sound_delay_seconds=60)
    async with house(script) as parley, listening(parley) as listener:
        await listener.send(UserText("what time is it"))
        while not script.writer.asked:
            await asyncio.sleep(0)
        error, seconds = await first_error(listener, clock)
        report = await listener.until(TurnReport)
    assert 1.9 <= seconds <= 4.0
    assert (error.hop, error.code) == ("tts", ErrorCode.DEADLINE)
    assert (report.outcome, report.heard) == (Outcome.FAILED, "Read this.")
