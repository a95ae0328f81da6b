"""Which voice speaks."""

from __future__ import annotations

import pytest

from parley.errors import InvalidInput
from tts_server.engine import Voice, choose, speaking


def voice(language: str) -> Voice:
    return Voice(f"voice of {language}", language, "", 22_050)


VOICES = tuple(voice(each) for each in ("en-us", "es-419", "es", "fr-be", "fr-fr", "de", "nb", "en-gb"))


@pytest.mark.parametrize(
    ("language", "chosen"),
    [("", "en-us"), ("es", "es"), ("es-MX", "es"), ("fr", "fr-fr"), ("fr_BE", "fr-be"), ("de-AT", "de"), ("no", "nb")],
)
def test_a_language_is_spoken_by_its_own_land_before_others(language: str, chosen: str) -> None:
    assert choose(VOICES, "", language) == voice(chosen)


def test_the_default_voice_stays_first_among_those_of_its_language() -> None:
    assert speaking((voice("fr-be"), *VOICES), "fr")[0] == voice("fr-be")
    assert [each.language for each in speaking(VOICES, "en")] == ["en-us", "en-gb"]


def test_a_language_that_nobody_speaks_is_refused_with_those_that_are_spoken() -> None:
    with pytest.raises(InvalidInput, match="no voice for language tlh: choose one of en-us, es-419, es"):
        choose(VOICES, "", "tlh")
