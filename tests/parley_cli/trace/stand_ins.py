"""A gateway that remembers what a test says, and a Tempo by its documented API with the spans that a test sends it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from tests.end_to_end.test_traces import collecting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp.typedefs import Handler
    from opentelemetry.util.types import AttributeValue

    from tests.end_to_end.test_traces import Received

MS: Final = 1_000_000
BEGIN_NS: Final = 1_780_000_000_000 * MS
ID_FIELDS: Final = ("traceId", "spanId", "parentSpanId")


def saying(text: str, status: int = 200) -> Handler:
    """Answers everything with this."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text=text, status=status)

    return handle


def gateway(turns: list[dict[str, object]]) -> Mapping[str, Handler]:
    """A gateway that remembers these turns, the newest first."""

    async def stats(_request: web.Request) -> web.Response:
        return web.json_response({"version": "1", "sessions": {"active": 0, "max": 1}, "servers": [], "turns": turns})

    return {"/stats": stats}


def remembered(turn: int, total_ms: float | None, **others: object) -> dict[str, object]:
    """A turn as a gateway tells it."""
    told: dict[str, object] = {
        "session": "s1",
        "turn": turn,
        "trace_id": f"{turn:032x}",
        "sampled": True,
        "ended_unix_ms": 1_780_000_000_000 + turn,
        "kind": "spoken",
        "outcome": "completed",
        "failed_hop": "",
        "mic_to_speaker_ms": total_ms,
        "head_start": False,
        "explained": 1.0,
        "clock_uncertainty_ms": 0.1,
        "model": "",
        "waterfall": [
            {"name": "asr.endpoint", "start_ms": 0.0, "duration_ms": 300.0},
            {"name": "llm.chat", "start_ms": 300.0, "duration_ms": 900.0},
        ],
    }
    return {**told, **others}


@dataclass(slots=True)
class Turns:
    """Makes traces of turns with the SDK of OpenTelemetry, a provider for each process."""

    endpoint: str
    providers: dict[str, TracerProvider] = field(default_factory=dict)

    def turn(self, number: int, total_ms: int, parts: Callable[[Part], None]) -> str:
        """One turn, whose parts are made by `parts`; gives its trace's id."""
        attributes: dict[str, AttributeValue] = {
            "session.id": "s1",
            "parley.turn": number,
            "parley.outcome": "completed",
            "parley.kind": "spoken",
        }
        root = Part(self, self._start("gateway", "parley.turn", None, 0, attributes))
        parts(root)
        return root.end(total_ms)

    def close(self) -> None:
        """Send what has not been sent."""
        for provider in self.providers.values():
            provider.shutdown()

    def _start(
        self, service: str, name: str, parent: Span | None, start_ms: float, attributes: Mapping[str, AttributeValue]
    ) -> Span:
        if service not in self.providers:
            provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(self.endpoint, insecure=True)))
            self.providers[service] = provider
        context = set_span_in_context(parent) if parent is not None else None
        start_ns = BEGIN_NS + round(start_ms * MS)
        tracer = self.providers[service].get_tracer("test")
        return tracer.start_span(name, context=context, start_time=start_ns, attributes=attributes)


@dataclass(frozen=True, slots=True)
class Part:
    """A span that goes on, and may have parts."""

    turns: Turns
    span: Span

    def part(self, service: str, name: str, start_ms: float, **attributes: AttributeValue) -> Part:
        """A span below this one."""
        dotted = {key.replace("__", "."): value for key, value in attributes.items()}
        return Part(self.turns, self.turns._start(service, name, self.span, start_ms, dotted))  # noqa: SLF001 - of one house

    def end(self, end_ms: float, error: Exception | None = None) -> str:
        """Its end; gives the trace's id."""
        if error is not None:
            self.span.record_exception(error)
            self.span.set_status(Status(StatusCode.ERROR, str(error)))
        self.span.end(BEGIN_NS + round(end_ms * MS))
        return f"{self.span.get_span_context().trace_id:032x}"


