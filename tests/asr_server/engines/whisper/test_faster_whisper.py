"""The real faster-whisper on a small model that knows the speech of espeak, and what is said when it cannot start."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import pytest
from faster_whisper import WhisperModel

from asr_server.config import AsrConfig
from asr_server.engine import Batching, Job, Transcript
from asr_server.engines import open_engine
from asr_server.engines.whisper.faster_whisper import WhisperEngine
from asr_server.engines.whisper.heard import Heard, Sound
from asr_server.engines.whisper.loading import placement
from asr_server.engines.whisper.network import WhisperNetwork
from asr_server.engines.whisper.options import WhisperOptions
from asr_server.engines.whisper.recognizer import WhisperRecognizer
from asr_server.engines.whisper.window import Limits
from asr_server.hallucination_filter import loops
from parley import asr
from parley.audio import resample, to_float32, to_s16le
from parley.errors import Unavailable
from serving.config import read
from tests.asr_server.engines.whisper.tiny_whisper import make_whisper
from tests.asr_server.test_recordings import words
from tests.asr_server.test_service import heard, serving
from tts_server.engine import Audio, SpeechRequest
from tts_server.engines.espeak import EspeakEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATE_HZ = 16_000
# In int8 a small model hears other words on another processor: sums saturate where there is no VNNI.
COMPUTE_TYPE = "float32"
SAID = ("turn on the kitchen lamp", "what is the weather like in paris today", "hello how are you", "thank you")


@pytest.fixture(scope="module")
def model() -> str:
    """A Whisper of 2 MB that was trained on espeak's voice."""
    default = Path(__file__).parents[5] / "shared" / "models"
    folder = Path(os.environ.get("PARLEY_TEST_MODELS", default)) / "whisper-tiny-commands"
    if not folder.is_dir():
        pytest.skip(f"{folder}: no model there; name the folder of whisper-tiny-commands in PARLEY_TEST_MODELS")
    return str(folder)


@pytest.fixture(scope="module")
def engine(model: str) -> WhisperEngine:
    made = WhisperEngine(WhisperOptions(model, compute_type=COMPUTE_TYPE, words=True))
    made.load()
    return made


@pytest.fixture(scope="module")
def spoken() -> dict[str, NDArray[np.float32]]:
    espeak = EspeakEngine()
    voice = espeak.load()[0]
    sounds = {}
    for text in SAID:
        events = espeak.speak(SpeechRequest(text, voice, 1.0), threading.Event())
        pcm = b"".join(event.pcm for event in events if isinstance(event, Audio))
        sounds[text] = to_float32(resample(pcm, voice.sample_rate_hz, RATE_HZ))
    return sounds


def test_it_hears_what_is_said_with_the_places_of_the_words(
    engine: WhisperEngine, spoken: dict[str, NDArray[np.float32]]
) -> None:
    recognizer = engine.recognizer("en", ())
    right = 0
    for text, audio in spoken.items():
        heard = recognizer.transcribe(audio, final=True)
        right += words(heard.text) == text
        assert " ".join(word.text for word in heard.words) == heard.text
        starts = [word.first_sample for word in heard.words]
        assert starts == sorted(starts)
        assert all(0 <= word.first_sample <= word.end_sample <= len(audio) + RATE_HZ for word in heard.words)
    assert right >= len(SAID) - 1


def test_a_partial_has_words_and_no_times(engine: WhisperEngine, spoken: dict[str, NDArray[np.float32]]) -> None:
    heard = engine.recognizer("en", ("lamp",)).transcribe(spoken[SAID[0]], final=False)
    assert heard.text
    assert heard.words == ()


def test_partials_have_the_words_though_their_encoder_is_given_a_third(
    engine: WhisperEngine, spoken: dict[str, NDArray[np.float32]]
) -> None:
    heard = {text: engine.recognizer("en", ()).transcribe(audio, final=False).text for text, audio in spoken.items()}
    assert sum(words(partial) == text for text, partial in heard.items()) >= len(SAID) - 1


class Counting(WhisperNetwork):
    """The network, and how much it was given."""

    def __init__(self, model: WhisperModel) -> None:
        super().__init__(model)
        self.seconds: list[float] = []

    def hear(self, sounds: Sequence[Sound]) -> list[Heard]:
        self.seconds += [len(sound.audio) / RATE_HZ for sound in sounds]
        return super().hear(sounds)


@pytest.fixture(scope="module")
def counting(model: str) -> Counting:
    return Counting(WhisperModel(model, device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=1, local_files_only=True))


