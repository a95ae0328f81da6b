"""What a client may rely on: Ready comes first, a refusal changes nothing, and what belongs together stays so."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from asr_server.service import AsrServicer
from llm_server.engine import Role
from parley import asr
from parley.conversation import (
    AssistantActivity,
    CancelReply,
    ErrorCode,
    ErrorEvent,
    FlushPlayback,
    Outcome,
    Ping,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    SessionConfig,
    SessionReady,
    TurnReport,
    UserText,
    UserUtterance,
)
from tests.edge_gateway.fleet import heard
from tests.edge_gateway.program import TRANSPORTS, calling, grpc_client, joined
from tests.edge_gateway.rig import (
    SILENCE,
    Listener,
    Script,
    Writer,
    connected,
    gateway,
    house,
    listening,
    serve_asr,
    serve_llm,
    serve_tts,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asr_server.service import Context, Requests
    from parley.v1 import asr_pb2

SESSIONS = 30
LONG = "Alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi."


def errors(listener: Listener) -> list[ErrorEvent]:
    return [event for event in listener.events if isinstance(event, ErrorEvent)]


def instructions(script: Script) -> str:
    """What the model was told last."""
    first = script.writer.asked[-1].messages[0]
    assert first.role is Role.SYSTEM
    return first.text


async def ask_at_once(listener: Listener, text: str) -> None:
    """Configure, type, and see in which order the answers come."""
    await listener.send(SessionConfig())
    await listener.send(UserText(text))
    await listener.until(UserUtterance)
    (ready, *_) = (event for event in listener.events if not isinstance(event, Ping))
    assert isinstance(ready, SessionReady)
    assert ready.engines == ("scripted", "scripted", "scripted")


async def test_ready_is_the_first_answer_over_the_websocket_whatever_is_sent_behind_the_configuration() -> None:
    async with house() as parley:
        for number in range(SESSIONS):
            async with connected(parley) as listener:
                await ask_at_once(listener, f"question {number}")


async def test_ready_is_the_first_answer_over_grpc_whatever_is_sent_behind_the_configuration() -> None:
    async with house() as parley, grpc_client(parley) as client:
        for number in range(SESSIONS):
            async with calling(client) as program:
                await ask_at_once(program, f"question {number}")


@pytest.mark.parametrize("voice", ["", "tone"])
async def test_sound_that_is_sent_right_behind_the_configuration_is_heard(voice: str) -> None:
    async with house() as parley, connected(parley) as listener:
        await listener.send(SessionConfig(voice=voice))
        await listener.say_something()
        report = await listener.until(TurnReport)
        heard = parley.telemetry.registry.get_sample_value("parley_audio_samples_received_total")
    assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)
    assert heard == 2.4 * 16_000
    assert not errors(listener)


async def test_a_reply_that_cannot_be_spoken_is_shown() -> None:
    async with house(Script(writer=Writer("👍"))) as parley, listening(parley) as listener:
        await listener.send(UserText("do you agree?"))
        report = await listener.until(TurnReport)
        shown = [
            type(event) for event in listener.events if isinstance(event, ReplyStarted | ReplyText | ReplyFinished)
        ]
        await listener.send(UserText("still there?"))
        await listener.until(TurnReport)
    assert shown == [ReplyStarted, ReplyText, ReplyFinished]
    assert (report.heard, report.reply_text, report.outcome) == ("👍", "👍", Outcome.COMPLETED)
    assert not errors(listener)


REFUSED = (
    pytest.param(SessionConfig(instructions="Sing.", voice="nobody"), "gateway", id="by the gateway"),
    pytest.param(
        SessionConfig(instructions="Sing.", endpointing=asr.Endpointing(soft_limit_ms=90_000)), "asr", id="by the asr"
    ),
)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("refused", "hop"), REFUSED)
async def test_a_refused_configuration_changes_nothing_and_the_next_one_is_taken(
    refused: SessionConfig, hop: str, transport: str
) -> None:
    before = SessionConfig(instructions="Whisper.", greeting="")
    script = Script(heard=("what time is it",))
    async with house(script) as parley, joined(parley, transport, before) as listener:
        await listener.send(refused)
        error = await listener.until(ErrorEvent)
        await listener.say_something()
        report = await listener.until(TurnReport)
        assert instructions(script) == "Whisper."
        await listener.send(SessionConfig(instructions="Shout.", endpointing=asr.Endpointing(default_silence_ms=400)))
        await listener.send(UserText("and now?"))
        await listener.until(TurnReport)
        assert instructions(script) == "Shout."
        await listener.say_something()
        last = await listener.until(TurnReport)
    assert (error.hop, error.code, error.ends_session) == (hop, ErrorCode.INVALID_INPUT, False)
    assert (report.turn, report.transcript, report.outcome) == (1, "what time is it", Outcome.COMPLETED)
    assert (last.turn, last.transcript, last.outcome) == (3, "what time is it", Outcome.COMPLETED)
    assert errors(listener) == [error]


async def test_a_refusal_in_the_middle_of_a_turn_costs_no_word_of_it() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.4)
        await listener.send(SessionConfig(endpointing=asr.Endpointing(soft_limit_ms=90_000)))
        await listener.speak(0.4)
        await listener.until(ErrorEvent)
        await listener.speak(1.4, SILENCE)
        report = await listener.until(TurnReport)
    assert (report.turn, report.transcript, report.outcome) == (1, "what time is it", Outcome.COMPLETED)
    assert len(errors(listener)) == 1


async def test_the_unheard_rest_stays_with_its_own_reply() -> None:
    writer = Writer(LONG)
    async with house(Script(writer=writer, character_seconds=0.06)) as parley, listening(parley) as listener:
        await listener.send(UserText("one"))
        await listener.until(ReplyText)
        while len(listener.packets) < 50:
            await listener.next()
        await listener.send(CancelReply())
        first = await listener.until(ReplyFinished)
        # The second reply is cancelled before anything of it can be heard.
        writer.say("Completely different words that nobody hears.", 1.0)
        await listener.send(UserText("two"))
        while len(writer.asked) < 2:
            await asyncio.sleep(0)
        await listener.send(CancelReply())
        second = await listener.until(ReplyFinished)
        writer.say("Fine.")
        await listener.send(UserText("go on"))
        await listener.until(TurnReport, lambda report: report.transcript == "go on")
    assert first.heard
    assert (second.heard, second.outcome) == ("", Outcome.CANCELLED)
    assert f"{first.heard} {first.unheard}" == LONG
    replies = [
        [(message.text, message.unheard) for message in asked.messages if message.role is Role.ASSISTANT]
        for asked in writer.asked
    ]
    # Who says "go on" after another reply does not mean the first one's rest.
    assert replies == [[], [(first.heard, first.unheard)], [(first.heard, "")]]


class Attentive(AsrServicer):
    """An ASR server that remembers what it was told of the assistant, stream by stream, and when the sound came."""

    told: list[list[object]] = []  # noqa: RUF012 - of the one test that makes it

    async def Transcribe(  # type: ignore[override]  # noqa: N802 - as its own
        self, request_iterator: Requests, context: Context
    ) -> None:
        told: list[object] = []
        self.told.append(told)
        await super().Transcribe(self._noted(request_iterator, told), context)

    async def _noted(self, requests: Requests, told: list[object]) -> AsyncIterator[asr_pb2.TranscribeRequest]:
        async for request in requests:
            told.append(asr.request_from_proto(request))
            yield request


async def test_an_asr_server_that_comes_back_is_told_that_the_assistant_speaks() -> None:
    script = Script(writer=Writer(LONG), character_seconds=0.06)
    Attentive.told = []
    async with AsyncExitStack() as stack:
        written, spoken = await serve_llm(stack, script), await serve_tts(stack, script)
        async with AsyncExitStack() as first:
            address = await serve_asr(first, script, make_servicer=Attentive)
            parley = await stack.enter_async_context(gateway(script, (address, written, spoken)))
            listener = await stack.enter_async_context(listening(parley))
            await heard(parley, listener)
            await listener.send(UserText("tell me"))
            await listener.until(AssistantActivity, lambda event: event.state is asr.Assistant.SPEAKING)
        await listener.until(ErrorEvent)
        before = len(Attentive.told)
        await serve_asr(stack, script, int(address.rpartition(":")[2]), make_servicer=Attentive)
        while len(Attentive.told) == before or not any(isinstance(each, asr.Audio) for each in Attentive.told[-1]):
            await listener.speak(0.02, SILENCE)
            await asyncio.sleep(0)
        await listener.send(CancelReply())
        await listener.until(FlushPlayback)
    before_sound = Attentive.told[-1][:2]
    assert isinstance(before_sound[0], asr.Config)
    assert before_sound[1] is asr.Assistant.SPEAKING
