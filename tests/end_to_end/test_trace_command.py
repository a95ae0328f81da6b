"""`parley trace` shows real turns of four processes, from the gateway's memory and as a trace store gives them back."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from parley.audio import decode_file
from parley.conversation import TurnReport
from parley_cli.client import EventLog, Talker, converse
from parley_cli.trace import show, show_slowest
from tests.end_to_end.test_traces import collecting
from tests.end_to_end.whole import open_house
from tests.parley_cli.gateways import served
from tests.parley_cli.trace.stand_ins import tempo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(180)
async def test_a_real_trace_is_shown_with_a_path_as_long_as_its_listener_waited(
    speech_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = EventLog()
    async with collecting() as (collector, endpoint):
        async with open_house(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_INSECURE="true") as parley:
            for name in ("v2j-time", "living-room-light"):
                async with asyncio.timeout(60), converse(parley.url) as conversation:
                    await Talker(conversation, decode_file(speech_dir / f"{name}.flac", 48_000)).run(log)
            await is_remembered(parley.url, log.of(TurnReport), capsys)
        # The processes have ended, and sent what they had left.
        spans = collector.spans
    async with served(tempo(spans)) as url:
        for report in log.of(TurnReport):
            assert await show("", url, report.trace_id, as_json=True) == 0
            check(json.loads(capsys.readouterr().out), report)
        assert await show_slowest("", url, 2, as_json=False) == 0
    longest = max(log.of(TurnReport), key=lambda report: report.mic_to_speaker_ms or 0.0)
    assert capsys.readouterr().out.splitlines()[1].endswith(longest.trace_id)


async def is_remembered(url: str, reports: list[TurnReport], capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway has all of the turns, with their waterfalls."""
    for report in reports:
        assert await show(url, "", report.trace_id, as_json=True) == 0
        turn = json.loads(capsys.readouterr().out)
        assert (turn["trace_id"], turn["turn"], turn["kind"]) == (report.trace_id, report.turn, "spoken")
        path = sum(step["duration_ms"] for step in turn["critical_path"])
        assert path == pytest.approx(report.mic_to_speaker_ms, abs=0.01)
    assert await show(url, "", "last", as_json=False) == 0
    assert reports[-1].trace_id in capsys.readouterr().out
    assert await show_slowest(url, "", 9, as_json=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {json.loads(line)["trace_id"] for line in lines} == {report.trace_id for report in reports}


def check(turn: dict[str, object], report: TurnReport) -> None:
    steps, spans = turn["critical_path"], turn["spans"]
    assert isinstance(steps, list)
    assert isinstance(spans, list)
    assert turn["turn"] == report.turn
    assert report.mic_to_speaker_ms is not None
    assert turn["mic_to_speaker_ms"] == pytest.approx(report.mic_to_speaker_ms, abs=1)
    assert sum(step["duration_ms"] for step in steps) == pytest.approx(report.mic_to_speaker_ms, abs=1)
    assert {"client.capture", "asr.endpoint", "gateway.encode"} <= {step["name"] for step in steps}
    assert {"gateway", "asr", "llm", "tts"} <= {span["service"] for span in spans}
    assert str(turn["advice"]).startswith("Look first at ")
    assert report.transcript.lower().strip("?. ") not in json.dumps(turn).lower()
