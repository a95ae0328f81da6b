"""The page, the command line and the trace tell the same times of a turn, whatever the clocks say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from parley.audio import decode_file
from parley.conversation import TurnReport, event_from_json
from parley_cli.waterfall import draw
from tests.end_to_end.chromium import CHROMIUM, RATE_HZ, Visitor, settle, status, visiting
from tests.end_to_end.tap import Recording, recorded
from tests.end_to_end.test_traces import Received, collecting
from tests.end_to_end.voice import SPEAKS, say
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playwright.async_api import Page

# Longer than a test takes on any machine.
SKEW_SECONDS: Final = 3_600
TOLERANCE_MS: Final = 20
# What the gateway and a server both measure for themselves: messages are on their way between them, and processes wait
# for their turn on a busy machine.
MEASURED_TWICE: Final = ("asr.transcribe", "llm.chat", "tts.synthesize")
TWICE_TOLERANCE_MS: Final = 200
# Where a voice ends is known to the detector's window of 32 ms, and by loudness to 10 ms.
BY_EAR_TOLERANCE_MS: Final = 45
# Of the recording: later there is a click, which ears would take for its end where the reply is no faster.
SPOKEN_SECONDS: Final = 1.6
# Amplitude of a reply's first sample, and RMS of 10 ms of a voice (-45 dB).
SOUND: Final = 1e-3
VOICE: Final = 10 ** (-45 / 20)
# The client's times; longer than this only a clock that is wrong can make them, however busy the machine is.
CLIENT: Final = ("client.capture", "client.uplink", "client.downlink", "client.jitter_buffer", "client.playout")
LONGEST_MS: Final = 10_000
FAKETIME: Final = os.environ.get("PARLEY_FAKETIME") or next(
    (str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None
)


@pytest.mark.timeout(180)
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("skewed", ["nobody", "servers", "browser"])
async def test_page_command_line_and_trace_agree(skewed: str, speech_dir: Path, tmp_path: Path) -> None:
    if skewed != "nobody" and FAKETIME is None:
        pytest.skip("libfaketime is not installed")
    recording = speech_dir / "v2j-time.flac"
    # A recording that Chromium itself plays has holes on a busy machine.
    visitor = Visitor(script=SPEAKS, environment=skew() if skewed == "browser" else {})
    async with collecting() as (collector, endpoint):
        async with open_house(
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_EXPORTER_OTLP_INSECURE="true",
            **(skew() if skewed == "servers" else {}),
        ) as house:
            async with visiting(f"{house.url}/?tap=1", visitor) as page:
                ahead = await page.evaluate("Date.now()") / 1000 - time.time()
                assert (ahead > SKEW_SECONDS / 2) == (skewed == "browser"), ahead
                shown, saved = await one_turn(page, recording, tmp_path)
                by_ear_ms = by_ear(await recorded(page))
            told, told_id = await talk(house.url, recording)
        # The processes have ended, and sent what they had left.
        spans = collector.spans
    traced = in_trace(spans, saved.trace_id)
    assert (traced.began - time.time() > SKEW_SECONDS / 2) == (skewed == "servers")
    agree(shown, traced.times)
    agree(as_shown_by_command_line(saved), traced.times)
    agree(told, in_trace(spans, told_id).times)
    assert abs(shown["total"][0].duration_ms - by_ear_ms) <= BY_EAR_TOLERANCE_MS
    assert by_ear_ms < LONGEST_MS
    assert all(0 <= shown[name][0].duration_ms <= LONGEST_MS for name in CLIENT if name in shown)
    assert saved.explained > 0.95
    assert saved.clock_uncertainty_ms < TOLERANCE_MS


@dataclass(frozen=True, slots=True)
class Span:
    """Some of a turn's time."""

    name: str
    """As in the trace."""
    start_ms: float | None
    """After the end of speech; None where that is not told."""
    duration_ms: float
    """How long."""


Times = dict[str, list[Span]]


@dataclass(frozen=True, slots=True)
class Traced:
    """One turn as its trace has it."""

    began: float
    """Where it begins, seconds since the Unix epoch on the gateway's clock."""
    times: Times
    """Its spans by name, and the "total"."""


def skew() -> dict[str, str]:
    """An environment whose clock is ahead."""
    assert FAKETIME is not None
    return {"LD_PRELOAD": FAKETIME, "FAKETIME": f"+{SKEW_SECONDS}s"}


