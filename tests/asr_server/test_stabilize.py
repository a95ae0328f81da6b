"""Partials that do not flicker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_server.stabilize import Stabilizer

WORDS = st.sampled_from(["turn", "on", "off", "the", "lamp", "light", "in", "kitchen"])
TEXTS = st.lists(st.lists(WORDS, max_size=8), max_size=12)


def test_what_two_hypotheses_agree_on_stays() -> None:
    partials = Stabilizer()
    assert partials.add("turn of").stable_characters == 0
    assert partials.add("turn off the").stable_characters == len("turn")
    shown = partials.add("turn off the lamp")
    assert shown.text[: shown.stable_characters] == "turn off the"
    assert partials.add("burn it").text == "turn off the"


@given(TEXTS)
def test_the_stable_beginning_only_grows(texts: list[list[str]]) -> None:
    partials, before = Stabilizer(), ""
    for words in texts:
        shown = partials.add(" ".join(words))
        stable = shown.text[: shown.stable_characters]
        assert stable.startswith(before)
        before = stable
