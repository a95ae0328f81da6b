"""The real voice: it can be understood, its marks fit, nothing clips, it stops when told to, and is never silent."""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime import RunOptions

from parley import tts
from parley.audio import resample, to_float32
from parley.errors import EngineFailed, InvalidInput, Unavailable
from tests.tts_server.test_service import serving, spoken
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark, choose
from tts_server.engines.espeak import EspeakEngine
from tts_server.engines.hibari.engine import HibariEngine
from tts_server.engines.hibari.network import Network, infer
from tts_server.engines.hibari.phrases import SCRIPTS
from tts_server.engines.hibari.sound import Trimmed
from tts_server.engines.hibari.vocoder import render
from tts_server.engines.levelled import LevelledEngine

if TYPE_CHECKING:
    from pathlib import Path

    from onnxruntime import InferenceSession

    from tests.tts_server.conftest import LoadedEngine
    from tts_server.engine import Engine
    from tts_server.engines.hibari.network import Feed

RATE_HZ = 24_000
RATIO = 1.5
SENTENCES = (
    "Seven times eight is fifty six.",
    "I cannot look outside.",
    "Please tell me more about that.",
    "Nice to meet you, Peter.",
    "How do you feel when you say that?",
    "The train from Boston arrives at seven thirty, but nobody will be there to meet it.",
    "It is nine o'clock. Good morning! What would you like to do today?",
)
Sound = NDArray[np.float32]
Hibari = tuple["Engine", tuple[Voice, ...]]


def new_engine() -> HibariEngine:
    return HibariEngine(LevelledEngine(EspeakEngine(), RATIO), RATIO)


@pytest.fixture
def hibari(default_engine: LoadedEngine) -> Hibari:
    return default_engine, default_engine.voices


def say(hibari: Hibari, text: str, speed: float = 1.0, voice: Voice | None = None) -> tuple[Sound, list[WordMark]]:
    engine, voices = hibari
    events = list(engine.speak(SpeechRequest(text, voice or voices[0], speed), threading.Event()))
    sound = to_float32(b"".join(event.pcm for event in events if isinstance(event, Audio)))
    return sound, [event for event in events if isinstance(event, WordMark)]


def words(text: str) -> str:
    """As they are compared: Moonshine writes some numbers as figures."""
    text = text.lower().replace("56", "fifty six").replace("7.30", "seven thirty").replace("7:30", "seven thirty")
    text = text.replace("7", "seven").replace("8", "eight").replace("9", "nine").replace("-", " ")
    return text.translate(str.maketrans("", "", ".,?!'"))


def test_its_voice_comes_first_and_espeaks_stand_beside_it(hibari: Hibari) -> None:
    _, voices = hibari
    assert (voices[0].name, voices[0].language, voices[0].sample_rate_hz) == ("heart", "en-US", RATE_HZ)
    assert "0.2.1" in voices[0].fingerprint
    assert len(voices) > 50
    chosen = {language: choose(voices, "", language).name for language in ("", "en", "en-US", "de", "fr", "zh-CN")}
    assert chosen == {"": "heart", "en": "heart", "en-US": "heart", "de": "de", "fr": "fr-fr", "zh-CN": "cmn"}


def test_a_voice_that_would_have_to_be_fetched_is_refused(hibari: Hibari) -> None:
    with pytest.raises(InvalidInput, match="no voice emma: choose one of heart, en-us"):
        choose(hibari[1], "emma", "en")


def test_what_it_says_can_be_understood(hibari: Hibari) -> None:
    from asr_server.engines.moonshine.engine import MoonshineEngine  # noqa: PLC0415 - the listener of this test alone

    ear = MoonshineEngine()
    ear.load()
    recognizer = ear.recognizer("en", ())
    quiet = np.zeros(4_800, dtype=np.float32)
    heard = []
    for sentence in SENTENCES:
        pcm = (say(hibari, sentence)[0] * 32_767).astype("<i2").tobytes()
        sound = np.concatenate([quiet, to_float32(resample(pcm, RATE_HZ, 16_000)), quiet])
        heard.append(words(recognizer.transcribe(sound, final=True).text))
    assert jiwer.wer([words(sentence) for sentence in SENTENCES], heard) <= 0.04, heard


