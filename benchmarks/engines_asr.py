"""Prints what batching is worth on this machine: transcriptions a second and how long each waits, by sessions.

    python benchmarks/engines_asr.py FOLDER_OF_A_WHISPER [--device cuda] [--sound speech.flac] [--rounds 4]

Every session asks again as soon as it has its words, for a partial three times out of four, and for a final else; the
scheduler is the server's own. Without a recording it transcribes noise, on which a model says what it likes.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import statistics
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engines.whisper.faster_whisper import WhisperEngine
from asr_server.engines.whisper.options import WhisperOptions
from asr_server.scheduler import Scheduler
from parley.audio import decode_file, to_float32
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RATE_HZ: Final = 16_000
SECONDS: Final = 4.0
SESSIONS: Final = (1, 4, 16, 64)
PARTIALS_TO_A_FINAL: Final = 3


@dataclasses.dataclass(slots=True)
class Waited:
    """Seconds from asking to the words."""

    finals: list[float] = dataclasses.field(default_factory=list)
    """Of finals."""
    partials: list[float] = dataclasses.field(default_factory=list)
    """Of partials."""


async def session(
    scheduler: Scheduler, engine: WhisperEngine, sounds: Iterator[NDArray[np.float32]], rounds: int
) -> Waited:
    """One session's utterances, each looked at while it grows."""
    waited, recognizer = Waited(), engine.recognizer(engine.languages[0], ())
    for _ in range(rounds):
        sound = next(sounds)
        for part in range(1, PARTIALS_TO_A_FINAL + 1):
            asked = time.perf_counter()
            await scheduler.partial(recognizer, recognizer, sound[: len(sound) * part // (PARTIALS_TO_A_FINAL + 1)])
            waited.partials.append(time.perf_counter() - asked)
        asked = time.perf_counter()
        await scheduler.final(recognizer, sound)
        waited.finals.append(time.perf_counter() - asked)
    return waited


def utterances(sound: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Runs of four seconds, each a little further on."""
    size, at = round(SECONDS * RATE_HZ), 0
    while True:
        yield np.roll(sound, -at)[:size].copy()
        at += RATE_HZ // 3


async def measure(engine: WhisperEngine, sound: NDArray[np.float32], *, sessions: int, batch: bool, rounds: int) -> str:
    """A line of figures."""
    worker = Worker("engine")
    scheduler, sounds = Scheduler(worker, engine if batch else None), utterances(sound)
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(session(scheduler, engine, sounds, rounds)) for _ in range(sessions)]
    took = time.perf_counter() - begun
    worker.close()
    finals = [each for task in running for each in task.result().finals]
    partials = [each for task in running for each in task.result().partials]
    rate = (len(finals) + len(partials)) / took
    how = f"{engine.most} at once" if batch else "one by one"
    return (
        f"{sessions:8d}  {how:>12}  {rate:8.1f}  {statistics.median(finals) * 1000:9.0f}  {max(finals) * 1000:9.0f}"
        f"  {statistics.median(partials) * 1000:9.0f}  {max(partials) * 1000:9.0f}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with a Whisper for CTranslate2, or a size")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batch", type=int, default=16, help="most in one call")
    parser.add_argument("--sound", help="a recording")
    parser.add_argument("--language", default="en")
    parser.add_argument("--rounds", type=int, default=4, help="finals of each session")
    given = parser.parse_args()
    options = WhisperOptions(given.model, device=given.device, batch=given.batch, language=given.language)
    engine = WhisperEngine(options)
    engine.load()
    noise = (np.random.default_rng(0).normal(size=60 * RATE_HZ) * 0.05).astype(np.float32)
    sound = to_float32(decode_file(given.sound, RATE_HZ)) if given.sound else noise
    print("sessions           how     per s   final ms    at most  partial ms    at most")
    for sessions in SESSIONS:
        for batch in (False, True):
            print(asyncio.run(measure(engine, sound, sessions=sessions, batch=batch, rounds=given.rounds)))


if __name__ == "__main__":
    main()
