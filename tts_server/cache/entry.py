"""What the cache holds of a text that was spoken, by which key, and how it is written where other servers read it.

Knows nothing of where it is stored. Pure.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley._json import read_json
from tts_server.engine import WordMark

if TYPE_CHECKING:
    from tts_server.engine import SpeechRequest

# Another number for another form: entries of before are then not found any more.
_VERSION: Final = 1
_MAGIC: Final = b"PLT1"
# Magic, checksum of all that follows it, length of the header.
_FRONT: Final = struct.Struct("<4sII")
_SAMPLE_BYTES: Final = 2
# What a mark and an entry weigh in memory, about.
_MARK_BYTES: Final = 100
_ENTRY_BYTES: Final = 500
# A piece of text has a thousand characters at most, each of which may have a mark.
_MOST_VALUES: Final = 10_000


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A text as it was spoken."""

    marks: tuple[WordMark, ...]
    """Its words."""
    pcm: bytes
    """Its sound, s16le at the voice's rate."""

    @property
    def size_bytes(self) -> int:
        """What it weighs in memory, about."""
        return len(self.pcm) + _MARK_BYTES * len(self.marks) + _ENTRY_BYTES


def key_of(engine: str, request: SpeechRequest) -> str:
    """SHA-256, in hexadecimal, of all that the sound of a text depends on."""
    voice = request.voice
    parts = (_VERSION, engine, voice.name, voice.fingerprint, voice.sample_rate_hz, request.speed, request.text)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def encode(key: str, entry: CacheEntry) -> bytes:
    """An entry as other servers read it."""
    marks = [(mark.start_char, mark.end_char, mark.sample, int(mark.estimated)) for mark in entry.marks]
    header = json.dumps({"key": key, "marks": marks}).encode()
    body = len(header).to_bytes(4, "little") + header + entry.pcm
    return _FRONT.pack(_MAGIC, zlib.crc32(body), len(header)) + header + entry.pcm


def decode(key: str, text: str, written: bytes) -> CacheEntry | None:
    """The entry of `text`; None for one that is broken, of another version or of another key."""
    if len(written) < _FRONT.size:
        return None
    magic, checksum, length = _FRONT.unpack_from(written)
    header, pcm = written[_FRONT.size : _FRONT.size + length], written[_FRONT.size + length :]
    if magic != _MAGIC or zlib.crc32(length.to_bytes(4, "little") + header + pcm) != checksum:
        return None
    try:
        known = read_json(header.decode(), most_values=_MOST_VALUES)
    except ValueError:
        return None
    marks = _marks(known.get("marks")) if isinstance(known, dict) and known.get("key") == key else None
    if marks is None or len(pcm) % _SAMPLE_BYTES:
        return None
    fits = all(0 <= mark.start_char < mark.end_char <= len(text) and mark.sample >= 0 for mark in marks)
    return CacheEntry(marks, pcm) if fits else None


def _marks(written: object) -> tuple[WordMark, ...] | None:
    """The marks of an entry; None for what is none, whoever wrote it into the store."""
    if not isinstance(written, list):
        return None
    marks = []
    for each in written:
        match each:
            case [int() as start, int() as end, int() as sample, int() as guess]:
                marks.append(WordMark(start, end, sample, bool(guess)))
            case _:
                return None
    return tuple(marks)
