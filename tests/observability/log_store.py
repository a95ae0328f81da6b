"""What takes log lines where Loki would: OTLP over HTTP. No Loki is built here."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class Line:
    """One log line."""

    service: str
    trace_id: str
    """32 digits; empty: it is of no turn."""
    text: str
    attributes: frozenset[str]
    """Names of what stands beside it."""


@dataclass(slots=True)
class LogStore:
    """All lines that came."""

    lines: list[Line] = field(default_factory=list)
    address: str = ""
    """What STACK_LOG_STORE is to name."""

    async def take(self, request: web.Request) -> web.Response:
        """Answer as Loki does."""
        batch = ExportLogsServiceRequest.FromString(await request.read())
        for resource in batch.resource_logs:
            named = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            self.lines += [
                Line(
                    service=named.get("service.name", ""),
                    trace_id=record.trace_id.hex(),
                    text=record.body.string_value,
                    attributes=frozenset(pair.key for pair in record.attributes),
                )
                for scope in resource.scope_logs
                for record in scope.log_records
            ]
        body = ExportLogsServiceResponse().SerializeToString()
        return web.Response(body=body, content_type="application/x-protobuf")


@asynccontextmanager
async def open_log_store() -> AsyncIterator[LogStore]:
    """A store, until the block is left."""
    store = LogStore()
    app = web.Application()
    app.router.add_post("/otlp/v1/logs", store.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        store.address = f"http://127.0.0.1:{runner.addresses[0][1]}/otlp"
        yield store
    finally:
        await runner.cleanup()
