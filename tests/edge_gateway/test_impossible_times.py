"""One client's impossible times cost no other session its spans, and say of themselves that they are none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from prometheus_client import CollectorRegistry, Counter

from parley.conversation import (
    AudioPacket,
    CancelReply,
    ClientMark,
    MarkKind,
    Ping,
    ReplyStarted,
    SessionConfig,
    TurnReport,
    TurnTaking,
)
from serving.telemetry_export import SpanQueue
from tests.edge_gateway.rig import Recorded, Script, house, listening
from tests.edge_gateway.test_waterfall_kinds import Writer
from tests.edge_gateway.traces import Trace, attributes, traces
from tests.end_to_end.test_traces import collecting

if TYPE_CHECKING:
    from tests.edge_gateway.rig import Gateway, Listener

YEAR_US: Final = 366 * 24 * 3_600 * 1_000_000
IMPOSSIBLE: Final = (2**63 - 1, -(2**63), -1, 1, (2**63 - 1) // 1_000, 30 * YEAR_US, 300 * YEAR_US, 24 * 3_600_000_000)
PLAYBACK: Final = (MarkKind.FIRST_PACKET, MarkKind.FIRST_RENDERED, MarkKind.FIRST_AUDIBLE)
CLIENT: Final = frozenset({"client.downlink", "client.jitter_buffer", "client.playout"})
PLAIN: Final = SessionConfig(turn_taking=TurnTaking(head_start=False))


async def a_turn(gateway: Gateway, marked_us: int | None, captured_us: int | None = None) -> str:
    """One spoken turn of a client that gives such times, or the true ones; gives its trace id."""
    async with listening(gateway, PLAIN) as listener:
        await listener.until(Ping)
        if captured_us is not None:
            listener.clock_us, listener.answers_pings = (lambda: captured_us), False
        await listener.say_something()
        reply = await listener.until(ReplyStarted)
        await listener.until(AudioPacket)
        await mark(listener, reply.reply, marked_us)
        # The reply lasts until its marks have been looked at.
        await listener.send(CancelReply())
        report = await listener.until(TurnReport)
    return report.trace_id


async def mark(listener: Listener, reply: int, at_us: int | None) -> None:
    for kind in PLAYBACK:
        await listener.send(ClientMark(kind, reply, listener.clock_us() if at_us is None else at_us))


@pytest.mark.parametrize("at_us", IMPOSSIBLE)
async def test_the_spans_of_others_arrive_beside_a_time_that_cannot_be(at_us: int) -> None:
    script, fates = Script(writer=Writer()), Counter("spans", "", ["fate"], registry=CollectorRegistry())
    async with collecting() as (collector, endpoint):
        # Everything goes in one batch, when it is asked for.
        queue = SpanQueue(OTLPSpanExporter(endpoint, insecure=True), fates)
        script.recorded = Recorded(processors=[queue])
        async with house(script) as parley:
            broken = await a_turn(parley, at_us)
            early = await a_turn(parley, None, captured_us=at_us)
            good = await a_turn(parley, None)
        await asyncio.to_thread(queue.force_flush)
        arrived = {each.span.span_id.hex() for each in collector.spans}
        await asyncio.to_thread(queue.shutdown)
    found = {
        format(one.root.context.trace_id, "032x"): one for one in traces(script.recorded.all_spans) if one.root.context
    }
    assert arrived == {
        format(span.context.span_id, "016x") for one in found.values() for span in one.spans if span.context
    }
    assert clamped(found[good]) == set()
    assert clamped(found[broken]) == {"parley.turn", *CLIENT}
    assert {"parley.turn", "client.capture"} <= clamped(found[early])
    total = parley.telemetry.registry.get_sample_value("parley_turn_mic_to_speaker_seconds_sum")
    assert total is not None
    assert 0 <= total < 3 * 60


def clamped(trace: Trace) -> set[str]:
    """Names of the spans that say that a time of theirs was none."""
    return {span.name for span in trace.spans if "parley.clock_clamped" in attributes(span)}