@pytest.mark.parametrize("text", [*SENTENCES, "Well — “you know” … fifty-six, don’t you?"])
def test_every_word_has_a_mark_in_its_place(hibari: Hibari, text: str) -> None:
    sound, marks = say(hibari, text)
    assert [text[mark.start_char : mark.end_char] for mark in marks] == [w for w in text.split() if w not in "—…"]
    assert not any(mark.estimated for mark in marks)
    samples = [mark.sample for mark in marks]
    assert samples == sorted(set(samples))
    assert samples[-1] < len(sound)
    for start, end in zip(samples, [*samples[1:], len(sound)], strict=True):
        assert np.abs(sound[start:end]).max() > 0.05


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_a_mark_stands_where_the_sound_begins_after_a_pause(hibari: Hibari, speed: float) -> None:
    sound, marks = say(hibari, "Nobody. Everyone. Maybe. Always.", speed)
    level = np.abs(sound[: len(sound) // 120 * 120]).reshape(-1, 120).max(axis=1)
    # Sound after 150 ms of silence.
    onsets = [
        place for place in range(30, len(level)) if level[place] > 0.005 and level[place - 30 : place].max() <= 0.005
    ]
    assert len(onsets) == len(marks) - 1
    for mark, onset in zip(marks[1:], onsets, strict=True):
        assert abs(onset * 120 - mark.sample) < 0.06 * RATE_HZ / min(speed, 1.0)


def test_marks_come_before_their_sound_which_comes_in_pieces(hibari: Hibari) -> None:
    engine, voices = hibari
    made = 0
    sizes = []
    for event in engine.speak(SpeechRequest(SENTENCES[5], voices[0], 1.0), threading.Event()):
        if isinstance(event, WordMark):
            assert event.sample >= made - RATE_HZ // 100
        else:
            sizes.append(len(event.pcm) // 2)
            made += sizes[-1]
    assert len(sizes) > 5
    assert max(sizes) < 0.7 * RATE_HZ


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_no_sample_is_beyond_full_scale(hibari: Hibari, speed: float) -> None:
    sounds = [say(hibari, sentence, speed)[0] for sentence in [*SENTENCES, "No! Oh, wow! Bob, go! Привет!"]]
    assert max(np.abs(sound).max() for sound in sounds) <= 0.901


def test_it_begins_and_ends_without_silence(hibari: Hibari) -> None:
    sound, _ = say(hibari, "Hello there.")
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    assert loud[0] < 0.06 * RATE_HZ
    assert len(sound) - loud[-1] < 0.3 * RATE_HZ


def test_a_slower_speaker_takes_longer(hibari: Hibari) -> None:
    slow, slow_marks = say(hibari, SENTENCES[0], 0.5)
    quick, quick_marks = say(hibari, SENTENCES[0], 2.0)
    assert len(slow) > 2.5 * len(quick)
    assert slow_marks[-1].sample > 2.5 * quick_marks[-1].sample


def test_a_run_is_ended_within_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    network = open_network()
    options = RunOptions()
    options.terminate = True
    feed = {"ids": np.array([[0, *range(43, 60), 0]]), "speed": np.ones(1, dtype=np.float32)}
    with pytest.raises(EngineFailed, match="terminate"):
        infer(network._session, feed, options)  # noqa: SLF001 - what `run` gives it
    broken_off = []

    def watched(session: InferenceSession, feed: Feed, options: RunOptions) -> list[Sound]:
        try:
            return infer(session, feed, options)
        except EngineFailed as error:
            broken_off.append(str(error))
            raise

    monkeypatch.setattr("tts_server.engines.hibari.network.infer", watched)
    stop = threading.Event()
    stop.set()
    # It would take half a second.
    assert network.run("a" * 2_000, 1.0, stop) is None
    assert len(broken_off) == 1
    assert network.run("a" * 20, 1.0, threading.Event()) is not None
    assert len(broken_off) == 1


@pytest.mark.parametrize("chunks", [0, 1, 3])
def test_nothing_more_is_made_for_one_who_has_left(hibari: Hibari, chunks: int) -> None:
    engine, voices = hibari
    stop = threading.Event()
    made = 0
    if not chunks:
        stop.set()
    for event in engine.speak(SpeechRequest(f"{SENTENCES[5]} Привет. {SENTENCES[6]}", voices[0], 1.0), stop):
        if isinstance(event, Audio):
            made += 1
            if made == chunks:
                stop.set()
    assert made == chunks


def test_sentences_are_spoken_side_by_side_without_mixing_them_up(hibari: Hibari) -> None:
    texts = [*SENTENCES[:4], "Привет", "γειά"]
    alone = {text: say(hibari, text)[1] for text in texts}
    together: dict[str, list[WordMark]] = {}
    threads = [
        threading.Thread(target=lambda text=text: together.update({text: say(hibari, text)[1]})) for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_the_same_text_has_the_same_sound(hibari: Hibari) -> None:
    assert np.array_equal(say(hibari, SENTENCES[5])[0], say(hibari, SENTENCES[5])[0])


@pytest.mark.parametrize("language", SCRIPTS.values())
def test_every_language_of_a_script_has_a_voice(hibari: Hibari, language: str) -> None:
    assert choose(hibari[1], "", language).name != "heart"


@pytest.mark.parametrize(
    "text",
    [
        *("привет", "漢字", "こんにちは", "안녕하세요", "مرحبا", "नमस्ते", "γειά", "שלום", "བོད་", "½", "²x"),
        *("123456789" * 40, "a" * 300),
    ],
)
def test_what_it_cannot_say_is_spoken_by_espeak_and_marked(hibari: Hibari, text: str) -> None:
    sound, marks = say(hibari, text)
    assert np.abs(sound).max() > 0.1
    assert len(sound) > 0.1 * RATE_HZ
    assert (marks[0].start_char, marks[-1].end_char) == (0, len(text))


def test_one_foreign_word_leaves_the_others_to_the_voice(hibari: Hibari) -> None:
    text = "The Russian word привет is a greeting."
    sound, marks = say(hibari, text)
    assert [text[mark.start_char : mark.end_char] for mark in marks] == text.split()
    samples = [mark.sample for mark in marks]
    assert samples == sorted(set(samples))
    alone = (
        len(say(hibari, "The Russian word")[0]) + len(say(hibari, "привет")[0]) + len(say(hibari, "is a greeting.")[0])
    )
    assert abs(len(sound) - alone) < 0.2 * RATE_HZ


@pytest.mark.parametrize(
    "text", [*"aBIZ7", "+", "=", "§", "∑", "%", "😀", "👍", "❤️", "🇩🇪", "ℵ", "ⅷ", "ᚠ", "Ω", "w8", "C++"]
)
def test_a_letter_a_sign_or_an_emoji_alone_is_no_silence(hibari: Hibari, text: str) -> None:
    assert np.abs(say(hibari, text)[0]).max() > 0.1


def test_a_word_of_three_hundred_letters_is_said_to_its_end(hibari: Hibari) -> None:
    # Its network for unknown words takes 24 letters, which are over within two seconds.
    sound, marks = say(hibari, f"He said {'abcde' * 60}.")
    assert len(sound) > 5 * RATE_HZ
    assert len(marks) == 3


@pytest.mark.parametrize("text", ["", "   ", "...", "—", "\0", "[", "'"])
def test_where_nothing_is_to_be_said_nothing_is(hibari: Hibari, text: str) -> None:
    assert say(hibari, text)[1] == []


@pytest.mark.parametrize(
    "text", ["a\0b", "[hello](/həlˈO/)", "x" * 2_000, "word " * 400, "e.g. this", "Dr. No", "Việt Nam ạ"]
)
def test_odd_text_is_spoken_and_never_fails(hibari: Hibari, text: str) -> None:
    sound, marks = say(hibari, text)
    assert np.abs(sound).max() > 0.1
    assert marks[0].start_char == 0
    assert all(mark.end_char <= len(text) for mark in marks)


def test_brackets_are_no_phonemes(hibari: Hibari) -> None:
    assert len(say(hibari, "[no](/həlˈO həlˈO həlˈO həlˈO/)")[0]) != len(say(hibari, "həlˈO həlˈO həlˈO həlˈO")[0])


def test_nothing_reaches_for_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()

    def refuse(*_: object, name: str, **__: object) -> None:
        asked[name] += 1
        raise OSError("no network here")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, partial(refuse, name=name))
    engine = new_engine()
    sound, _ = say((engine, engine.load()), "Hello.")
    assert np.abs(sound).max() > 0.1
    assert not asked


async def test_a_reply_is_spoken_over_the_wire(default_engine: LoadedEngine) -> None:
    text = "It costs $5, at 10:05. Isn't that cheap?"
    async with serving(default_engine) as server:
        events = await spoken(server.client, tts.Config(), text)
        german = await spoken(server.client, tts.Config(language="de"), "Guten Tag.")
    assert events[0] == tts.Ready("hibari", "heart", RATE_HZ)
    marks = [event for event in events if isinstance(event, tts.WordMark)]
    assert [text[mark.first_character : mark.end_character] for mark in marks] == [
        *("It", "costs", "$5", "at", "10:05", "Isn't", "that", "cheap?")
    ]
    assert isinstance(german[0], tts.Ready)
    assert german[0].voice == "de"


@pytest.mark.parametrize(("package", "named"), [("hibari", "hibari-tts"), ("onnxruntime", "onnxruntime")])
def test_a_package_that_is_missing_is_told_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, named: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Unavailable) as caught:
        new_engine().load()
    assert str(caught.value) == f"{named} is not installed: pip install '.[hibari]' in the folder of Parley"


def test_a_file_that_is_no_network_or_another_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"network cannot be used, install hibari-tts 0.2.1 anew"):
        Network(b"<html>not found</html>", {}, 1)
    node = helper.make_node("Round", ["ids"], ["/Round_output_0"])
    value = partial(helper.make_tensor_value_info, elem_type=TensorProto.FLOAT, shape=[1])
    graph = helper.make_graph([node], "g", [value("ids")], [])
    other = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), other)
    with pytest.raises(
        Unavailable, match=r"install hibari-tts 0.2.1: it takes \['ids'\] and gives \['/Round_output_0'\]"
    ):
        Network(other.read_bytes(), {}, 1)