def two_minutes(spoken: dict[str, NDArray[np.float32]], pause_seconds: float) -> tuple[str, NDArray[np.float32]]:
    """The same sentences over and over, with pauses, and their words."""
    pause = round(pause_seconds * RATE_HZ)
    round_seconds = sum(len(spoken[text]) + pause for text in SAID[:3]) / RATE_HZ
    said = [text for _ in range(round(120 / round_seconds)) for text in SAID[:3]]
    return " ".join(said), np.concatenate([np.pad(spoken[text], (0, pause)) for text in said])


@pytest.mark.timeout(300)
def test_two_minutes_are_heard_to_the_last_word_and_no_look_is_long(
    counting: Counting, spoken: dict[str, NDArray[np.float32]]
) -> None:
    # This model knows a sentence at a time, and not where its words are: each window ends in the first pause.
    limits = Limits(slide_seconds=4.5, longest_seconds=4.5, search_seconds=2.3)
    recognizer = WhisperRecognizer(counting, WhisperOptions("", context=False, limits=limits), "en", ())
    counting.seconds.clear()
    said, audio = two_minutes(spoken, 1.0)
    before = 0.0
    for end in range(8 * RATE_HZ, len(audio), 8 * RATE_HZ):
        recognizer.transcribe(audio[:end], final=False)
        assert sum(counting.seconds) - before <= 8 + 2 * limits.longest_seconds, "each second costs the same"
        before = sum(counting.seconds)
    heard = recognizer.transcribe(audio, final=True)
    assert max(counting.seconds) <= limits.longest_seconds
    # The model gets some of the sentences wrong, always; a cut in the wrong place would lose or double others.
    assert jiwer.wer(said, words(heard.text)) < 0.12
    assert words(heard.text).count(SAID[2]) == said.count(SAID[2])


@pytest.mark.timeout(300)
def test_looks_at_two_minutes_that_are_still_being_said_stay_short(
    counting: Counting, spoken: dict[str, NDArray[np.float32]]
) -> None:
    recognizer = WhisperRecognizer(counting, WhisperOptions(""), "en", ())
    counting.seconds.clear()
    _, audio = two_minutes(spoken, 0.3)
    for end in range(4 * RATE_HZ, len(audio), 4 * RATE_HZ):
        recognizer.transcribe(audio[:end], final=False)
    assert max(counting.seconds) <= Limits().longest_seconds
    assert sum(counting.seconds) < 120 * 4


def test_another_utterance_begins_anew(engine: WhisperEngine, spoken: dict[str, NDArray[np.float32]]) -> None:
    recognizer = engine.recognizer("en", ())
    long = np.concatenate([spoken[SAID[1]], *[spoken[SAID[2]]] * 12])
    recognizer.transcribe(long, final=True)
    heard = recognizer.transcribe(spoken[SAID[0]], final=True)
    assert words(heard.text) == SAID[0]
    assert all(word.end_sample <= len(spoken[SAID[0]]) for word in heard.words)


def test_streams_that_are_transcribed_together_hear_what_each_hears_alone(
    model: str, engine: WhisperEngine, spoken: dict[str, NDArray[np.float32]]
) -> None:
    # One of them takes two windows, one of them none.
    sounds = [spoken[SAID[0]], np.tile(spoken[SAID[1]], 8), np.zeros(0, dtype=np.float32), spoken[SAID[2]]]
    alone = [engine.recognizer("en", ()).transcribe(sound, final=True).text for sound in sounds]
    together = engine.transcribe_together([Job(engine.recognizer("en", ()), sound, final=True) for sound in sounds])
    assert [answer.text for answer in together if isinstance(answer, Transcript)] == alone
    assert words(alone[0]) == SAID[0]
    assert engine.most == 1
    assert WhisperEngine(WhisperOptions(model, batch=8)).most == 8


async def test_streams_that_speak_at_once_get_their_own_words(
    model: str, spoken: dict[str, NDArray[np.float32]]
) -> None:
    several = WhisperEngine(WhisperOptions(model, compute_type=COMPUTE_TYPE, batch=8))
    several.load()
    async with serving(engine=several) as client:
        alone = {text: await turns_of(client, audio) for text, audio in spoken.items()}
        said = [text for text in SAID for _ in range(2)]
        async with asyncio.TaskGroup() as tasks:
            streams = [tasks.create_task(turns_of(client, spoken[text])) for text in said]
    assert [stream.result() for stream in streams] == [alone[text] for text in said]
    assert alone[SAID[0]] == [SAID[0]]


async def turns_of(client: asr.AsrClient, audio: NDArray[np.float32]) -> list[str]:
    """The words of each turn in what is said."""
    events = await heard(client, asr.Config(), *microphone(audio))
    return [words(event.text) for event in events if isinstance(event, asr.EndOfTurn)]


