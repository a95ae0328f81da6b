"""What a session agrees on, where the rest does not show it."""

from __future__ import annotations

import pytest

from edge_gateway.session_config import agree, policy_of, spoken
from parley.conversation import SessionConfig
from parley.errors import TooLarge, WrongState


def test_a_session_that_names_no_language_leaves_it_to_the_recogniser() -> None:
    agreed = agree(SessionConfig(), None)
    assert agreed.language == ""
    assert policy_of(agreed, "").language == "en"
    assert policy_of(agreed, "de").language == "de"


def test_a_language_that_is_to_be_found_out_is_none_to_speak_in() -> None:
    agreed = agree(SessionConfig(language="auto"), None)
    assert (agreed.language, spoken(agreed.language)) == ("auto", "")
    assert spoken("de-AT") == "de-AT"


def test_a_language_stays_for_the_whole_session() -> None:
    german = agree(SessionConfig(language="de"), None)
    assert agree(SessionConfig(), german).language == "de"
    with pytest.raises(WrongState, match="cannot change"):
        agree(SessionConfig(language="fr"), german)


@pytest.mark.parametrize("hint", ["x" * 201, "\u0301" * 5_000, "9" * 60_000])
def test_a_hint_is_a_word_or_a_name(hint: str) -> None:
    with pytest.raises(TooLarge, match="at most 200") as refused:
        agree(SessionConfig(hints=("Anna", hint)), None)
    assert refused.value.field == "configure.hints"
    assert agree(SessionConfig(hints=("Anna", "x" * 200)), None).hints[0] == "Anna"
