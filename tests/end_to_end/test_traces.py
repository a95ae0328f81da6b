"""Every turn is one trace over four processes, as a collector receives it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from parley.audio import decode_file
from parley.conversation import TurnReport
from parley_cli.client import EventLog, Talker, converse
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True, slots=True)
class Received:
    service: str
    span: Span


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps every span that is sent to it."""

    def __init__(self) -> None:
        self.spans: list[Received] = []

    async def Export(  # noqa: N802 - the name in the proto
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: object
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        assert context is not None
        for resource in request.resource_spans:
            names = [pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"]
            self.spans += [Received(names[0], span) for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    collector, server = Collector(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # theirs
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.timeout(120)
async def test_each_turn_is_one_trace_of_four_services_that_explains_its_latency(
    speech_dir: Path,
) -> None:
    log = EventLog()
    async with collecting() as (collector, endpoint):
        async with open_house(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_INSECURE="true") as parley:
            for name in ("v2j-time", "living-room-light"):
                async with asyncio.timeout(30), converse(parley.url) as conversation:
                    await Talker(conversation, decode_file(speech_dir / f"{name}.flac", 48_000)).run(log)
        # The processes have ended, and sent what they had left.
        spans = collector.spans
    reports = log.of(TurnReport)
    assert len(reports) == 2
    traces: dict[str, list[Received]] = defaultdict(list)
    for received in spans:
        traces[received.span.trace_id.hex()].append(received)
    for report in reports:
        assert report.trace_id in traces
        check_trace(traces[report.trace_id], report)


def check_trace(trace: list[Received], report: TurnReport) -> None:
    assert {received.service for received in trace} == {"gateway", "asr", "llm", "tts"}
    ids = {received.span.span_id for received in trace}
    (root,) = [received.span for received in trace if not received.span.parent_span_id]
    assert root.name == "parley.turn"
    assert all(received.span.parent_span_id in ids for received in trace if received.span is not root)
    names = {received.span.name for received in trace}
    assert {"client.capture", "asr.endpoint", "asr.transcribe", "llm.chat", "tts.synthesize", "client.playout"} <= names
    start, end = root.start_time_unix_nano, root.end_time_unix_nano
    assert report.mic_to_speaker_ms is not None
    assert abs((end - start) / 1e6 - report.mic_to_speaker_ms) < 1
    # However busy the machine is, only a message on its way from one process to another is no span.
    gaps = list(handed_over([received for received in trace if received.span is not root], start, end))
    assert all(giver != taker for giver, taker in gaps), gaps
    text = str([received.span for received in trace]).lower()
    assert report.transcript.lower().strip("?.") not in text
    assert report.reply_text.lower() not in text


def handed_over(received: list[Received], start: int, end: int) -> Iterator[tuple[str, str]]:
    """The services before and after each time of which there is no span; the gateway begins a turn, and ends it."""
    last, reached = "gateway", start
    for each in sorted(received, key=lambda each: each.span.start_time_unix_nano):
        first, over = each.span.start_time_unix_nano, each.span.end_time_unix_nano
        if reached < first < end:
            yield last, each.service
        if over >= reached:
            last, reached = each.service, over
    if reached < end:
        yield last, "gateway"