def open_network() -> Network:
    model = files("hibari") / "assets" / "hibari.onnx"
    return Network(model.read_bytes(), {chr(number): number for number in range(43, 123)}, 1)


def test_sound_that_is_made_piece_by_piece_is_that_of_the_package() -> None:
    from hibari import dsp  # noqa: PLC0415 - as the engine does

    class Still(np.random.Generator):
        def standard_normal(self, size: tuple[int, int], dtype: type = np.float32) -> Sound:  # type: ignore[override]  # one of many
            return np.zeros(size, dtype=dtype)

    frames = open_network().run("abcdefghijklmn" * 4, 1.0, threading.Event())
    assert frames is not None
    whole = dsp.synth(*frames.spectra, Still(np.random.PCG64()))
    pieces = list(render(frames.spectra, Still(np.random.PCG64())))
    assert len(pieces) > 3
    assert frames.samples == len(whole)
    assert np.allclose(np.concatenate(pieces), whole, atol=1e-5)


def test_silence_is_taken_off_around_the_sound_and_not_within_it() -> None:
    quiet, loud = np.zeros(2_400, dtype=np.float32), np.full(2_400, 0.5, dtype=np.float32)
    trimmed = Trimmed(iter([quiet, quiet, loud, quiet, loud, quiet, quiet, quiet]), RATE_HZ, 0.05)
    assert trimmed.taken_off == 4_800 - 600
    sound = np.concatenate(list(trimmed))
    assert np.array_equal(sound, np.concatenate([quiet[:600], loud, quiet, loud, quiet[:1_200]]))
    assert not list(Trimmed(iter([quiet]), RATE_HZ, 0.05))
