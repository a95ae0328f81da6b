"""How sentences and their beginnings are counted."""

from __future__ import annotations

from asr_server.endpointing.completeness import Completeness
from benchmarks.open_ends import beginnings, looks, row


def test_a_sentence_has_a_beginning_before_each_word_but_the_first_two_and_a_recogniser_ends_it() -> None:
    assert beginnings("Turn on the lamp, please!") == ["Turn on.", "Turn on the.", "Turn on the lamp."]
    assert beginnings("Stop it.") == []


def test_a_row_tells_the_shares_that_are_waited_for() -> None:
    found = looks(["Turn on the.", "Turn on the lamp,", "Turn on the lamp.", "Stop."])
    assert found[Completeness.FINISHED] == 2
    assert row("said", found).split() == ["said", "4", "25.00%", "25.00%"]


def test_a_file_without_sentences_has_a_row_too() -> None:
    assert row("nothing", looks([])).split() == ["nothing", "0", "0.00%", "0.00%"]
