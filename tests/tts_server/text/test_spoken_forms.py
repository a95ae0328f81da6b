"""What is said for what is written, row by row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tts_server.text.marks import words_of
from tts_server.text.normalize import normalize

ROWS = [
    tuple(line.split("\t"))
    for line in Path(__file__).with_name("spoken_forms.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("# ") and line
]


def unescaped(written: str) -> str:
    return written.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")


@pytest.mark.parametrize(("language", "written", "spoken", "source"), ROWS)
def test_what_is_written_is_said_as_a_person_would(language: str, written: str, spoken: str, source: str) -> None:
    said = normalize(unescaped(written), language=language)
    assert " ".join(said.text.split()) == spoken, source


@pytest.mark.parametrize(("language", "written"), [row[:2] for row in ROWS])
def test_every_spoken_word_stands_for_a_part_of_what_was_written(language: str, written: str) -> None:
    text = unescaped(written)
    said = normalize(text, language=language)
    places = [said.source(start, end) for start, end in words_of(said.text)]
    assert places == sorted(places)
    for (start, end), (first, last) in zip(words_of(said.text), places, strict=True):
        # A word that was not touched stands for itself; any other for something that has a letter, a figure or a sign.
        word = said.text[start:end].strip(".,;:!?\"'()")
        assert word in text[first:last] or text[first:last].strip()


def test_the_table_has_enough_rows_of_each_language() -> None:
    rows = Counter(row[0] for row in ROWS)
    assert rows["en"] >= 200
    assert all(rows[language] >= 40 for language in ("de", "fr", "es"))
    assert all(len(row) == 4 and row[3] for row in ROWS)


@pytest.mark.parametrize("language", ["", "pl", "cmn", "hi"])
def test_a_language_without_rules_leaves_numbers_to_the_engine(language: str) -> None:
    assert normalize("**5** km, 3.50", language=language).text == "5 km, 3.50"


@pytest.mark.parametrize(
    ("language", "spoken"),
    [("en-us", "May fourth, twenty twenty-four"), ("en-gb", "the fifth of April twenty twenty-four")],
)
def test_a_date_in_figures_is_read_as_in_the_land_of_the_voice(language: str, spoken: str) -> None:
    assert normalize("05/04/2024", language=language).text == spoken
