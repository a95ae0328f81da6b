"""Sound files that were cut off, damaged, joined or never any: sound, or one line that says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from parley.audio import read_recording
from parley.errors import InvalidInput
from tests.fuzz.common import FUZZER, chances, fuzz
from tests.parley.sound_files import KINDS, RATE_HZ, encoded, tone

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

pytestmark = FUZZER

# A header may turn seconds into hours; what is decoded is bounded, and so are memory and time.
LONGEST_SECONDS: Final = 60.0
# One frame may go beyond it: those of FLAC have 65,535 samples, and the least rate is 2,000 a second.
MOST_BYTES: Final = round(2 * (LONGEST_SECONDS + 33) * RATE_HZ)
HEADER_BYTES: Final = 200


@pytest.fixture(scope="module")
def whole() -> list[bytes]:
    """Files of every kind, with one channel and with two."""
    files = [encoded(kind, tone(0.5)) for kind in KINDS] + [encoded(kind, tone(0.3), tone(0.3, 500)) for kind in KINDS]
    return [*files, encoded("m4a", tone(0.5), options={"movflags": "faststart"})]


def spoilt(whole: list[bytes], chance: Random) -> bytes:
    """One of the files, spoilt in one to three ways."""
    data = chance.choice(whole)
    for _ in range(chance.randint(1, 3)):
        data = chance.choice((_cut, _flipped, _overwritten, _repeated, _without, _joined))(data, whole, chance)
    return data


def _cut(data: bytes, _whole: list[bytes], chance: Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _flipped(data: bytes, _whole: list[bytes], chance: Random) -> bytes:
    """Some bits are others; half of the time in the header, where they matter most."""
    spoilt_data = bytearray(data)
    end = min(len(data), chance.choice((HEADER_BYTES, len(data))))
    for _ in range(chance.randint(1, 20)):
        if end:
            spoilt_data[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(spoilt_data)


def _overwritten(data: bytes, _whole: list[bytes], chance: Random) -> bytes:
    start = chance.randint(0, len(data))
    length = chance.choice((1, 4, 8, 300))
    filler = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return data[:start] + filler + data[start + length :]


def _repeated(data: bytes, _whole: list[bytes], chance: Random) -> bytes:
    start, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:end] + data[start:end] * chance.randint(1, 3) + data[end:]


def _without(data: bytes, _whole: list[bytes], chance: Random) -> bytes:
    start, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:start] + data[end:]


def _joined(data: bytes, whole: list[bytes], chance: Random) -> bytes:
    return data + chance.choice(whole)


def test_whatever_is_in_a_file_gives_sound_or_one_line(whole: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "sound"
    came = {"sound": 0, "a line": 0}

    def check(chance: Random) -> None:
        file.write_bytes(spoilt(whole, chance))
        try:
            recording = read_recording(file, RATE_HZ, LONGEST_SECONDS)
        except InvalidInput as error:
            came["a line"] += 1
            told = [str(error)]
        else:
            came["sound"] += 1
            told = list(recording.faults)
            assert 0 < len(recording.pcm) <= MOST_BYTES
            assert len(recording.pcm) % 2 == 0
        assert not any("\n" in line for line in told)

    fuzz("audio files", chances(), check)
    assert min(came.values()) > 0
