"""Spans go where the standard variables say, carry the decision to sample, and never hold anyone up."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, Counter

import serving.telemetry
from serving.config import ConfigError
from serving.resource import resource_of
from serving.telemetry import SpanEvent, SpanIdentity, Telemetry, clock_ns, context_of, new_provider, open_telemetry
from serving.telemetry_export import SpanQueue
from tests.end_to_end.test_traces import collecting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

FATES = ("sent", "failed", "dropped")


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without variables of whoever runs the tests, and with a sampler that reads those of the test."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    serving.telemetry._sampler.cache_clear()  # noqa: SLF001 - a process reads its variables once
    yield
    serving.telemetry._sampler.cache_clear()  # noqa: SLF001 - as above


def a_turn(telemetry: Telemetry) -> SpanIdentity:
    """A root and one span below it; gives who the root is."""
    identity = SpanIdentity.new()
    telemetry.record("llm.chat", parent=identity.traceparent, start_ns=2, end_ns=3)
    telemetry.record_root("parley.turn", identity=identity, start_ns=1, end_ns=4)
    return identity


def counted(telemetry: Telemetry) -> tuple[float, ...]:
    """Spans that were sent, that failed, and that were dropped."""
    return tuple(telemetry.registry.get_sample_value("parley_spans_total", {"fate": fate}) or 0 for fate in FATES)


async def test_spans_go_by_grpc_to_the_endpoint_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as (collector, endpoint):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        with open_telemetry("asr") as telemetry:
            identity = a_turn(telemetry)
            await flushed(telemetry)
            assert counted(telemetry) == (2, 0, 0)
    assert {(each.service, each.span.name) for each in collector.spans} == {("asr", "llm.chat"), ("asr", "parley.turn")}
    assert {each.span.trace_id.hex() for each in collector.spans} == {identity.trace_id_hex}


async def test_who_tells_of_a_span_goes_on_and_it_is_recorded_after_that(caplog: pytest.LogCaptureFixture) -> None:
    provider, spans = new_provider("asr"), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = Telemetry(provider, CollectorRegistry(), 0.001)
    a_turn(telemetry)
    assert not spans.get_finished_spans()
    recorded: list[int] = []
    async with asyncio.timeout(5):
        while not recorded or recorded[-1] < 2:
            await asyncio.sleep(0)
            recorded.append(len(spans.get_finished_spans()))
    # One in a turn of the loop.
    assert set(recorded) == {0, 1, 2}
    # What is told later is recorded too, and so is what nobody waits for any more.
    a_turn(telemetry)
    telemetry.flush()
    assert len(spans.get_finished_spans()) == 4
    a_turn(telemetry)
    async with asyncio.timeout(5):
        while len(spans.get_finished_spans()) < 6:
            await asyncio.sleep(0)
    assert not caplog.records


async def test_where_many_wait_to_be_recorded_a_turn_of_the_loop_takes_more_than_one() -> None:
    telemetry, seen = Telemetry(new_provider("asr"), CollectorRegistry(), 0.001), [0]
    recorded: list[int] = []
    for number in range(300):
        telemetry.later(partial(recorded.append, number))
    async with asyncio.timeout(5):
        while len(recorded) < 300:
            await asyncio.sleep(0)
            seen.append(len(recorded))
    assert recorded == list(range(300))
    steps = [after - before for before, after in pairwise(seen) if after > before]
    # 7 of 300, and in the end one of 49.
    assert (steps[0], steps[-1]) == (7, 1)
    assert steps == sorted(steps, reverse=True)


async def test_what_a_process_tells_of_last_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as (collector, endpoint):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        process = open_telemetry("asr")
        a_turn(process.__enter__())
        # Not here: the collector is served by this loop.
        await asyncio.to_thread(process.__exit__, None, None, None)
    assert len(collector.spans) == 2


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
async def test_spans_go_by_http_with_headers_and_compression(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    async with receiving() as (received, url):
        monkeypatch.setenv(variable, "http/protobuf")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "tenant=ann")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        with open_telemetry("asr") as telemetry:
            a_turn(telemetry)
            await flushed(telemetry)
    ((headers, request),) = received
    assert (headers["tenant"], headers["Content-Encoding"]) == ("ann", "gzip")
    assert len(request.resource_spans[0].scope_spans[0].spans) == 2


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_on_this_machine_is_asked_past_the_proxy(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    async with collecting() as (_, by_grpc), receiving() as (_, by_http):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", by_grpc if protocol == "grpc" else by_http)
        with open_telemetry("asr") as telemetry:
            a_turn(telemetry)
            await flushed(telemetry)
            assert counted(telemetry) == (2, 0, 0)


async def test_what_the_variables_say_of_the_process_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as (received, url):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "ears")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=asr-0,deployment.environment.name=production")
        with open_telemetry("asr") as telemetry:
            a_turn(telemetry)
            await flushed(telemetry)
    ((_, request),) = received
    said = {pair.key: pair.value.string_value for pair in request.resource_spans[0].resource.attributes}
    assert said["service.name"] == "ears"
    assert said["k8s.pod.name"] == "asr-0"
    assert said["deployment.environment.name"] == "production"
    assert said["service.version"]
    assert said["service.instance.id"]


@pytest.mark.parametrize(
    ("sampler", "argument", "sampled"),
    [("always_off", "", 0), ("parentbased_always_on", "", 200), ("parentbased_traceidratio", "0.5", None)],
)
async def test_a_trace_is_recorded_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, sampler: str, argument: str, sampled: int | None
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    async with collecting() as (collector, endpoint):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        with open_telemetry("asr") as telemetry:
            identities = [a_turn(telemetry) for _ in range(200)]
            await flushed(telemetry)
    wanted = {each.trace_id_hex for each in identities if each.traceparent.endswith("-01")}
    arrived = [each.span.trace_id.hex() for each in collector.spans]
    assert sorted(arrived) == sorted([*wanted, *wanted])
    assert len(wanted) == sampled if sampled is not None else 50 < len(wanted) < 150


@pytest.mark.parametrize(
    "variables",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}],
)
async def test_nothing_is_sent_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    async with collecting() as (collector, endpoint):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with open_telemetry("asr") as telemetry:
            identity = a_turn(telemetry)
            await flushed(telemetry)
    assert collector.spans == []
    assert identity.sampled is ("OTEL_SDK_DISABLED" not in variables)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OTEL_TRACES_EXPORTER", "carrier-pigeon", r"OTEL_TRACES_EXPORTER=carrier-pigeon: not one of none, otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", r"OTEL_EXPORTER_OTLP_PROTOCOL=http/json: not one of grpc, http/p"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", r"OTEL_BSP_MAX_QUEUE_SIZE=many: not a whole number"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1.5", r"OTEL_BSP_SCHEDULE_DELAY=1\.5: not a whole number"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=says), open_telemetry("asr"):
        pass


class Frozen(SpanExporter):
    """Does not come back until it is let go."""

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.let_go.wait()
        self.spans += spans
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.let_go.set()


def test_a_frozen_backend_holds_nobody_up_and_what_is_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    registry, backend, provider = CollectorRegistry(), Frozen(), TracerProvider(shutdown_on_exit=False)
    fates = Counter("parley_spans", "Spans.", ["fate"], registry=registry)
    provider.add_span_processor(SpanQueue(backend, fates))
    telemetry = Telemetry(provider, registry)
    for number in range(1_000):
        telemetry.tracer.start_span(str(number)).end()
    assert counted(telemetry) == (0, 0, 900)
    backend.let_go.set()
    provider.force_flush()
    telemetry.tracer.start_span("later").end()
    provider.shutdown()
    assert [span.name for span in backend.spans] == [*map(str, range(100)), "later"]
    assert counted(telemetry) == (101, 0, 900)


class Failing(SpanExporter):
    """Takes nothing, in one way or the other."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        if self.error is not None:
            raise self.error
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        pass


