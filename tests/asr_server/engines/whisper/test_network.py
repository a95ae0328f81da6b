"""Several sounds at once, in several languages, on a model that the tests make: it has no sense, but every part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from faster_whisper import WhisperModel

from asr_server.engine import AUTO
from asr_server.engines.whisper.faster_whisper import WhisperEngine
from asr_server.engines.whisper.heard import Sound
from asr_server.engines.whisper.network import WhisperNetwork
from asr_server.engines.whisper.options import WhisperOptions
from asr_server.engines.whisper.recognizer import WhisperRecognizer
from parley.errors import Unavailable
from tests.asr_server.engines.whisper.tiny_whisper import LANGUAGES, make_whisper

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 16_000


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=round(seconds * RATE_HZ)) * 0.1).astype(np.float32)


def load(folder: str) -> WhisperNetwork:
    return WhisperNetwork(
        WhisperModel(folder, device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True)
    )


@pytest.fixture(scope="module")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> WhisperNetwork:
    return load(make_whisper(tmp_path_factory.mktemp("unsure")))


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_whisper(tmp_path_factory.mktemp("german"), sure_of="de")


def test_sounds_heard_together_are_heard_as_each_alone(unsure: WhisperNetwork) -> None:
    # Of one length, which bounds the words: this model seldom finds an end.
    sounds = [
        Sound(noise(2.0, 1), "en", timed=True),
        Sound(noise(2.0, 2), "en"),
        Sound(noise(2.0, 3), "de", before="guten Tag", hints="Parley", timed=True),
        Sound(noise(2.0, 4), "", likely="fr"),
        Sound(noise(2.0, 5), "ru", timed=True),
        Sound(noise(2.0, 6), "en", thorough=False),
        Sound(noise(2.0, 6), "en", thorough=False, timed=True),
    ]
    together = unsure.hear(sounds)
    assert [one.language for one in together] == ["en", "en", "de", "fr", "ru", "en", "en"]
    for sound, one in zip(sounds, together, strict=True):
        [alone] = unsure.hear([sound])
        assert (one.text, one.words) == (alone.text, alone.words)
        assert one.log_probability == pytest.approx(alone.log_probability, abs=1e-4)
    timed = [bool(one.words) for one in together]
    assert any(timed)
    assert not any(words and not sound.timed for words, sound in zip(timed, sounds, strict=True))


def test_sound_of_no_length_is_taken(unsure: WhisperNetwork) -> None:
    for seconds in (0.0, 0.001, 0.05):
        [heard] = unsure.hear([Sound(noise(seconds), "en", timed=True)])
        assert 0.0 <= heard.no_speech <= 1.0


def test_a_loop_costs_no_more_than_the_sound_can_hold(unsure: WhisperNetwork) -> None:
    [brief] = unsure.hear([Sound(noise(1.0), "en")])
    assert len(brief.text) <= 16 + 25


def test_a_language_is_found_out_with_its_confidence(german: str) -> None:
    recognizer = WhisperRecognizer(load(german), WhisperOptions(german), AUTO, ())
    heard = recognizer.transcribe(noise(1.0), final=True)
    assert heard.language == "de"
    assert heard.language_confidence == pytest.approx(1.0, abs=0.01)


def test_a_language_that_was_given_is_not_looked_for(german: str) -> None:
    heard = WhisperRecognizer(load(german), WhisperOptions(german), "fr", ()).transcribe(noise(1.0), final=True)
    assert (heard.language, heard.language_confidence) == ("", None)


def test_what_is_too_unsure_gives_way_to_what_the_speaker_spoke_before(unsure: WhisperNetwork) -> None:
    [found] = unsure.hear([Sound(noise(1.0), "")])
    assert found.language in LANGUAGES
    assert found.language_confidence is not None
    assert found.language_confidence < 0.5
    [kept] = unsure.hear([Sound(noise(1.0), "", likely="ko")])
    assert kept.language == "ko"
    assert kept.language_confidence is not None
    assert kept.language_confidence <= found.language_confidence


def test_a_model_has_the_languages_of_its_vocabulary_the_default_first(german: str) -> None:
    engine = WhisperEngine(WhisperOptions(german, language="de"))
    engine.load()
    assert engine.languages[0] == "de"
    assert set(engine.languages) == {*LANGUAGES, AUTO}


def test_finding_out_may_be_the_default(german: str) -> None:
    engine = WhisperEngine(WhisperOptions(german, language=AUTO))
    engine.load()
    assert engine.languages[0] == AUTO


def test_an_english_model_has_nothing_to_find_out(tmp_path: Path) -> None:
    folder = make_whisper(tmp_path, languages=("en",))
    with pytest.raises(Unavailable, match="PARLEY_ASR_LANGUAGE=auto: this model has en"):
        WhisperEngine(WhisperOptions(folder, language=AUTO)).load()