def microphone(audio: NDArray[np.float32]) -> list[asr.Request]:
    """What is said, between silences."""
    pcm = bytes(16_000) + to_s16le(audio) + bytes(64_000)
    return [asr.Audio(pcm[at : at + 1280], at // 2) for at in range(0, len(pcm) - 1279, 1280)]


def test_sound_that_cannot_be_transcribed_fails_alone(
    engine: WhisperEngine, spoken: dict[str, NDArray[np.float32]]
) -> None:
    sounds = [spoken[SAID[0]], np.zeros((2, 100), dtype=np.float32), spoken[SAID[2]]]
    first, bad, last = engine.transcribe_together(
        [Job(engine.recognizer("en", ()), sound, final=True) for sound in sounds]
    )
    assert isinstance(bad, ValueError)
    assert isinstance(first, Transcript)
    assert isinstance(last, Transcript)
    assert (words(first.text), words(last.text)) == (SAID[0], SAID[2])


def test_an_english_model_has_english_alone(engine: WhisperEngine) -> None:
    assert engine.languages == ("en",)
    assert (engine.name, engine.model) == ("faster-whisper", "whisper-tiny-commands")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            WhisperOptions("/nowhere/at/all"),
            "PARLEY_ASR_MODEL=/nowhere/at/all is no folder here.*pull whisper:small$",
        ),
        (WhisperOptions("no-such/model"), "PARLEY_ASR_MODEL=no-such/model.*parley models pull whisper:no-such/model;"),
        (
            WhisperOptions("gigantic"),
            "PARLEY_ASR_MODEL=gigantic is no folder here.* small, .*parley models pull whisper:small$",
        ),
        (WhisperOptions("small", compute_type="int3"), "PARLEY_ASR_COMPUTE_TYPE=int3: cpu has .*int8"),
    ],
)
def test_what_it_cannot_start_with_is_said_with_the_remedy(options: WhisperOptions, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        WhisperEngine(options).load()


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_told_and_nobody_is_asked_for_it(name: str, tmp_path: Path) -> None:
    folder = make_whisper(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(Unavailable, match=f"PARLEY_ASR_MODEL={folder} has no {name}"):
        WhisperEngine(WhisperOptions(folder, download=True)).load()


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_folder_with_a_broken_file_is_told(name: str, tmp_path: Path) -> None:
    folder = make_whisper(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(Unavailable, match=f"PARLEY_ASR_MODEL={folder}.*{name}"):
        WhisperEngine(WhisperOptions(folder)).load()


def test_what_is_said_of_a_missing_model_is_ours_alone() -> None:
    for model in ("someone/whisper", "no-such/model", "someone/whisper-large-v3.5_ct2"):
        with pytest.raises(Unavailable) as caught:
            WhisperEngine(WhisperOptions(model)).load()
        told = str(caught.value)
        assert f"parley models pull whisper:{model}" in told
        assert not re.search(r"snapshot|hugging|http|repo_id|\n", told, re.IGNORECASE)


def test_a_language_that_the_model_has_not_is_refused_at_the_start(model: str) -> None:
    with pytest.raises(Unavailable, match="PARLEY_ASR_LANGUAGE=de: this model has en"):
        WhisperEngine(WhisperOptions(model, language="de")).load()


def test_a_device_that_is_not_there_is_named() -> None:
    import ctranslate2  # of this engine alone

    if ctranslate2.get_cuda_device_count():
        assert placement(WhisperOptions("small", device="cuda")) == ("cuda", "float16")
        return
    with pytest.raises(Unavailable, match="PARLEY_ASR_DEVICE=cuda: there is no CUDA device"):
        placement(WhisperOptions("small", device="cuda"))


def test_the_settings_reach_the_engine(model: str) -> None:
    settings = {"PARLEY_ASR_ENGINE": "faster-whisper", "PARLEY_ASR_MODEL": model, "PARLEY_ASR_BATCH": "4"}
    made = open_engine(read(AsrConfig, settings))
    assert isinstance(made, WhisperEngine)
    assert isinstance(made, Batching)
    assert made.most == 4


@pytest.mark.parametrize(
    ("no_speech", "log_probability", "text", "trusted"),
    [
        (0.1, -0.3, "turn on the lamp", True),
        (0.9, -1.4, "thanks for watching", False),
        (0.9, -0.2, "stop", True),
        (0.1, -0.3, "well " + "i do not know what to say " * 6, False),
        (0.1, -0.3, "ha ha ha ha ha ha", False),
    ],
)
def test_what_whisper_makes_up_is_dropped(
    no_speech: float, log_probability: float, text: str, *, trusted: bool
) -> None:
    assert Heard(text, (), log_probability, no_speech, "en").is_trusted is trusted


def test_a_loop_is_told_from_a_word_said_twice() -> None:
    assert loops("one one one one one one")
    assert not loops("no no, the other one")
    assert not loops("...")