@pytest.mark.parametrize("error", [None, RuntimeError("no")])
def test_what_a_backend_does_not_take_is_counted(error: Exception | None) -> None:
    registry, provider = CollectorRegistry(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(
        SpanQueue(Failing(error), Counter("parley_spans", "Spans.", ["fate"], registry=registry))
    )
    telemetry = Telemetry(provider, registry)
    for _ in range(3):
        telemetry.tracer.start_span("lost").end()
    provider.shutdown()
    assert counted(telemetry) == (0, 3, 0)


@pytest.mark.parametrize(
    ("name", "start_time"), [("half of a character: \ud800", 1), ("early", -1), ("late", 2**64), ("later", 2**200)]
)
async def test_what_cannot_be_written_costs_no_other_span(
    monkeypatch: pytest.MonkeyPatch, name: str, start_time: int
) -> None:
    async with collecting() as (collector, endpoint):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        with open_telemetry("asr") as telemetry:
            telemetry.tracer.start_span("before").end()
            telemetry.tracer.start_span(name, start_time=start_time).end()
            telemetry.tracer.start_span("after").end()
            await flushed(telemetry)
            assert counted(telemetry) == (2, 1, 0)
    assert [each.span.name for each in collector.spans] == ["before", "after"]


@pytest.mark.parametrize(("start_ns", "end_ns"), [(-1, 5), (2**64, 2**80), (0, 2**63), (10**30, -(10**30))])
async def test_a_time_that_cannot_be_is_brought_to_one_that_can(
    monkeypatch: pytest.MonkeyPatch, start_ns: int, end_ns: int
) -> None:
    now = clock_ns()
    async with collecting() as (collector, endpoint):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        with open_telemetry("asr") as telemetry:
            identity = SpanIdentity.new()
            telemetry.record_root("parley.turn", identity=identity, start_ns=start_ns, end_ns=end_ns)
            event = SpanEvent("first_audio", start_ns)
            parent = identity.traceparent
            telemetry.record("client.playout", parent=parent, start_ns=start_ns, end_ns=end_ns, events=(event,))
            telemetry.record("good", parent=parent, start_ns=now, end_ns=now + 1)
            await flushed(telemetry)
    spans = {each.span.name: each.span for each in collector.spans}
    assert spans.keys() == {"parley.turn", "client.playout", "good"}
    for span in spans.values():
        assert abs(span.start_time_unix_nano - now) < 2 * 24 * 3_600 * 10**9
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        clamped = {pair.key: pair.value.bool_value for pair in span.attributes}
        assert clamped == ({} if span.name == "good" else {"parley.clock_clamped": True})


@pytest.mark.parametrize(
    ("variable", "value", "attribute"),
    [
        ("K8S_POD_NAME", "asr-0", "k8s.pod.name"),
        ("K8S_POD_UID", "c2b1", "k8s.pod.uid"),
        ("K8S_NAMESPACE_NAME", "voice", "k8s.namespace.name"),
        ("K8S_NODE_NAME", "node-7", "k8s.node.name"),
        ("K8S_DEPLOYMENT_NAME", "asr", "k8s.deployment.name"),
        ("K8S_CONTAINER_NAME", "asr", "k8s.container.name"),
        ("K8S_CLUSTER_NAME", "here", "k8s.cluster.name"),
        ("PARLEY_ENVIRONMENT", "production", "deployment.environment.name"),
    ],
)
def test_a_process_says_where_it_runs(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, attribute: str
) -> None:
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    monkeypatch.setenv(variable, value)
    said = resource_of("asr").attributes
    assert (said["service.name"], said[attribute]) == ("asr", value)
    assert {"service.version", "service.instance.id"} <= said.keys()
    # Who knows better may say so.
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"{attribute}=other")
    assert resource_of("asr").attributes[attribute] == "other"


def test_a_process_says_nothing_of_where_it_runs_that_nobody_told_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_POD_NAME", " ")
    assert not [name for name in resource_of("asr").attributes if name.startswith("k8s.")]


def test_a_caller_who_does_not_sample_is_followed() -> None:
    unsampled = SpanIdentity(1, 2, sampled=False)
    span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("s", context_of(unsampled.traceparent))
    assert not span.is_recording()


async def flushed(telemetry: Telemetry) -> None:
    """Send what there is, while this loop serves who receives it."""
    await asyncio.to_thread(telemetry.flush)


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[list[tuple[dict[str, str], ExportTraceServiceRequest]], str]]:
    """A receiver of OTLP over HTTP."""
    received: list[tuple[dict[str, str], ExportTraceServiceRequest]] = []

    async def take(request: web.Request) -> web.Response:
        received.append((dict(request.headers), ExportTraceServiceRequest.FromString(await request.read())))
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield received, f"http://{host}:{port}"
    finally:
        await runner.cleanup()
