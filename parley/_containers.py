"""What a sound file says of its own length, where FFmpeg looks at what there is instead."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_HEAD_BYTES: Final = 8
_MOST_CHUNKS: Final = 1_000
# Lengths that a program writes which does not know them yet.
_UNKNOWN: Final = (0, 0x7FFFFFFF, 0xFFFFFFFF)
# PCM of integers and of floats, A-law, mu-law, and what has its form further on.
_UNCOMPRESSED: Final = (1, 3, 6, 7, 0xFFFE)


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a file goes by its own words."""

    seconds: float | None = None
    """Length of its sound; None: it does not say."""
    joined: bool = False
    """Another file follows in it, which FFmpeg does not look at."""


def extent_of(file: BinaryIO) -> Extent:
    """What the headers of a WAV, AIFF or MP4 file say; nothing of any other. Leaves the file where it was."""
    if not file.seekable():
        return Extent()
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    try:
        file.seek(0)
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            return Extent(_wav_seconds(file, size), _follows(file, 8 + _number("<I", head[4:8]), b"RIFF"))
        if head[:4] == b"FORM":
            return Extent(joined=_follows(file, 8 + _number(">I", head[4:8]), b"FORM"))
        if head[4:8] == b"ftyp":
            return Extent(joined=sum(name == b"ftyp" for name in _boxes(file, size)) > 1)
        return Extent()
    finally:
        file.seek(place)


def _wav_seconds(file: BinaryIO, size: int) -> float | None:
    """Length of the samples, by the bytes of them and of a second."""
    rate, start = 0, 12
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES or start > size:
            return None
        length = _number("<I", head[4:])
        if head[:4] == b"fmt ":
            form = file.read(12)
            # Of what is compressed the bytes of a second are only an average.
            rate = _number("<I", form[8:]) if _number("<H", form[:2]) in _UNCOMPRESSED else 0
        elif head[:4] == b"data":
            return None if length in _UNKNOWN or not rate else length / rate
        start += _HEAD_BYTES + length + length % 2
    return None


def _boxes(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Names of what a MP4 file consists of."""
    start = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        head = file.read(2 * _HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            return
        yield head[4:8]
        length = _number(">I", head[:4])
        if length == 1:
            length = _number(">Q", head[8:])
        start += length
        if length < _HEAD_BYTES or start > size:
            return


def _follows(file: BinaryIO, end: int, magic: bytes) -> bool:
    """At its end, which may be filled up to an even number, the file begins again."""
    file.seek(end)
    return magic in file.read(len(magic) + 1)


def _number(form: str, data: bytes) -> int:
    """One number; 0 where the file ends before it does."""
    return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else 0
