"""Mic-to-speaker latency of one person who says one thing after the other, with head starts and without, in one run.

Start Parley (`make run`), then: `python benchmarks/turns.py FOLDER [--turns 60]`. FOLDER holds NAME.flac with the words
in NAME.txt; everything in it is said as it was recorded, in one session, and again from the beginning until there were
so many turns. Each answer is stopped after 0.6 s. The first turns of the session are counted like all others.
"""

from __future__ import annotations

import argparse
import asyncio
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from parley.conversation import SessionConfig, TurnReport, TurnTaking, UserUtterance
from parley_cli.eval import compose
from parley_cli.eval.clips import load_clips
from parley_cli.eval.scenes import Kind, Scene, Sitting
from parley_cli.eval.score import word_errors
from parley_cli.eval.stage import Observed, perform
from parley_cli.percentiles import percentile

if TYPE_CHECKING:
    from parley_cli.eval.clips import Clip


async def measure(url: str, clips: tuple[Clip, ...], turns: int, *, head_start: bool) -> None:
    scenes = tuple(Scene(Kind.FLUENT, clip.name, clip.sound, clip.words) for clip in islice(cycle(clips), turns))
    sitting = Sitting("all of it", scenes, compose.room(5.0, np.random.default_rng(1)))
    config = SessionConfig(reports_playback=True, turn_taking=TurnTaking(head_start=head_start))
    observed = await perform(url, sitting, config)
    reports = [report for each in observed for _, report in each.of(TurnReport) if report.mic_to_speaker_ms is not None]
    # A turn that was ended in a pause is followed by one of the rest; both were answered, and both count.
    latencies = [report.mic_to_speaker_ms or 0.0 for report in reports]
    print(
        f"head start {'on ' if head_start else 'off'}: {len(latencies)} turns, "
        f"mic to speaker p50 {percentile(latencies, 0.5):.0f} ms, p95 {percentile(latencies, 0.95):.0f} ms, "
        f"least explained {min(report.explained for report in reports):.1%}, word error rate {error_rate(observed):.1%}"
    )


def error_rate(observed: list[Observed]) -> float:
    counts = [
        word_errors(each.scene.words, " ".join(said.text for _, said in each.of(UserUtterance))) for each in observed
    ]
    return sum(wrong for wrong, _ in counts) / sum(said for _, said in counts)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--server", default="127.0.0.1:50053", help="the TTS server")
    parser.add_argument("--turns", type=int, default=60)
    options = parser.parse_args()
    clips = await load_clips(options.folder, options.server)
    for head_start in (True, False):
        await measure(options.url, clips.speech, options.turns, head_start=head_start)


if __name__ == "__main__":
    asyncio.run(main())
