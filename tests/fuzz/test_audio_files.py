"""Sound files that were cut off, damaged, joined or never any: sound, or one line that says why not.

`PARLEY_FUZZ_SECONDS=300 make test ARGS="tests/fuzz/test_audio_files.py -s --timeout=600"` is the long form.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from parley.audio import read_recording
from parley.errors import InvalidInput
from tests.parley.sound_files import KINDS, RATE_HZ, encoded, tone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The short form is counted and not timed, so that it says the same everywhere.
SHORT_FORM: Final = 300
LONG_FORM_SECONDS: Final = float(os.environ.get("PARLEY_FUZZ_SECONDS") or 0)
# A header may turn seconds into hours; what is decoded is bounded, and so are memory and time.
LONGEST_SECONDS: Final = 60.0
MOST_BYTES: Final = round(2 * (LONGEST_SECONDS + 35) * RATE_HZ)
MOST_GROWTH_BYTES: Final = 200_000_000
HEADER_BYTES: Final = 200


@dataclass
class Tally:
    """What has come of the files so far."""

    sounds: int = 0
    refusals: int = 0
    longest_seconds: float = 0.0
    slowest: str = ""

    @property
    def files(self) -> int:
        return self.sounds + self.refusals


def spoilt(whole: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """One file after the other, each spoilt in one to three ways."""
    while True:
        data = chance.choice(whole)
        for _ in range(chance.randint(1, 3)):
            data = chance.choice((_cut, _flipped, _overwritten, _repeated, _without, _joined))(data, whole, chance)
        yield data


def _cut(data: bytes, _whole: list[bytes], chance: random.Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _flipped(data: bytes, _whole: list[bytes], chance: random.Random) -> bytes:
    """Some bits are others; half of the time in the header, where they matter most."""
    spoilt_data = bytearray(data)
    end = min(len(data), chance.choice((HEADER_BYTES, len(data))))
    for _ in range(chance.randint(1, 20)):
        if end:
            spoilt_data[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(spoilt_data)


def _overwritten(data: bytes, _whole: list[bytes], chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    length = chance.choice((1, 4, 8, 300))
    filler = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return data[:start] + filler + data[start + length :]


def _repeated(data: bytes, _whole: list[bytes], chance: random.Random) -> bytes:
    start, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:end] + data[start:end] * chance.randint(1, 3) + data[end:]


def _without(data: bytes, _whole: list[bytes], chance: random.Random) -> bytes:
    start, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:start] + data[end:]


def _joined(data: bytes, whole: list[bytes], chance: random.Random) -> bytes:
    return data + chance.choice(whole)


def read(data: bytes, file: Path, tally: Tally) -> None:
    """Read one, and see that it is sound, or one line."""
    file.write_bytes(data)
    began = time.process_time()
    recording, told = None, ""
    try:
        recording = read_recording(file, RATE_HZ, LONGEST_SECONDS)
    except InvalidInput as error:
        told = str(error)
    took = time.process_time() - began
    assert "\n" not in told
    if recording is None:
        tally.refusals += 1
        assert told.startswith(str(file))
    else:
        tally.sounds += 1
        assert 0 < len(recording.pcm) <= MOST_BYTES
        assert len(recording.pcm) % 2 == 0
        assert all("\n" not in fault for fault in recording.faults)
    if took > tally.longest_seconds:
        tally.longest_seconds, tally.slowest = took, data[:12].hex()


@pytest.fixture(scope="module")
def whole() -> list[bytes]:
    files = [encoded(kind, tone(0.5)) for kind in KINDS] + [encoded(kind, tone(0.3), tone(0.3, 500)) for kind in KINDS]
    return [*files, encoded("m4a", tone(0.5), options={"movflags": "faststart"})]


@pytest.mark.timeout(LONG_FORM_SECONDS + 120)
def test_whatever_is_in_a_file_gives_sound_or_one_line(whole: list[bytes], tmp_path: Path) -> None:
    chance = random.Random(time.time_ns() if LONG_FORM_SECONDS else 1)  # noqa: S311 - no secret
    tally, began = Tally(), time.monotonic()
    files = spoilt(whole, chance)
    for data in whole:
        read(data, tmp_path / "sound", tally)
    before = _memory_bytes()
    while tally.files < SHORT_FORM or time.monotonic() - began < LONG_FORM_SECONDS:
        read(next(files), tmp_path / "sound", tally)
    grown = _memory_bytes() - before
    sys.stdout.write(
        f"{tally.files} files: {tally.sounds} gave sound, {tally.refusals} a line; the slowest took "
        f"{tally.longest_seconds * 1000:.0f} ms ({tally.slowest}); memory grew by {grown / 1e6:.1f} MB at its highest\n"
    )
    assert tally.sounds
    assert tally.refusals
    assert grown < MOST_GROWTH_BYTES


def _memory_bytes() -> int:
    """Highest so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
