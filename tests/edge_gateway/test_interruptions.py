"""One interruption after the other, in the middle of what is being sent: the session lives, over both transports."""

from __future__ import annotations

import gc
from typing import Final

import pytest

from edge_gateway.reply.reply import Reply
from parley import _duplex
from parley.conversation import (
    AudioFormat,
    AudioPacket,
    Encoding,
    ErrorEvent,
    FlushPlayback,
    Outcome,
    ReplyFinished,
    SessionConfig,
    TurnReport,
    UserText,
)
from tests.edge_gateway.program import TRANSPORTS, joined
from tests.edge_gateway.rig import Listener, Script, Writer, house

INTERRUPTIONS = 50
CALLS: Final = (_duplex._Stream,)  # noqa: SLF001 - what a call is made of, of which nothing may be left
LONG = "Once upon a time there was a very long story. It went on and on. And then it went on some more until the end."


async def sound_of(reply: int, listener: Listener) -> None:
    """One packet of a reply; those of the one before may still be on their way."""
    await listener.until(AudioPacket, lambda packet: packet.reply == reply)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_fifty_interruptions_in_the_middle_of_what_is_sent_cost_no_session(transport: str) -> None:
    script = Script(writer=Writer(LONG), character_seconds=0.05)
    # Large packets, so that what is sent ahead is still on its way when the next words come.
    config = SessionConfig(output=AudioFormat(Encoding.PCM_S16LE, 48_000))
    async with house(script) as parley, joined(parley, transport, config) as listener:
        for number in range(INTERRUPTIONS):
            await listener.send(UserText(f"question {number}"))
            for _ in range(number % 13 + 1):
                await sound_of(number + 1, listener)
        script.writer.say("The end.")
        await listener.send(UserText("and then?"))
        last = await listener.until(TurnReport, lambda report: report.transcript == "and then?")
    ended = [event for event in listener.events if isinstance(event, ReplyFinished)]
    assert [event.outcome for event in ended] == [Outcome.INTERRUPTED] * INTERRUPTIONS + [Outcome.COMPLETED]
    assert [event.reply for event in ended] == list(range(1, INTERRUPTIONS + 2))
    assert sum(isinstance(event, FlushPlayback) for event in listener.events) == INTERRUPTIONS
    assert not [event for event in listener.events if isinstance(event, ErrorEvent)]
    assert (last.heard, last.turn) == ("The end.", INTERRUPTIONS + 1)


def alive(*kinds: type) -> int:
    return sum(type(each) in kinds for each in gc.get_objects())


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_interrupted_reply_leaves_nothing_that_waits_for_a_collection(transport: str) -> None:
    script = Script(writer=Writer(LONG), character_seconds=0.05)
    async with house(script) as parley, joined(parley, transport) as listener:
        gc.collect()
        gc.disable()
        try:
            for number in range(INTERRUPTIONS):
                await listener.send(UserText(f"question {number}"))
                await sound_of(number + 1, listener)
            # The one that is heard, the one that was heard last, and the two calls of each with the session's own.
            assert alive(Reply) <= 2
            assert alive(*CALLS) <= 2 * 2 + 1 + (transport == "grpc")
        finally:
            gc.enable()
