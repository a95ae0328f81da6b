"""Where no sound is sent the ASR server owes nothing: silence is never taken for a server that is dead."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from asr_server.service import AsrServicer
from parley.conversation import EndUtterance, ErrorEvent, Outcome, TurnReport, UserSpeechStarted, UserText
from tests.edge_gateway.own_clock import OwnClock
from tests.edge_gateway.program import TRANSPORTS, joined
from tests.edge_gateway.rig import (
    SILENCE,
    Gateway,
    Listener,
    Script,
    gateway,
    listening,
    serve_asr,
    serve_llm,
    serve_tts,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asr_server.service import Context, Requests
    from parley.v1 import asr_pb2


class CountingServicer(AsrServicer):
    """An ASR server that counts the streams that were opened, those with sound among them, and the messages it got."""

    opened = 0
    with_sound = 0
    messages = 0

    async def Transcribe(  # type: ignore[override]  # noqa: N802 - as its own
        self, request_iterator: Requests, context: Context
    ) -> None:
        CountingServicer.opened += 1
        await super().Transcribe(self._counted(request_iterator), context)

    async def _counted(self, requests: Requests) -> AsyncIterator[asr_pb2.TranscribeRequest]:
        is_silent = True
        async for request in requests:
            CountingServicer.messages += 1
            CountingServicer.with_sound += is_silent and request.HasField("audio")
            is_silent = is_silent and not request.HasField("audio")
            yield request


@asynccontextmanager
async def counting_house() -> AsyncIterator[tuple[Gateway, type[CountingServicer]]]:
    script = Script()
    CountingServicer.opened = CountingServicer.with_sound = CountingServicer.messages = 0
    async with AsyncExitStack() as stack:
        heard = await serve_asr(stack, script, make_servicer=CountingServicer)
        addresses = (heard, await serve_llm(stack, script), await serve_tts(stack, script))
        yield await stack.enter_async_context(gateway(script, addresses)), CountingServicer


def errors(listener: Listener) -> list[ErrorEvent]:
    return [event for event in listener.events if isinstance(event, ErrorEvent)]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_session_in_which_somebody_only_types_hears_of_no_failure(transport: str) -> None:
    clock = OwnClock()
    async with counting_house() as (parley, heard), joined(parley, transport) as listener:
        for _ in range(2):
            await listener.send(UserText("are you there"))
            assert (await listener.until(TurnReport)).outcome is Outcome.COMPLETED
            await clock.advance(7.0)
        await listener.send(UserText("still there"))
        await listener.until(TurnReport)
        assert heard.opened == 1
    assert not errors(listener)


async def test_push_to_talk_may_send_nothing_between_its_turns() -> None:
    clock = OwnClock()
    async with counting_house() as (parley, heard), listening(parley) as listener:
        for turn in range(1, 4):
            await listener.speak(0.8)
            await listener.send(EndUtterance())
            report = await listener.until(TurnReport)
            assert (report.turn, report.transcript, report.outcome) == (turn, "what time is it", Outcome.COMPLETED)
            await clock.advance(6.0)
        await listener.send(EndUtterance())
        await clock.advance(6.0)
        await listener.send(UserText("still there"))
        await listener.until(TurnReport)
        assert heard.with_sound == 1
    assert not errors(listener)


async def test_a_microphone_may_be_switched_off_after_a_turn_and_on_again() -> None:
    clock = OwnClock()
    async with counting_house() as (parley, heard), listening(parley) as listener:
        for turn in (1, 2):
            await listener.say_something()
            report = await listener.until(TurnReport)
            assert (report.turn, report.outcome) == (turn, Outcome.COMPLETED)
            await listener.speak(2.0, SILENCE)
            await clock.advance(1.0)
            messages = heard.messages
            await clock.advance(11.0)
            assert heard.messages == messages, "nothing is made up after a turn"
        await listener.send(UserText("still there"))
        await listener.until(TurnReport)
        assert heard.with_sound == 1
    assert not errors(listener)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_turn_in_whose_middle_the_sound_stays_away_ends_and_is_answered(transport: str) -> None:
    async with counting_house() as (parley, heard), joined(parley, transport) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.8)
        began = asyncio.get_running_loop().time()
        report = await listener.until(TurnReport)
        # 1.5 s count as silence at once, which is more than ends a turn; the reply lasts half a second.
        assert 1.4 <= asyncio.get_running_loop().time() - began <= 3.5
        assert heard.with_sound == 1
    assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)
    assert not errors(listener)


async def test_a_turn_may_pause_without_a_packet_and_go_on() -> None:
    clock = OwnClock()
    async with counting_house() as (parley, heard), listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.6)
        await listener.until(UserSpeechStarted)
        await clock.advance(1.2)
        await listener.speak(0.6)
        await listener.speak(1.4, SILENCE)
        report = await listener.until(TurnReport)
        assert heard.with_sound == 1
    assert (report.turn, report.transcript, report.outcome) == (1, "what time is it", Outcome.COMPLETED)
    assert not errors(listener)
