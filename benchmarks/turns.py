"""Mic-to-speaker latency of one person who says one thing after the other, with head starts and without, in one run.

Start Parley (`make run`), then: `PYTHONPATH=. python benchmarks/turns.py FOLDER [--turns 60]`. FOLDER holds NAME.flac
with the words in NAME.txt. Whatever of it is said in one breath, as `parley eval` judges that, is said as it was
recorded, in one session, and again from the beginning until there were so many turns; each answer is stopped after
0.6 s. The first turns of the session are counted like all others. `--pauses` says the rest, too: a turn with a pause in
it, and those after it, tell how a speaker who pauses is waited for, and not how quick an answer is.

For each run: mic to speaker, what of it was silence, and what came after that. `--each` tells every turn.
"""

from __future__ import annotations

import argparse
import asyncio
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from parley.conversation import SessionConfig, TurnReport, TurnTaking, UserUtterance
from parley.errors import InvalidInput
from parley_cli.eval import compose
from parley_cli.eval.clips import load_clips
from parley_cli.eval.scenes import Kind, Scene, Sitting, in_one_breath
from parley_cli.eval.score import word_errors
from parley_cli.eval.stage import Observed, perform
from parley_cli.percentiles import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from parley_cli.eval.clips import Clip


async def measure(url: str, clips: tuple[Clip, ...], options: argparse.Namespace, *, head_start: bool) -> None:
    scenes = tuple(
        Scene(Kind.FLUENT, clip.name, clip.sound, clip.words) for clip in islice(cycle(clips), options.turns)
    )
    sitting = Sitting("all of it", scenes, compose.room(5.0, np.random.default_rng(1)))
    config = SessionConfig(reports_playback=True, adaptive_ptime=True, turn_taking=TurnTaking(head_start=head_start))
    observed = await perform(url, sitting, config)
    heard = [(each.scene.name, report) for each in observed for _, report in each.of(TurnReport)]
    # A turn that was ended in a pause is followed by one of the rest; both were answered, and both count.
    answered = [(name, report) for name, report in heard if report.mic_to_speaker_ms is not None]
    reports = [report for _, report in answered]
    print(
        f"head start {'on ' if head_start else 'off'}: {len(reports)} turns, "
        f"mic to speaker {spread(report.mic_to_speaker_ms or 0.0 for report in reports)}, "
        f"silence {spread(report.waited_ms for report in reports)}, after it {spread(map(after_silence, reports))}, "
        f"ended too early {sum(report.too_early for report in reports)}, "
        f"least explained {min(report.explained for report in reports):.1%}, word error rate {error_rate(observed):.1%}"
    )
    if options.each:
        for name, report in answered:
            print(f"  {report.waited_ms:6.0f} + {after_silence(report):4.0f} ms  {name:<24} {report.transcript}")


def after_silence(report: TurnReport) -> float:
    """What was waited after the silence that ended the turn, in milliseconds."""
    return (report.mic_to_speaker_ms or 0.0) - report.waited_ms


def spread(milliseconds: Iterable[float]) -> str:
    """Their p50 and p95."""
    values = list(milliseconds)
    return f"p50 {percentile(values, 0.5):.0f} ms p95 {percentile(values, 0.95):.0f} ms"


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
    parser.add_argument("--pauses", action="store_true", help="say what has pauses within it, too")
    parser.add_argument("--each", action="store_true", help="tell each turn")
    options = parser.parse_args()
    speech = (await load_clips(options.folder, options.server)).speech
    clips = tuple(clip for clip in speech if options.pauses or in_one_breath(clip))
    if not clips:
        raise InvalidInput(f"nothing in {options.folder} is said in one breath: --pauses says the rest", field="folder")
    for head_start in (True, False):
        await measure(options.url, clips, options, head_start=head_start)


if __name__ == "__main__":
    asyncio.run(main())
