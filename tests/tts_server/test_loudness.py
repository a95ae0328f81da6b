"""All voices have one level, as EBU R128 measures it; compression keeps that, and nothing clips."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pyloudnorm
import pytest
from numpy.typing import NDArray

from parley.audio import to_float32
from serving.config import read
from tests.tts_server.piper_voice import RATE_HZ as PIPER_RATE_HZ
from tests.tts_server.piper_voice import Recipe, make_voice
from tts_server.config import TtsConfig
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark, choose
from tts_server.engines import open_engine
from tts_server.engines.compressor import Compressor
from tts_server.engines.dynamics import CEILING, Dynamics
from tts_server.engines.levelled import LevelledEngine
from tts_server.engines.loudness import LEVEL_DB, gain_of, loudness_db, sample_of
from tts_server.engines.scripted import ScriptedEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tts_server.conftest import LoadedEngine
    from tts_server.engine import Engine

RATE_HZ = 24_000
LOUDNESS_LUFS = -21.7
"""What `LEVEL_DB` is as BS.1770 weights it, in the middle of all voices."""
ENGLISH = (
    "Seven times eight is fifty six.",
    "The train from Boston arrives at seven thirty, but nobody will be there to meet it.",
    "Would you like me to read the next message?",
    "Water boils at one hundred degrees, unless you are standing on a high mountain.",
    "Goodbye, and have a pleasant evening!",
)
TEXTS = {
    "de": (
        "Guten Tag, wie geht es Ihnen heute?",
        "Der Zug kommt um halb neun in Berlin an.",
        "Ich kann leider nicht aus dem Fenster sehen.",
    ),
    "fr": (
        "Bonjour, comment allez-vous aujourd'hui ?",
        "Le train arrive à huit heures et demie à Paris.",
        "Je ne peux pas regarder dehors.",
    ),
    "es": (
        "Hola, ¿cómo estás? ¿Qué tal el día?",
        "El tren llega a las ocho y media a Madrid.",
        "Lo siento, no puedo mirar afuera.",
    ),
}
Sound = NDArray[np.float32]
House = dict[str, tuple["Engine", tuple[Voice, ...]]]


@pytest.fixture(scope="module")
def house(default_engine: LoadedEngine) -> House:
    """The default engines, without compression, with it, and with much of it."""
    opened = {ratio: open_engine(read(TtsConfig, {"PARLEY_TTS_COMPRESSION_RATIO": ratio})) for ratio in ("1", "4")}
    return {
        "default": (default_engine, default_engine.voices),
        **{ratio: (engine, engine.load()) for ratio, engine in opened.items()},
    }


def say(engine: Engine, voice: Voice, text: str) -> Sound:
    events = engine.speak(SpeechRequest(text, voice, 1.0), threading.Event())
    return to_float32(b"".join(event.pcm for event in events if isinstance(event, Audio)))


def lufs(sound: Sound, rate_hz: int) -> float:
    return float(pyloudnorm.Meter(rate_hz).integrated_loudness(sound))


@pytest.mark.parametrize("ratio", ["default", "1", "4"])
@pytest.mark.parametrize("name", ["heart", "en-us", "en-us+f3", "en-gb", "de", "fr-fr", "es"])
def test_every_voice_is_as_loud_as_the_others(house: House, name: str, ratio: str) -> None:
    engine, voices = house[ratio]
    voice = choose(voices, name, "")
    sounds = [say(engine, voice, text) for text in TEXTS.get(name[:2], ENGLISH)]
    assert abs(lufs(np.concatenate(sounds), voice.sample_rate_hz) - LOUDNESS_LUFS) < 1.5
    assert max(np.abs(sound).max() for sound in sounds) <= CEILING + 0.001


def test_compression_brings_loud_and_soft_words_together(house: House) -> None:
    """The distance of the loudest tenth of 100 ms from the middle one."""
    above = []
    for ratio in ("1", "default", "4"):
        engine, voices = house[ratio]
        # One whose sound is the same each time.
        voice = choose(voices, "heart", "")
        sound = np.concatenate([say(engine, voice, text) for text in ENGLISH])
        block = voice.sample_rate_hz // 10
        powers = np.square(sound[: len(sound) // block * block].reshape(-1, block)).mean(axis=1)
        above.append(10 * np.log10(np.quantile(powers, 0.9) / np.quantile(powers, 0.5)))
    assert above[0] > above[1] + 0.5 > above[2] + 0.8


def test_piper_s_voices_have_that_level_too_and_their_marks_stay(tmp_path: Path) -> None:
    make_voice(tmp_path, "loud", Recipe(level=0.9))
    make_voice(tmp_path, "soft", Recipe(level=0.05))
    make_voice(tmp_path, "hardly", Recipe(level=0.001))
    config = {"PARLEY_TTS_ENGINE": "piper", "PARLEY_TTS_VOICES_DIR": str(tmp_path), "PARLEY_TTS_COMPRESSION_RATIO": "1"}
    engine = open_engine(read(TtsConfig, config))
    voices = engine.load()
    text = "Seven times eight is fifty six."
    levels = {voice.name: loudness_db(say(engine, voice, text), PIPER_RATE_HZ) for voice in voices}
    assert levels["loud"] == pytest.approx(LEVEL_DB, abs=0.5)
    assert levels["soft"] == pytest.approx(LEVEL_DB, abs=0.5)
    assert levels["hardly"] < LEVEL_DB - 15, "what is hardly there is made louder, but not without bound"
    events = engine.speak(SpeechRequest(text, voices[0], 1.0), threading.Event())
    marks = [event for event in events if isinstance(event, WordMark)]
    assert [text[mark.start_char : mark.end_char] for mark in marks] == text.split()


class Measured(ScriptedEngine):
    """Hums at a tenth of full scale, and says what it was asked."""

    def __init__(self) -> None:
        super().__init__(0, 0.01)
        self.asked: list[str] = []

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        self.asked.append(request.text)
        tone = 0.1 * np.sin(np.arange(RATE_HZ) / 10)
        for second in range(3):
            if stop.is_set():
                return
            yield WordMark(second, second + 1, second * RATE_HZ)
            yield Audio((tone * 32_767).astype("<i2").tobytes())


def test_a_voice_is_measured_once_when_it_is_first_asked_for() -> None:
    inner = Measured()
    engine = LevelledEngine(inner, 1.5)
    voices = engine.load()
    assert inner.asked == [sample_of(voices[0].language)]
    other = Voice("other", "fr-FR", "", RATE_HZ)
    for _ in range(2):
        say(engine, other, "Hi.")
    assert inner.asked[1:] == [sample_of("fr"), "Hi.", "Hi."]


def test_a_listener_who_leaves_while_a_voice_is_measured_leaves_it_unmeasured() -> None:
    engine = LevelledEngine(Measured(), 1.0)
    engine.load()
    other = Voice("other", "fr-FR", "", RATE_HZ)
    stop = threading.Event()
    stop.set()
    assert not [each for each in engine.speak(SpeechRequest("Hi.", other, 1.0), stop) if isinstance(each, Audio)]
    assert loudness_db(say(engine, other, "Hi."), RATE_HZ) == pytest.approx(LEVEL_DB, abs=0.2)


def test_another_compression_is_another_voice_to_the_cache() -> None:
    fingerprints = {LevelledEngine(Measured(), ratio).load()[0].fingerprint for ratio in (1.0, 1.5, 2.0)}
    assert len(fingerprints) == 3


@pytest.mark.parametrize("ratio", [1.0, 1.5, 20.0])
def test_sound_is_the_same_however_it_is_cut(ratio: float) -> None:
    noise = np.random.default_rng(7)
    sound = (noise.standard_normal(RATE_HZ) * np.repeat([0.02, 0.6, 0.1, 0.9], RATE_HZ // 4)).astype(np.float32)
    whole = Dynamics(RATE_HZ, ratio)
    wanted = np.concatenate((whole.push(sound), whole.finish()))
    pieces = Dynamics(RATE_HZ, ratio)
    cut = [pieces.push(part) for part in np.split(sound, [1, 50, 777, 9_000, 9_001])]
    assert np.allclose(np.concatenate((*cut, pieces.finish())), wanted, atol=1e-6)
    assert len(wanted) == len(sound)
    assert np.abs(wanted).max() <= CEILING + 1e-6


def test_what_is_below_the_threshold_is_not_touched_and_what_is_above_comes_out_as_the_ratio_says() -> None:
    seconds = np.arange(RATE_HZ) / RATE_HZ
    soft, loud = (level * np.sin(2 * np.pi * 400 * seconds).astype(np.float32) for level in (0.05, 0.5))
    compressed = Compressor(RATE_HZ, 2.0)
    assert np.array_equal(np.concatenate((compressed.push(soft), compressed.finish())), soft)
    compressed = Compressor(RATE_HZ, 2.0)
    steady = np.concatenate((compressed.push(loud), compressed.finish()))[RATE_HZ // 2 :]
    # -9 dB are 15 above the threshold of -24; of these half are left.
    assert loudness_db(steady, RATE_HZ) == pytest.approx(-24 + 15 / 2, abs=0.2)
    assert np.array_equal(Compressor(RATE_HZ, 1.0).push(loud), loud)


def test_silence_has_no_level() -> None:
    quiet = np.zeros(RATE_HZ, dtype=np.float32)
    loud = np.full(RATE_HZ, 0.5, dtype=np.float32)
    assert gain_of(quiet, RATE_HZ, 1.5) is None
    assert loudness_db(quiet, RATE_HZ) == float("-inf")
    assert loudness_db(np.concatenate([loud, quiet]), RATE_HZ) == pytest.approx(-6.02, abs=0.01)
