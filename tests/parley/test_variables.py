"""A variable that nothing reads is told of, with the name that was probably meant."""

from __future__ import annotations

import pytest

from parley._variables import KNOWN, PORTS, SUPERVISED, unknown


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("PARLEY_GATWAY_PORT", "PARLEY_GATEWAY_PORT"),
        ("PARLEY_ASR_ENGIN", "PARLEY_ASR_ENGINE"),
        ("PARLEY_LLM_API_KEYS", "PARLEY_LLM_API_KEY"),
        ("PARLEY_TTS_VOICE_DIR", "PARLEY_TTS_VOICES_DIR"),
        ("PARLEY_LOGLEVEL", "PARLEY_LOG_LEVEL"),
        ("parley_llm_model", "PARLEY_LLM_MODEL"),
        ("PARLEY_HTTP_PORT", "PARLEY_HTTPS_PORT"),
    ],
)
def test_a_misspelt_variable_is_told_of_with_the_closest_name(written: str, meant: str) -> None:
    assert list(unknown({written: "1"})) == [f"{written} is set, and nothing reads it: did you mean {meant}?"]


def test_a_name_that_comes_close_to_none_is_told_of_with_where_they_stand() -> None:
    [told] = unknown({"PARLEY_COLOUR_SCHEME": "dark"})
    assert told.startswith("PARLEY_COLOUR_SCHEME is set, and nothing reads it: README.md")


def test_what_is_known_and_what_is_of_others_is_not_told_of() -> None:
    assert list(unknown(dict.fromkeys(KNOWN, "1") | {SUPERVISED: "1", "PATH": "/bin", "PARLEYVOO": "1"})) == []
    assert set(PORTS) <= KNOWN


def test_what_kubernetes_says_of_services_called_parley_is_not_told_of() -> None:
    links = {
        "PARLEY_WEB_SERVICE_HOST": "10.0.0.1",
        "PARLEY_WEB_SERVICE_PORT": "80",
        "PARLEY_WEB_SERVICE_PORT_HTTP": "80",
        "PARLEY_WEB_PORT": "tcp://10.0.0.1:80",
        "PARLEY_WEB_PORT_80_TCP": "tcp://10.0.0.1:80",
        "PARLEY_WEB_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert list(unknown(links)) == []
