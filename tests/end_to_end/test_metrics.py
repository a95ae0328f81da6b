"""What four real processes tell Prometheus: the documented metrics, with the documented labels, and nobody's words."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from parley import asr, llm, tts
from parley.conversation import SessionConfig, TurnReport, UserText
from parley.errors import ParleyError
from parley_cli.client import EventLog, Listener, converse
from parley_cli.client.microphone import encoded, packet_of
from tests.end_to_end.test_traces import collecting
from tests.end_to_end.whole import open_house
from tests.metrics_table import documented

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from prometheus_client import Metric

    from tests.end_to_end.whole import House

STRANGE: Final = "zanzibar"
"""Stands wherever a client may choose a word."""
EXPORTS: Final = {"OTEL_EXPORTER_OTLP_INSECURE": "true", "OTEL_LOGS_EXPORTER": "otlp"}
"""What there is to count of exports is there when something is exported."""
SERVICES: Final = {
    "gateway": "PARLEY_GATEWAY_PORT",
    "asr": "PARLEY_ASR_METRICS_PORT",
    "llm": "PARLEY_LLM_METRICS_PORT",
    "tts": "PARLEY_TTS_METRICS_PORT",
}


async def scrape(house: House, service: str) -> tuple[str, list[Metric]]:
    """A page of metrics as Prometheus asks for it, and what stands in it."""
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    url = f"http://{house.address(SERVICES[service])}/metrics"
    async with aiohttp.ClientSession(headers=accept) as http, http.get(url) as response:
        page = await response.text()
    families = list(text_string_to_metric_families(page))  # type: ignore[no-untyped-call]  # theirs has no types
    return page, [family for family in families if family.name.startswith("parley_")]


async def type_a_turn(house: House, config: SessionConfig) -> None:
    log = EventLog()

    async def scene() -> None:
        await listener.send(UserText(STRANGE))
        await log.until(lambda: bool(log.of(TurnReport)))

    async with converse(house.url) as conversation:
        listener = Listener(conversation, encoded(partial(packet_of, b"")), log, config)
        await listener.during(scene)


async def one(request: tts.Request) -> AsyncIterator[tts.Request]:
    yield request


async def ask_strangely(house: House) -> None:
    """Ask each server with names that nobody knows, whatever it makes of them."""
    name, long = STRANGE, f"{STRANGE}-{'x' * 200}"
    async with llm.LlmClient(house.address("PARLEY_LLM_PORT")) as client:
        config = llm.Config((llm.Message(llm.Role.USER, name),), session_id=long, tools=(llm.Tool(name, name),))
        with suppress(ParleyError):
            async with client.chat(config) as replies:
                [_ async for _ in replies]
    async with tts.TtsClient(house.address("PARLEY_TTS_PORT")) as client:
        for voiced in (tts.Config(voice=name), tts.Config(language=name), tts.Config(session_id=long)):
            with suppress(ParleyError):
                async with client.synthesize(voiced, one(name)) as sounds:
                    [_ async for _ in sounds]
    async with asr.AsrClient(house.address("PARLEY_ASR_PORT")) as client:
        for heard in (asr.Config(language=name), asr.Config(session_id=long, hints=(name,))):
            with suppress(ParleyError):
                async with client.transcribe(one_config(heard)) as events:
                    [_ async for _ in events]


async def one_config(config: asr.Config) -> AsyncIterator[asr.Request]:
    yield config


@pytest.mark.timeout(120)
async def test_a_real_scrape_has_what_is_documented_and_no_name_that_a_client_chose() -> None:
    async with (
        collecting() as (_, endpoint),
        open_house("scripted", **EXPORTS, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as house,
    ):
        async with asyncio.timeout(60):
            await type_a_turn(house, SessionConfig(reports_playback=True, instructions=STRANGE, hints=(STRANGE,)))
            await ask_strangely(house)
            for refused in (SessionConfig(voice=STRANGE), SessionConfig(language=STRANGE)):
                with suppress(ParleyError):
                    await type_a_turn(house, refused)
        pages = {service: await scrape(house, service) for service in SERVICES}
    table = documented()
    for service, (page, families) in pages.items():
        assert STRANGE not in page.lower()
        assert {family.name for family in families} == {
            name for name, metric in table.items() if service in metric.services
        }
        for family in families:
            check(family, service)


def check(family: Metric, service: str) -> None:
    """A metric is what the table says, its labels and their values too."""
    known = documented()[family.name]
    assert family.type == known.kind, family.name
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        assert labels.keys() == known.labels.keys(), sample
        assert all(known.allows(name, value) for name, value in labels.items()), sample
        # The gateway has figures of each of its servers.
        assert "address" in labels or labels.get("service", service) == service