async def sent(make: Callable[[Turns], Any]) -> list[Received]:
    """The spans that `make` makes, as they arrive over OTLP."""

    def all_of_it() -> None:
        turns = Turns(endpoint)
        make(turns)
        turns.close()

    async with collecting() as (collector, endpoint):
        await asyncio.to_thread(all_of_it)
    return collector.spans


def as_json(spans: list[Received], *, hexadecimal: bool = False) -> list[dict[str, Any]]:
    """What each process sent, in JSON: with ids as protobuf writes them, or as OTLP does."""
    written = [(each.service, MessageToDict(each.span)) for each in spans]
    if hexadecimal:
        for each, (_, span) in zip(spans, written, strict=True):
            ids = (each.span.trace_id, each.span.span_id, each.span.parent_span_id)
            span.update({name: value.hex() for name, value in zip(ID_FIELDS, ids, strict=True) if value})
    return [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"scope": {"name": "test"}, "spans": [span]}],
        }
        for service, span in written
    ]


def tempo(spans: list[Received], *, is_old: bool = False) -> Mapping[str, Handler]:
    """A Tempo with these spans; an old one has not the second version of the question for a trace."""

    def found(trace_id: str) -> list[Received]:
        return [each for each in spans if each.span.trace_id.hex() == trace_id]

    async def trace(request: web.Request) -> web.Response:
        batches = as_json(found(request.match_info["id"]))
        if not batches:
            return web.Response(status=404)
        return web.json_response({"batches": batches})

    async def newer_trace(request: web.Request) -> web.Response:
        batches = as_json(found(request.match_info["id"]))
        if not batches:
            return web.Response(status=404, text="trace not found")
        return web.json_response({"trace": {"resourceSpans": batches}, "status": "COMPLETE"})

    async def search(request: web.Request) -> web.Response:
        fits = _filter(request.query["q"])
        if fits is None:
            return web.Response(status=400, text="parse error at line 1, col 3: syntax error: unexpected END")
        assert int(request.query["start"]) < int(request.query["end"])
        roots = [each.span for each in spans if fits(each)]
        if "most_recent=true" in request.query["q"]:
            roots.reverse()
        return web.json_response({"traces": [_found(root) for root in roots[: int(request.query["limit"])]]})

    second = {} if is_old else {"/api/v2/traces/{id}": newer_trace}
    return {**second, "/api/traces/{id}": trace, "/api/search": search}


_QUERY: Final = re.compile(
    r'\{ name = "parley\.turn"(?: && duration >= (\d+)ns)?(?: && span\.parley\.turn = (\d+))? \}'
    r"(?: with \(most_recent=true\))?"
)


def _filter(query: str) -> Callable[[Received], bool] | None:
    """As much of TraceQL as `parley trace` uses."""
    read = _QUERY.fullmatch(query)
    if read is None:
        return None
    least_ns, number = int(read[1] or 0), read[2]

    def fits(each: Received) -> bool:
        numbers = [pair.value.int_value for pair in each.span.attributes if pair.key == "parley.turn"]
        long_enough = each.span.end_time_unix_nano - each.span.start_time_unix_nano >= least_ns
        return each.span.name == "parley.turn" and long_enough and (number is None or numbers == [int(number)])

    return fits


def _found(root: Any) -> dict[str, object]:  # noqa: ANN401 - a span of protobuf's
    """A trace as a search gives it, which leaves zeros at the begin of ids out."""
    span = {
        "spanID": root.span_id.hex(),
        "startTimeUnixNano": str(root.start_time_unix_nano),
        "durationNanos": str(root.end_time_unix_nano - root.start_time_unix_nano),
    }
    return {
        "traceID": root.trace_id.hex().lstrip("0"),
        "rootServiceName": "gateway",
        "rootTraceName": "parley.turn",
        "startTimeUnixNano": str(root.start_time_unix_nano),
        # Of the whole trace, which goes on behind the root.
        "durationMs": 60_000,
        "spanSets": [{"spans": [span], "matched": 1}],
    }
