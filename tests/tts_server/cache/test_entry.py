"""What is kept of a line, and what of it is believed when it comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_server.cache.entry import Take, decode, encode, key_of
from tts_server.engine import Line, Voice, WordMark

TEXT = "Seven times eight"
TAKE = Take((WordMark(0, 5, 0), WordMark(6, 11, 500, estimated=True)), b"\1\2\3\4")
LINE = Line(TEXT, Voice("tone", "en", "A tone", 24_000, "1"), 1.0)
KEY = key_of("scripted", LINE)


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
    take = Take(tuple(marks), half * 2)
    assert decode(KEY, TEXT, encode(KEY, take)) == take


@given(st.data())
def test_an_entry_in_which_anything_has_changed_is_none(data: st.DataObject) -> None:
    entry = bytearray(encode(KEY, TAKE))
    place = data.draw(st.integers(0, len(entry) - 1))
    entry[place] ^= data.draw(st.integers(1, 255))
    assert decode(KEY, TEXT, bytes(entry)) is None


@given(st.binary(max_size=40))
def test_an_entry_that_was_cut_or_is_something_else_is_none(noise: bytes) -> None:
    entry = encode(KEY, TAKE)
    assert decode(KEY, TEXT, entry[: len(noise)]) is None
    assert decode(KEY, TEXT, noise) is None
    assert decode(KEY, TEXT, entry + noise) == (None if noise else TAKE)


def test_an_entry_of_another_key_or_for_a_shorter_text_is_none() -> None:
    assert decode("0" * 64, TEXT, encode(KEY, TAKE)) is None
    assert decode(KEY, TEXT[:10], encode(KEY, TAKE)) is None


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ("piper", LINE),
        ("scripted", replace(LINE, text="Seven times nine")),
        ("scripted", replace(LINE, speed=1.1)),
        ("scripted", replace(LINE, voice=replace(LINE.voice, name="hum"))),
        ("scripted", replace(LINE, voice=replace(LINE.voice, sample_rate_hz=22_050))),
        ("scripted", replace(LINE, voice=replace(LINE.voice, fingerprint="2"))),
    ],
)
def test_all_that_the_sound_depends_on_makes_another_key(engine: str, line: Line) -> None:
    assert key_of(engine, line) != KEY


def test_what_the_sound_does_not_depend_on_makes_no_other_key() -> None:
    assert key_of("scripted", replace(LINE, voice=replace(LINE.voice, description="Another"))) == KEY
