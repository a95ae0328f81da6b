"""What conversations with real engines cost: processor time of each process, and how long is waited for what.

    PYTHONPATH=. python benchmarks/conversations.py [--sessions 1,4,16] [--asr moonshine,faster-whisper] [--turns 12]

Everything is started anew for each line, of the embedded profile with its voice (hibari). Every session says the
sentences of `parley eval`, each from another one on, and stops each answer after 0.6 s: some 5 s a turn, so a line
takes a minute and the start. `faster-whisper` is OpenAI's tiny.en, from the weights that `make test-engines` fetches.
`--servers 0 --clients 1` keep Parley and its listeners to cores of their own.

Told are, for one conversation: per cent of a core of each process while it lasts. Then milliseconds, p50 and p95:
`words`, from asking the engine for the words of a turn until it had them, its queue included; `beyond`, what a listener
waited beyond the silence that ended the turn; `own`, what of that was neither engines, nor network and playback.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final

import aiohttp
import numpy as np

from parley.conversation import SessionConfig, TurnReport, TurnTaking
from parley.waterfall import critical_path, of_slices
from parley_cli.bench.usage import pages, usage
from parley_cli.eval import compose
from parley_cli.eval.clips import load_clips
from parley_cli.eval.scenes import Kind, Scene, Sitting
from parley_cli.eval.stage import perform
from parley_cli.percentiles import percentile
from tests.end_to_end.whole import House, open_checkout
from tests.engines.weights import whisper_tiny_en

if TYPE_CHECKING:
    from parley_cli.eval.clips import Clip

# What is not Parley's own: silence, engines, and what lies beyond the gateway.
NOT_OWN: Final = ("client.", "asr.endpoint", "asr.end_of_turn", "asr.transcribe", "llm.chat", "tts.synthesize")
WORDS: Final = "asr.transcribe"
MODULES: Final = {"edge_gateway": "gateway", "asr_server": "ASR", "llm_server": "LLM", "tts_server": "TTS"}


def settings(engine: str) -> dict[str, str]:
    """The variables that choose a recogniser."""
    if engine == "moonshine":
        return {"PARLEY_ASR_ENGINE": engine}
    return {"PARLEY_ASR_ENGINE": engine, "PARLEY_ASR_MODEL": str(whisper_tiny_en())}


def sitting(clips: tuple[Clip, ...], number: int, turns: int) -> Sitting:
    """What one session says."""
    said = islice(cycle(clips), number, number + turns)
    scenes = tuple(Scene(Kind.FLUENT, clip.name, clip.sound, clip.words) for clip in said)
    return Sitting(f"session {number}", scenes, compose.room(5.0, np.random.default_rng(number)))


async def held(house: House, clips: tuple[Clip, ...], number: int, turns: int) -> list[TurnReport]:
    """One conversation; gives its turns."""
    # They do not begin to speak all at once.
    await asyncio.sleep(number * 0.37 % 5)
    config = SessionConfig(reports_playback=True, adaptive_ptime=True, turn_taking=TurnTaking(head_start=True))
    observed = await perform(house.url, sitting(clips, number, turns), config)
    return [report for each in observed for _, report in each.of(TurnReport) if report.mic_to_speaker_ms is not None]


def own_ms(report: TurnReport) -> float:
    """What Parley added to a turn."""
    total = report.mic_to_speaker_ms or 0.0
    spans = of_slices(total, ((each.name, each.start_ms, each.duration_ms) for each in report.waterfall))
    return sum(step.duration_ms for step in critical_path(spans) if not step.name.startswith(NOT_OWN))


def quantiles(values: list[float]) -> str:
    return f"{percentile(values, 0.5):5.0f} /{percentile(values, 0.95):5.0f}" if values else "      –     "


async def measure(engine: str, sessions: int, given: argparse.Namespace) -> str:
    """A line of figures."""
    python = (*(("taskset", "-c", given.servers) if given.servers else ()), sys.executable)
    async with open_checkout(python, None, "embedded", settings(engine)) as house, aiohttp.ClientSession() as http:
        os.environ.update({name: str(port) for name, port in house.ports.items()})
        clips = (await load_clips(None, house.address("PARLEY_TTS_PORT"))).speech
        told = await pages(http, house.url)
        before, began, own_began = await usage(http, told), time.monotonic(), time.process_time()
        async with asyncio.TaskGroup() as tasks:
            talks = [tasks.create_task(held(house, clips, number, given.turns)) for number in range(sessions)]
        after, seconds, listeners = (
            await usage(http, told),
            time.monotonic() - began,
            time.process_time() - own_began,
        )
    if isinstance(before, str) or isinstance(after, str):
        raise SystemExit(f"{before} or {after} does not say what its process used")
    reports = [report for talk in talks for report in talk.result()]
    shares = {name: (after[name].cpu_seconds - before[name].cpu_seconds) / seconds * 100 for name in MODULES}
    words = [each.duration_ms for report in reports for each in report.waterfall if each.name == WORDS]
    each = " ".join(f"{shares[name] / sessions:7.2f}" for name in MODULES)
    return (
        f"{engine:<15}{sessions:>4} {len(reports):>6} {each} {sum(shares.values()) / sessions:7.2f}"
        f" {sum(shares.values()):6.0f} {listeners / seconds * 100:6.0f}"
        f"  {quantiles(words)}"
        f"  {quantiles([(report.mic_to_speaker_ms or 0.0) - report.waited_ms for report in reports])}"
        f"  {quantiles([own_ms(report) for report in reports])}"
        f"  {quantiles([report.mic_to_speaker_ms or 0.0 for report in reports])}"
    )


async def main() -> None:
    """Read the arguments, measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", default="1,4,16")
    parser.add_argument("--asr", default="moonshine,faster-whisper")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--servers", default="", help="core of Parley's processes")
    parser.add_argument("--clients", default="", help="core of the listeners")
    given = parser.parse_args()
    if given.clients:
        os.sched_setaffinity(0, {int(given.clients)})
    heads = " ".join(f"{name:>7}" for name in MODULES.values())
    print(
        f"{'recogniser':<15}   N  turns {heads}     sum  all N  heard"
        "   words          beyond         own            mic to speaker"
    )
    for engine in given.asr.split(","):
        for sessions in given.sessions.split(","):
            print(await measure(engine, int(sessions), given), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
