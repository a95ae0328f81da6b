"""Who writes the replies, by what the user has set, what is on this machine and who is found there."""

from __future__ import annotations

import importlib.util
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from parley.errors import InvalidInput, NotFound, Unavailable
from parley_cli.up import language_model
from parley_cli.up.language_model import LanguageModel, choose
from parley_cli.up.profiles import environment_of
from tests.parley_cli.up.test_discovery import OWN, at, discover, lists

if TYPE_CHECKING:
    from pathlib import Path


def looks_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a server at `port` be where one is looked for."""
    monkeypatch.setattr(language_model, "discover", partial(discover, ports={"Ollama": port}))


async def chosen(profile: str, **settings: str) -> LanguageModel:
    user = {**OWN, **settings}
    return await choose(user, {**environment_of(profile, user), **OWN})


async def test_where_nothing_is_named_a_server_on_this_machine_is_taken_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with at(lists("llama3.2")) as port:
        looks_at(port, monkeypatch)
        found = await chosen("embedded")
        assert found.settings["PARLEY_LLM_MODEL"] == "llama3.2"
        assert f"llama3.2 at 127.0.0.1:{port}, where Ollama usually is" in found.told
        assert "PARLEY_LLM_DISCOVER=off" in found.told
        for settings in (
            {"PARLEY_LLM_DISCOVER": "off"},
            {"PARLEY_LLM_ENGINE": "rules"},
            {"PARLEY_LLM_URL": "http://x"},
        ):
            assert await chosen("embedded", **settings) == LanguageModel()
        assert await chosen("scripted") == LanguageModel()


async def test_where_there_is_none_all_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    looks_at(9, monkeypatch)
    assert await chosen("embedded") == LanguageModel()


async def test_a_file_that_is_here_is_served_on_this_machine_alone_with_a_key(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    found = await chosen("embedded", PARLEY_LLAMACPP_MODEL=str(path))
    port = found.settings["PARLEY_LLAMACPP_PORT"]
    assert found.settings["PARLEY_LLM_URL"] == f"http://127.0.0.1:{port}/v1"
    assert found.settings["PARLEY_LLM_MODEL"] == "model"
    assert found.settings["PARLEY_LLM_FALLBACKS"] == "rules"
    again = await chosen("embedded", PARLEY_LLAMACPP_MODEL=str(path))
    assert len(found.settings["PARLEY_LLM_API_KEY"]) > 20
    assert found.settings["PARLEY_LLM_API_KEY"] != again.settings["PARLEY_LLM_API_KEY"]


async def test_a_profile_whose_model_is_not_here_takes_a_server_or_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    async with at(lists("llama3.2")) as port:
        looks_at(port, monkeypatch)
        found = await chosen("cpu")
        assert (found.settings["PARLEY_LLM_MODEL"], found.settings["PARLEY_LLAMACPP_MODEL"]) == ("llama3.2", "")
        # A user's own file is not exchanged for something else.
        with pytest.raises(NotFound, match=r"PARLEY_LLAMACPP_MODEL=a/b:c\.gguf is not on this machine: add --pull"):
            await chosen("cpu", PARLEY_LLAMACPP_MODEL="a/b:c.gguf")
    with pytest.raises(NotFound, match=r"instruct-q4_k_m\.gguf is not on this machine: add --pull"):
        await chosen("cpu")


async def test_two_models_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="PARLEY_LLAMACPP_MODEL and PARLEY_LLM_URL are both set: unset one"):
        await chosen("embedded", PARLEY_LLAMACPP_MODEL=str(tmp_path), PARLEY_LLM_URL="http://x/v1")
    with pytest.raises(InvalidInput, match="OWNER/REPOSITORY:FILE"):
        await chosen("embedded", PARLEY_LLAMACPP_MODEL=str(tmp_path / "no.gguf"))


async def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match=re.escape("xllamacpp is not installed: pip install '.[llamacpp]'")):
        await chosen("embedded", PARLEY_LLAMACPP_MODEL=str(path))