async def one_turn(page: Page, recording: Path, folder: Path) -> tuple[Times, TurnReport]:
    """Let the recording be answered; what the page shows of the turn, and what it saves."""
    await page.click("#talk")
    await status(page, "listening")
    await say(page, decode_file(recording, RATE_HZ)[: 2 * round(RATE_HZ * SPOKEN_SECONDS)])
    await settle(page)
    slices = await page.eval_on_selector_all(
        "#slices li", "all => all.map(({ dataset }) => [dataset.name, +dataset.start, +dataset.duration])"
    )
    shown = times((Span(*each) for each in slices), float(await page.inner_text("#total")))
    async with page.expect_download() as waiting:
        await page.click("#export")
    await (await waiting.value).save_as(folder / "export.json")
    (turn,) = json.loads((folder / "export.json").read_text())["sessions"][0]["turns"]
    report = event_from_json(json.dumps({"turn_report": turn}))
    assert isinstance(report, TurnReport)
    return shown, report


def by_ear(recording: Recording) -> float:
    """Mic to speaker as anybody would measure it with two microphones: no clock of a program is in it."""
    window = recording.rate_hz // 100
    first_sound = int(np.flatnonzero(np.abs(recording.speaker) > SOUND)[0])
    before = recording.microphone[: first_sound - first_sound % window].reshape(-1, window)
    last_voiced = (int(np.flatnonzero(np.sqrt(np.mean(before**2, axis=1)) > VOICE)[-1]) + 1) * window
    return 1000 * ((first_sound - last_voiced) / recording.rate_hz + recording.latency_seconds)


def as_shown_by_command_line(report: TurnReport) -> Times:
    """The figures of a turn as `parley talk` draws them."""
    drawn = draw(report, "█")
    total = re.search(r"(\d+) ms from the end", drawn)
    assert total is not None
    rows = re.findall(r"^  ([a-z_.]+) *\|.*\| +([\d.]+) ms$", drawn, re.MULTILINE)
    return times((Span(name, None, float(duration)) for name, duration in rows), float(total[1]))


async def talk(url: str, recording: Path) -> tuple[Times, str]:
    """The same recording, spoken by the command line: the times that it tells, and the trace that has them too."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "parley_cli",
        "talk",
        str(recording),
        "--url",
        url,
        "--json",
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    report = json.loads(output.splitlines()[0])
    slices = (Span(each["name"], each["start_ms"], each["duration_ms"]) for each in report["waterfall"])
    return times(slices, report["mic_to_speaker_ms"]), report["trace_id"]


def in_trace(spans: list[Received], trace_id: str) -> Traced:
    """What a collector got of one turn."""
    trace = sorted(
        (each.span for each in spans if each.span.trace_id.hex() == trace_id),
        key=lambda span: span.start_time_unix_nano,
    )
    (root,) = [span for span in trace if not span.parent_span_id]
    began = root.start_time_unix_nano
    (first_audio,) = [event.time_unix_nano for span in trace for event in span.events if event.name == "first_audio"]
    told = [
        Span(span.name, (span.start_time_unix_nano - began) / 1e6, (end - span.start_time_unix_nano) / 1e6)
        for span in trace
        # A sentence is spoken on while it is heard; what was waited for is its first sound.
        for end in (span.end_time_unix_nano, *((first_audio,) if span.name == "tts.synthesize" else ()))
    ]
    return Traced(began / 1e9, times(told, (root.end_time_unix_nano - began) / 1e6))


def times(slices: Iterable[Span], total_ms: float) -> Times:
    """Slices by name, in their order; one name may have several."""
    told: dict[str, list[Span]] = {"total": [Span("total", None, total_ms)]}
    for each in slices:
        told.setdefault(each.name, []).append(each)
    return told


def agree(told: Times, traced: Times) -> None:
    """Every time that one side tells is in the trace within the tolerance."""
    apart = {name: min(gap(each[0], span) for span in traced[name]) for name, each in told.items() if name in traced}
    assert {"total", "client.capture", "asr.endpoint", "llm.chat", "tts.synthesize"} <= set(apart)
    within = dict.fromkeys(MEASURED_TWICE, TWICE_TOLERANCE_MS)
    assert {name: ms for name, ms in apart.items() if ms > within.get(name, TOLERANCE_MS)} == {}


def gap(some: Span, other: Span) -> float:
    """How far two spans are apart where they differ most, milliseconds."""
    begins = abs(some.start_ms - other.start_ms) if some.start_ms is not None and other.start_ms is not None else 0
    return max(begins, abs(some.duration_ms - other.duration_ms))
