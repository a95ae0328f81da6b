"""Who speaks when nothing is configured: hibari English, espeak the rest, and espeak all where hibari is broken."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parley import tts
from parley.audio import to_float32
from parley.errors import InvalidInput, Unavailable
from serving.config import read
from tests.tts_server.test_service import serving, sound, spoken
from tts_server.config import TtsConfig
from tts_server.engine import Audio, SpeechRequest, Voice, choose, speaking
from tts_server.engines import default_voice, open_engine
from tts_server.engines.fallback import FallbackEngine
from tts_server.engines.scripted import ScriptedEngine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tts_server.conftest import LoadedEngine
    from tts_server.engine import Engine

House = tuple["Engine", tuple[Voice, ...]]


def open_default() -> Engine:
    return open_engine(read(TtsConfig, {}))


@pytest.fixture
def house(default_engine: LoadedEngine) -> House:
    return default_engine, default_engine.voices


@pytest.mark.parametrize(
    ("language", "name"),
    [
        *(("", "heart"), ("en", "heart"), ("en-US", "heart"), ("en_us", "heart"), ("EN", "heart")),
        # A British listener gets the voice that sounds like a person, and has the British ones to choose from.
        *(("en-GB", "heart"), ("en-029", "heart")),
        *(("de", "de"), ("de-AT", "de"), ("fr", "fr-fr"), ("fr-CH", "fr-ch"), ("es", "es"), ("zh-CN", "cmn")),
    ],
)
def test_english_is_hibari_s_and_all_else_espeak_s(house: House, language: str, name: str) -> None:
    assert choose(house[1], "", language).name == name


def test_a_voice_that_is_named_speaks_whatever_the_language(house: House) -> None:
    _, voices = house
    assert choose(voices, "en-gb", "en-GB").engine == "espeak"
    assert choose(voices, "heart", "de").name == "heart"
    assert [voice.name for voice in speaking(voices, "en-GB")][:2] == ["heart", "en-gb"]


def test_a_default_voice_that_is_configured_comes_before_the_natural_one(house: House) -> None:
    british = choose(house[1], "en-gb", "")
    ordered = (british, *(voice for voice in house[1] if voice != british))
    assert [choose(ordered, "", language).name for language in ("", "en", "en-GB", "en-US")] == [
        *["en-gb"] * 3,
        "heart",
    ]


async def test_a_call_is_told_which_engine_speaks_and_lists_have_both(default_engine: LoadedEngine) -> None:
    async with serving(default_engine) as server:
        english, german, british = [
            await spoken(server.client, config, text)
            for config, text in (
                (tts.Config(language="en"), "Good morning."),
                (tts.Config(language="de"), "Guten Morgen."),
                (tts.Config(voice="en-gb"), "Good morning."),
            )
        ]
        listed = await server.client.list_voices()
        spoken_by = {span.attributes["parley.engine"] for span in server.spans.get_finished_spans() if span.attributes}
    assert [events[0] for events in (english, german, british)] == [
        tts.Ready("hibari", "heart", 24_000),
        tts.Ready("espeak", "de", 24_000),
        tts.Ready("espeak", "en-gb", 24_000),
    ]
    assert all(np.abs(to_float32(sound(events))).max() > 0.1 for events in (english, german, british))
    assert listed.engine == "hibari"
    described = {voice.name: voice.description for voice in listed.voices}
    assert described["heart"] == "Heart, American English, female, neural"
    assert described["de"] == "German, espeak"
    assert spoken_by == {"hibari", "espeak"}


@pytest.mark.parametrize("package", ["hibari", "onnxruntime"])
async def test_without_its_package_espeak_speaks_and_says_why(
    package: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    async with serving(open_default()) as server:
        events = await spoken(server.client, tts.Config(language="en"), "Good morning.")
        facts = server.facts()
        listed = await server.client.list_voices()
    assert events[0] == tts.Ready("espeak", "en-us", 24_000)
    assert np.abs(to_float32(sound(events))).max() > 0.1
    name = {"hibari": "hibari-tts"}.get(package, package)
    why = (
        f"espeak speaks, since hibari cannot: {name} is not installed: pip install '.[hibari]' in the folder of Parley"
    )
    assert (facts.engine, facts.model, facts.problem) == ("espeak", "en-us", why)
    assert [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "parley.tts"] == [
        (logging.WARNING, why)
    ]
    assert listed.engine == "espeak"
    assert listed.voices[0].description == "English (America)"


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        *(("hibari.onnx", "missing"), ("hibari.onnx", "empty"), ("hibari.onnx", "cut"), ("hibari.onnx", "other")),
        *(("vocab.json", "missing"), ("vocab.json", "cut"), ("tagger.json.gz", "missing")),
        *(("lexicon_us_gold.json.gz", "empty"), ("lexicon_us_gold.json.gz", "cut"), ("tagger.json.gz", "other")),
        *(("oov.onnx", "missing"), ("oov.onnx", "empty"), ("oov.onnx", "cut"), ("oov.json", "other")),
    ],
)
def test_a_file_that_is_broken_is_told_and_espeak_speaks(
    name: str, harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "hibari" / "assets"
    shutil.copytree(str(files("hibari") / "assets"), assets)
    path = assets / name
    whole = path.read_bytes()
    path.unlink()
    if harm != "missing":
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "other": b"<html>not found</html>"}[harm])
    monkeypatch.setattr("hibari.g2p.ASSETS", str(assets))
    monkeypatch.setattr("tts_server.engines.hibari.engine.files", lambda _: tmp_path / "hibari")
    engine = open_default()
    voices = engine.load()
    assert voices[0].name == "en-us"
    assert isinstance(engine, FallbackEngine)
    assert engine.problem.startswith("espeak speaks, since hibari cannot: hibari")
    assert "install hibari-tts 0.2.1" in engine.problem
    events = engine.speak(SpeechRequest("Hello.", voices[0], 1.0), threading.Event())
    assert sum(len(event.pcm) for event in events if isinstance(event, Audio))


def test_a_package_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ModuleType("hibari.g2p")
    monkeypatch.setitem(sys.modules, "hibari.g2p", broken)
    engine = open_default()
    assert engine.load()[0].name == "en-us"
    assert isinstance(engine, FallbackEngine)
    assert "cannot import name 'G2P'" in engine.problem


async def test_who_stands_in_speaks_although_the_voice_that_is_configured_is_another_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "hibari", None)
    for voice, speaks in (("heart", "en-us"), ("DE", "de")):
        config = read(TtsConfig, {"PARLEY_TTS_VOICE": voice})
        async with serving(open_engine(config), default_voice(config)) as server:
            events = await spoken(server.client, tts.Config(), "Hello.")
        assert events[0] == tts.Ready("espeak", speaks, 24_000)


async def test_a_voice_that_nobody_has_is_still_refused(default_engine: LoadedEngine) -> None:
    with pytest.raises(InvalidInput, match="no voice emma: choose one of heart"):
        async with serving(default_engine, "emma"):
            pass


async def test_espeak_by_choice_is_nobody_s_stand_in() -> None:
    async with serving(open_engine(read(TtsConfig, {"PARLEY_TTS_ENGINE": "espeak"}))) as server:
        assert server.facts().problem == ""
        events = await spoken(server.client, tts.Config(language="en-GB"), "Hello.")
    assert events[0] == tts.Ready("espeak", "en-gb", 24_000)


class Missing(ScriptedEngine):
    def __init__(self, why: str) -> None:
        super().__init__(0, 0.01)
        self._why = why

    def load(self) -> tuple[Voice, ...]:
        raise Unavailable(self._why)


def test_where_neither_can_be_loaded_the_second_says_so() -> None:
    with pytest.raises(Unavailable, match="no second"):
        FallbackEngine(Missing("no first"), Missing("no second")).load()
    engine = FallbackEngine(ScriptedEngine(0, 0.01), Missing("no second"))
    engine.load()
    assert engine.problem == ""
