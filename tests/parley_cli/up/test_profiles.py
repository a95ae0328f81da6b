"""What the processes are given: the profile where the user says nothing, and each where the others are."""

from __future__ import annotations

import pytest

from parley.errors import InvalidInput
from parley_cli.models.machine import Machine
from parley_cli.up.huge_pages import HUGE_PAGES, huge_pages
from parley_cli.up.profiles import PROFILES, environment_of


def test_a_profile_gives_way_to_what_the_user_has_set() -> None:
    made = environment_of("cpu", {"PARLEY_TTS_ENGINE": "espeak", "PARLEY_LOG_LEVEL": "DEBUG", "PATH": "/bin"})
    assert (made["PARLEY_ASR_ENGINE"], made["PARLEY_TTS_ENGINE"]) == ("faster-whisper", "espeak")
    assert (made["PARLEY_LOG_LEVEL"], made["PATH"]) == ("DEBUG", "/bin")


@pytest.mark.parametrize("named", ["PARLEY_LLM_ENGINE", "PARLEY_LLM_URL", "PARLEY_LLM_MODEL", "PARLEY_LLM_ADDRESS"])
def test_the_processors_profile_brings_a_model_unless_the_user_has_one(named: str) -> None:
    machine = Machine(4, 8 * 10**9)
    made = environment_of("cpu", {}, machine)
    assert made["PARLEY_LLAMACPP_MODEL"].endswith("qwen2.5-1.5b-instruct-q4_k_m.gguf")
    assert (made["PARLEY_ASR_MODEL"], made["PARLEY_TTS_ENGINE"]) == ("base.en", "hibari")
    assert environment_of("cpu", {"PARLEY_ASR_MODEL": "small"}, machine)["PARLEY_ASR_MODEL"] == "small"
    assert "PARLEY_LLAMACPP_MODEL" not in environment_of("cpu", {named: "x:1"}, machine)
    assert "PARLEY_LLAMACPP_MODEL" not in environment_of("embedded", {}, machine)


def test_the_gateway_is_told_where_the_servers_listen() -> None:
    given = {"PARLEY_ASR_PORT": "7", "PARLEY_LLM_HOST": "::", "PARLEY_TTS_ADDRESS": " ", "PARLEY_TTS_HOST": "192.0.2.7"}
    made = environment_of("embedded", given)
    assert made["PARLEY_ASR_ADDRESS"] == "127.0.0.1:7"
    assert made["PARLEY_LLM_ADDRESS"] == "[::1]:50052"
    assert made["PARLEY_TTS_ADDRESS"] == "192.0.2.7:50053"
    assert environment_of("embedded", {"PARLEY_LLM_ADDRESS": "far:1"})["PARLEY_LLM_ADDRESS"] == "far:1"


def test_processes_have_memory_in_huge_pages_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley_cli.up.huge_pages.platform.libc_ver", lambda: ("glibc", "2.34"))
    assert not HUGE_PAGES.keys() & environment_of("embedded", {}).keys()
    monkeypatch.undo()
    assert huge_pages({}).items() <= environment_of("embedded", {}).items()
    made = environment_of("embedded", {"PYTHONMALLOC": "pymalloc"})
    assert made["PYTHONMALLOC"] == "pymalloc"
    assert "GLIBC_TUNABLES" not in made


def test_what_nothing_reads_is_not_passed_on() -> None:
    assert "PARLEY_GATWAY_PORT" not in environment_of("embedded", {"PARLEY_GATWAY_PORT": "1"})


@pytest.mark.parametrize("variable", ["PARLEY_ASR_PORT", "PARLEY_GATEWAY_GRPC_PORT", "PARLEY_TTS_METRICS_PORT"])
@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_no_port_is_named_before_anything_starts(profile: str, variable: str) -> None:
    with pytest.raises(InvalidInput, match=f"{variable}=x: not a whole number"):
        environment_of(profile, {variable: "x"})
