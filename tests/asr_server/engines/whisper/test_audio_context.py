"""How much sound the encoder is given: little for a partial, all for what may stay, and all when little misled it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from faster_whisper import WhisperModel

from asr_server.config import AsrConfig
from asr_server.engine import Word
from asr_server.engines import open_engine
from asr_server.engines.whisper.faster_whisper import WhisperEngine
from asr_server.engines.whisper.heard import Heard, Sound
from asr_server.engines.whisper.loading import threads
from asr_server.engines.whisper.network import WhisperNetwork
from asr_server.engines.whisper.options import WhisperOptions
from asr_server.engines.whisper.recognizer import WhisperRecognizer
from serving.config import read
from tests.asr_server.engines.whisper.tiny_whisper import make_whisper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctranslate2 import StorageView
    from numpy.typing import NDArray

RATE_HZ = 16_000
WHOLE = 30.0
BRIEF = 10.0


def noise(seconds: float) -> NDArray[np.float32]:
    return (np.random.default_rng(0).normal(size=round(seconds * RATE_HZ)) * 0.1).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_whisper(tmp_path_factory.mktemp("whisper"))


class Model(WhisperModel):  # type: ignore[misc]  # theirs has no types
    """The real one, and what its encoder was given."""

    frames: list[int]

    def encode(self, features: NDArray[np.float32]) -> StorageView:
        self.frames.append(features.shape[-1])
        return super().encode(features)


@pytest.fixture(scope="module")
def model(folder: str) -> Model:
    made = Model(folder, device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True)
    made.frames = []
    return made


@pytest.mark.parametrize(
    ("seconds", "context", "frames"),
    [
        *((0.0, 10.0, 1_000), (2.0, 10.0, 1_000), (5.0, 10.0, 1_000), (5.1, 10.0, 1_100), (14.2, 10.0, 2_000)),
        *((28.0, 10.0, 3_000), (35.0, 10.0, 3_000), (2.0, 3.0, 1_000), (2.0, 12.5, 1_300), (2.0, 30.0, 3_000)),
    ],
)
def test_the_encoder_is_given_the_sound_and_five_seconds_of_silence(
    model: Model, seconds: float, context: float, frames: int
) -> None:
    model.frames.clear()
    [heard] = WhisperNetwork(model).hear([Sound(noise(seconds), "en", context_seconds=context, timed=True)])
    assert model.frames == [frames]
    assert all(word.end_sample <= (seconds + 1) * RATE_HZ for word in heard.words)


def test_sounds_that_go_together_are_given_what_the_longest_needs(model: Model) -> None:
    model.frames.clear()
    sounds = [Sound(noise(seconds), "en", thorough=False, context_seconds=BRIEF) for seconds in (1.0, 8.0, 3.0)]
    assert len(WhisperNetwork(model).hear(sounds)) == 3
    assert model.frames == [1_300]


class Remembering:
    """In place of the network: remembers what it was asked, and trusts nothing until it is asked over 30 s."""

    def __init__(self, misled: Heard | None = None) -> None:
        self.asked: list[Sound] = []
        self._misled = misled

    def hear(self, sounds: Sequence[Sound]) -> list[Heard]:
        self.asked += sounds
        return [self._heard(sound) for sound in sounds]

    def _heard(self, sound: Sound) -> Heard:
        if self._misled is not None and sound.context_seconds < WHOLE:
            return self._misled
        end = len(sound.audio)
        words = tuple(Word(f" w{at // 8_000}", at, at + 8_000) for at in range(0, end, 8_000))
        return Heard("".join(word.text for word in words), words, -0.1, 0.0, "en")


def recognizer(network: Remembering, context: float = BRIEF) -> WhisperRecognizer:
    options = WhisperOptions("", partial_context_seconds=context)
    return WhisperRecognizer(network, options, "en", ())  # type: ignore[arg-type]  # it is asked for nothing else


def test_a_partial_is_given_little_and_a_final_all_of_it() -> None:
    network = Remembering()
    hears = recognizer(network)
    hears.transcribe(noise(2.0), final=False)
    hears.transcribe(noise(2.0), final=True)
    assert [(sound.context_seconds, sound.thorough) for sound in network.asked] == [(BRIEF, False), (WHOLE, True)]


def test_words_that_a_partial_may_agree_on_for_good_are_heard_with_all_of_it() -> None:
    network = Remembering()
    hears = recognizer(network)
    for seconds in (7.9, 8.1, 9.0, 10.0):
        hears.transcribe(noise(seconds), final=False)
    assert [sound.context_seconds for sound in network.asked] == [BRIEF, WHOLE, WHOLE, WHOLE]


@pytest.mark.parametrize(
    "misled",
    [
        Heard("what time is it " * 12, (), -0.2, 0.0, "en"),
        Heard("thank you", (), -1.5, 0.9, "en"),
    ],
)
def test_what_a_partial_makes_up_is_asked_again_with_all_of_it(misled: Heard) -> None:
    network = Remembering(misled)
    assert recognizer(network).transcribe(noise(1.0), final=False).text == "w0 w1"
    assert [sound.context_seconds for sound in network.asked] == [BRIEF, WHOLE]


def test_who_sets_nothing_has_little_on_a_processor(folder: str) -> None:
    engine = WhisperEngine(WhisperOptions(folder, device="cpu", compute_type="float32"))
    engine.load()
    [sound] = [next(engine.recognizer("en", ()).work(noise(1.0), final=False))]
    assert sound.context_seconds == BRIEF


def test_the_settings_reach_the_model(folder: str) -> None:
    settings = {
        "PARLEY_ASR_ENGINE": "faster-whisper",
        "PARLEY_ASR_MODEL": folder,
        "PARLEY_ASR_PARTIAL_CONTEXT_SECONDS": "20",
        "PARLEY_ASR_THREADS": "1",
    }
    engine = open_engine(read(AsrConfig, settings))
    assert isinstance(engine, WhisperEngine)
    engine.load()
    assert next(engine.recognizer("en", ()).work(noise(1.0), final=False)).context_seconds == 20


@pytest.mark.parametrize(("asked", "cores", "computing"), [(0, 2, 2), (0, 1, 1), (0, 64, 8), (3, 64, 3)])
def test_every_core_computes_up_to_eight(asked: int, cores: int, computing: int) -> None:
    assert threads(WhisperOptions("", threads=asked), cores) == computing
