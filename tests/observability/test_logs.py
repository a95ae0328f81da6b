"""Log lines come through a real Collector to where its configuration sends them: with their traces, without words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.observability.turns import CANARY
from tests.programs import eventually

if TYPE_CHECKING:
    from tests.observability.conftest import Held

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

_TRACE: Final = bytes(range(1, 17))


async def test_every_turn_has_a_line_that_leads_to_its_trace(held: Held) -> None:
    ids = {report.trace_id for report in held.evening.reports}

    async def told() -> bool | None:
        return ids <= {line.trace_id for line in held.logs.lines if line.service == "gateway"} or None

    await eventually(told, "a line of the gateway for every turn")


async def test_no_words_are_in_any_line(held: Held) -> None:
    assert {line.service for line in held.logs.lines} >= {"gateway", "llm", "tts"}
    assert [line for line in held.logs.lines if CANARY in line.text] == []


async def test_words_that_somebody_puts_beside_a_line_are_taken_out(held: Held) -> None:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "somebody"
    record = resource.scope_logs.add().log_records.add(trace_id=_TRACE, severity_text="INFO")
    record.body.string_value = "turn 1: completed"
    record.attributes.add(key="parley.pii.text").value.string_value = CANARY
    record.attributes.add(key="session").value.string_value = "a session"
    headers = {"Content-Type": "application/x-protobuf"}
    async with aiohttp.ClientSession() as http:
        body = request.SerializeToString()
        async with http.post(f"{held.stack.otlp_http}/v1/logs", data=body, headers=headers) as response:
            assert response.ok

    async def came() -> frozenset[str] | None:
        return next((line.attributes for line in held.logs.lines if line.trace_id == _TRACE.hex()), None)

    assert await eventually(came, "the line") == {"session"}
