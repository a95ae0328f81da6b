"""Whether a trace says what a listener hears: the critical path of turns against the sound that came out.

A recording is spoken to four real processes, one conversation after the other. It is cut in the last vowel before its
first pause, where nobody can doubt that the voice ends, and begins a little later each time, so that the end lies
anywhere in a packet. From outside, the time is that from the last sample of the voice, as the microphone took it up, to
the first sample that is no silence in what the loudspeaker played. From inside, it is the sum of the steps of the
trace's critical path. Told are both for each turn, their difference, and how much of the root its children explain.
`PYTHONPATH=. python benchmarks/heard.py [FILE ...] [--turns 30]`; status 1 when a difference is over 20 ms, or a turn
less than 95 % explained.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.audio import SAMPLE_BYTES, decode_file
from parley.conversation import SessionConfig, TurnReport
from parley.waterfall import ROOT, critical_path, self_ms
from parley_cli.client import MIC_RATE_HZ, EventLog, Listener, converse, encoded, packet_of
from parley_cli.talk import default_recording
from parley_cli.trace.otlp import spans_of
from tests.end_to_end.test_traces import collecting
from tests.end_to_end.whole import open_house
from tests.parley_cli.trace.stand_ins import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.end_to_end.test_traces import Received

ALLOWED_MS: Final = 20.0
LEAST_EXPLAINED: Final = 0.95
PATIENCE_SECONDS: Final = 60.0
# A quarter of the loudest 10 ms is within a vowel, and 60 dB below the loudest sample there can be is no sound.
VOWEL: Final = 0.25
SILENCE: Final = 32
FRAME: Final = MIC_RATE_HZ // 100
PAUSE_FRAMES: Final = 30
# Coprime to a packet of 20 ms, so that every place in it has its turn.
SHIFT: Final = 7 * MIC_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Heard:
    """One turn from outside, in seconds since the Unix epoch."""

    trace_id: str
    speech_end: float
    first_sound: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One turn from both sides; what is off is so against the outside."""

    heard_ms: float
    path_ms: float
    speech_end_off_ms: float
    first_sound_off_ms: float
    explained: float

    @property
    def difference_ms(self) -> float:
        return self.path_ms - self.heard_ms


def cut(pcm: bytes) -> bytes:
    """A recording up to the last vowel before its first pause."""
    sound = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.sqrt((frames**2).mean(axis=1))
    vowels = np.flatnonzero(levels > VOWEL * levels.max())
    before_pauses = vowels[np.diff(vowels, append=len(levels) + PAUSE_FRAMES) >= PAUSE_FRAMES]
    return pcm[: SAMPLE_BYTES * FRAME * (int(before_pauses[0]) + 1)]


async def hold(url: str, pcm: bytes) -> Heard:
    """Speak `pcm` in a conversation of its own, and listen to the reply."""
    log = EventLog()
    async with converse(url) as conversation:
        microphone = encoded(partial(packet_of, pcm))
        listener = Listener(conversation, microphone, log, SessionConfig(reports_playback=True, adaptive_ptime=True))
        async with asyncio.timeout(PATIENCE_SECONDS):
            report = await listener.during(lambda: log.first(TurnReport))
    speaker = listener.loudspeaker
    ended = listener.captured_at(len(pcm) // SAMPLE_BYTES)
    played = np.abs(np.frombuffer(speaker.recording, dtype="<i2").astype(np.int32)) > SILENCE
    after = max(0, round((ended - speaker.began_seconds) * speaker.sample_rate_hz))
    first = after + int(np.argmax(played[after:]))
    return Heard(report.trace_id, ended, speaker.began_seconds + first / speaker.sample_rate_hz)


def compare(heard: Heard, received: Sequence[Received]) -> Compared:
    """A turn against its trace."""
    trace = [each for each in received if each.span.trace_id.hex() == heard.trace_id]
    (root,) = (each.span for each in trace if each.span.name == ROOT)
    spans = spans_of({"resourceSpans": as_json(trace)})
    path_ms = sum(step.duration_ms for step in critical_path(spans))
    own_ms = next(each for span, each in zip(spans, self_ms(spans), strict=True) if span.name == ROOT)
    return Compared(
        (heard.first_sound - heard.speech_end) * 1000,
        path_ms,
        root.start_time_unix_nano / 1e6 - heard.speech_end * 1000,
        root.end_time_unix_nano / 1e6 - heard.first_sound * 1000,
        1 - own_ms / path_ms,
    )


def tell(turns: Sequence[Compared]) -> bool:
    """Print them; True when all are as they should be."""
    print("turn   heard ms    path ms  difference = first sound - end of speech   explained")
    for number, turn in enumerate(turns, start=1):
        times = f"{turn.heard_ms:>10.1f} {turn.path_ms:>10.1f} {turn.difference_ms:>+11.1f}"
        ends = f"{turn.first_sound_off_ms:>+13.1f} {turn.speech_end_off_ms:>+15.1f}"
        print(f"{number:>4} {times} {ends} {turn.explained:>11.1%}")
    differences = [abs(turn.difference_ms) for turn in turns]
    within = sum(each <= ALLOWED_MS for each in differences)
    explained = sum(turn.explained >= LEAST_EXPLAINED for turn in turns)
    print(f"within {ALLOWED_MS:.0f} ms: {within} of {len(turns)}, median {statistics.median(differences):.1f} ms")
    print(f"explained to {LEAST_EXPLAINED:.0%}: {explained} of {len(turns)}")
    return within == explained == len(turns)


async def run(files: Sequence[str], count: int) -> bool:
    """Hold the turns, and compare."""
    recordings = [cut(decode_file(file, MIC_RATE_HZ)) for file in files or [str(default_recording())]]
    heard = []
    async with collecting() as (collector, endpoint):
        async with open_house(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_INSECURE="true") as parley:
            for number, pcm in enumerate(itertools.islice(itertools.cycle(recordings), count)):
                heard.append(await hold(parley.url, bytes(SAMPLE_BYTES * SHIFT * number) + pcm))
        # The processes have ended, and sent what they had left.
        return tell([compare(each, collector.spans) for each in heard])


def main() -> int:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="recordings; a question that comes with Parley")
    parser.add_argument("--turns", type=int, default=30)
    options = parser.parse_args()
    return 0 if asyncio.run(run(options.files, options.turns)) else 1


if __name__ == "__main__":
    sys.exit(main())
