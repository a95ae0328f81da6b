"""What the cache holds of a text, and what of it is believed when it comes back."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_server.cache.entry import CacheEntry, decode, encode, key_of
from tts_server.engine import SpeechRequest, Voice, WordMark

TEXT = "Seven times eight"
ENTRY = CacheEntry((WordMark(0, 5, 0), WordMark(6, 11, 500, estimated=True)), b"\1\2\3\4")
REQUEST = SpeechRequest(TEXT, Voice("tone", "en", "A tone", 24_000, "1"), 1.0)
KEY = key_of("scripted", REQUEST)


def words(text: str) -> st.SearchStrategy[list[WordMark]]:
    starts = st.integers(0, len(text) - 1)
    marks = starts.flatmap(
        lambda start: st.builds(
            WordMark, st.just(start), st.integers(start + 1, len(text)), st.integers(0, 10**9), st.booleans()
        )
    )
    return st.lists(marks, max_size=5)


@given(words(TEXT), st.binary(max_size=50))
def test_what_is_written_is_read_again(marks: list[WordMark], half: bytes) -> None:
    entry = CacheEntry(tuple(marks), half * 2)
    assert decode(KEY, TEXT, encode(KEY, entry)) == entry


@given(st.data())
def test_an_entry_in_which_anything_has_changed_is_none(data: st.DataObject) -> None:
    written = bytearray(encode(KEY, ENTRY))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    assert decode(KEY, TEXT, bytes(written)) is None


@given(st.binary(max_size=40))
def test_an_entry_that_was_cut_or_is_something_else_is_none(noise: bytes) -> None:
    written = encode(KEY, ENTRY)
    assert decode(KEY, TEXT, written[: len(noise)]) is None
    assert decode(KEY, TEXT, noise) is None
    assert decode(KEY, TEXT, written + noise) == (None if noise else ENTRY)


def test_an_entry_of_another_key_or_for_a_shorter_text_is_none() -> None:
    assert decode("0" * 64, TEXT, encode(KEY, ENTRY)) is None
    assert decode(KEY, TEXT[:10], encode(KEY, ENTRY)) is None


@pytest.mark.parametrize(
    ("engine", "other"),
    [
        ("piper", REQUEST),
        ("scripted", replace(REQUEST, text="Seven times nine")),
        ("scripted", replace(REQUEST, speed=1.1)),
        ("scripted", replace(REQUEST, voice=replace(REQUEST.voice, name="hum"))),
        ("scripted", replace(REQUEST, voice=replace(REQUEST.voice, sample_rate_hz=22_050))),
        ("scripted", replace(REQUEST, voice=replace(REQUEST.voice, fingerprint="2"))),
    ],
)
def test_all_that_the_sound_depends_on_makes_another_key(engine: str, other: SpeechRequest) -> None:
    assert key_of(engine, other) != KEY


def test_what_the_sound_does_not_depend_on_makes_no_other_key() -> None:
    assert key_of("scripted", replace(REQUEST, voice=replace(REQUEST.voice, description="Another"))) == KEY


def forged(header: object) -> bytes:
    """An entry as somebody else could write it, with a checksum that is right."""
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = len(written).to_bytes(4, "little") + written + bytes(8)
    return struct.pack("<4sII", b"PLT1", zlib.crc32(body), len(written)) + written + bytes(8)


@pytest.mark.parametrize(
    "header",
    [
        {"key": KEY, "marks": marks}
        for marks in ([["a", 5, 0, 0]], [[0, 5, None, 0]], [[0, 5, 1.5, 0]], [[0, 5]], 7, {"a": 1})
    ]
    + [{"key": KEY}, [], None, b"[" * 20_000, b'{"key": ' + b"9" * 5_000 + b"}", b"\xff", b'{"marks": NaN}'],
)
def test_an_entry_that_somebody_else_wrote_is_none(header: object) -> None:
    assert decode(KEY, TEXT, forged(header)) is None
    assert decode(KEY, TEXT, forged({"key": KEY, "marks": [[0, 5, 3, 1]]})) is not None
