"""Mic-to-speaker latency over recordings, one session at a time, with head starts and without, in one run.

Start Parley (`make run`), then: `python benchmarks/turns.py FOLDER [--turns 30]`. FOLDER holds NAME.flac with the words
in NAME.txt; the words give the word error rate. Figures are of turns that were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
from pathlib import Path

import jiwer

from parley.audio import decode_file
from parley.cli.bench import percentile
from parley.cli.opus import MIC_RATE_HZ
from parley.cli.socket import converse
from parley.cli.talk import Talker
from parley.conversation import Event, SessionConfig, TurnReport, TurnTaking


def words(text: str) -> str:
    return " ".join(re.sub(r"[^\w' ]+", " ", text.lower().replace("-", " ")).split()) or "-"


async def turns_of(url: str, file: Path, *, head_start: bool) -> list[TurnReport]:
    reports: list[TurnReport] = []

    def keep(event: Event) -> None:
        if isinstance(event, TurnReport):
            reports.append(event)

    config = SessionConfig(reports_playback=True, turn_taking=TurnTaking(head_start=head_start))
    async with converse(url) as conversation:
        await Talker(conversation, decode_file(file, MIC_RATE_HZ), config).run(keep)
    return reports


async def measure(url: str, folder: Path, turns: int, *, head_start: bool) -> None:
    files = sorted(path.with_suffix(".flac") for path in folder.glob("*.txt"))
    latencies: list[float] = []
    explained: list[float] = []
    said: dict[Path, str] = {}
    for file in itertools.cycle(files):
        reports = await turns_of(url, file, head_start=head_start)
        said.setdefault(file, " ".join(report.transcript for report in reports))
        latencies += [report.mic_to_speaker_ms for report in reports if report.mic_to_speaker_ms]
        explained += [report.explained for report in reports if report.mic_to_speaker_ms]
        if len(latencies) >= turns:
            break
    references = [words(file.with_suffix(".txt").read_text()) for file in said]
    error = jiwer.wer(references, [words(text) for text in said.values()])
    print(
        f"head start {'on ' if head_start else 'off'}: {len(latencies)} turns, "
        f"mic to speaker p50 {percentile(latencies, 0.5):.0f} ms, p95 {percentile(latencies, 0.95):.0f} ms, "
        f"least explained {min(explained):.1%}, word error rate {error:.1%} over {len(said)} recordings"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--turns", type=int, default=30)
    options = parser.parse_args()
    for head_start in (True, False):
        await measure(options.url, options.folder, options.turns, head_start=head_start)


if __name__ == "__main__":
    asyncio.run(main())
