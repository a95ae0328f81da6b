"""The real library: what it says can be understood, its marks fit, and it stops when told to."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import pytest

from parley.audio import resample, to_float32
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark, choose
from tts_server.engines.espeak import EspeakEngine

if TYPE_CHECKING:
    from collections.abc import Callable

SENTENCES = (
    "Seven times eight is fifty six.",
    "I cannot look outside.",
    "Please tell me more about that.",
    "Nice to meet you, Peter.",
    "How do you feel when you say that?",
)


@pytest.fixture(scope="module")
def espeak() -> tuple[EspeakEngine, tuple[Voice, ...]]:
    engine = EspeakEngine()
    return engine, engine.load()


def say(engine: EspeakEngine, request: SpeechRequest) -> tuple[bytes, list[WordMark]]:
    return taken_apart(list(engine.speak(request, threading.Event())))


def taken_apart(events: list[Audio | WordMark]) -> tuple[bytes, list[WordMark]]:
    pcm = b"".join(event.pcm for event in events if isinstance(event, Audio))
    return pcm, [event for event in events if isinstance(event, WordMark)]


def is_same(one: tuple[bytes, list[WordMark]], other: tuple[bytes, list[WordMark]]) -> bool:
    """The library has a random part in each sound: a millisecond here and there."""
    words = [[(mark.start_char, mark.end_char) for mark in marks] for _, marks in (one, other)]
    return words[0] == words[1] and abs(len(one[0]) - len(other[0])) < 0.1 * len(other[0])


def test_american_english_comes_first_among_many_voices(espeak: tuple[EspeakEngine, tuple[Voice, ...]]) -> None:
    _, voices = espeak
    assert voices[0].name == "en-us"
    assert len({voice.name for voice in voices}) > 50
    assert all(voice.sample_rate_hz == 22_050 for voice in voices)


def test_what_it_says_can_be_understood(espeak: tuple[EspeakEngine, tuple[Voice, ...]]) -> None:
    from asr_server.engines.moonshine.engine import MoonshineEngine  # noqa: PLC0415 - the listener of this test alone

    engine, voices = espeak
    ear = MoonshineEngine()
    ear.load()
    recognizer = ear.recognizer("en", ())
    heard = []
    for sentence in SENTENCES:
        pcm, _ = say(engine, SpeechRequest(sentence, voices[0], 1.0))
        quiet = np.zeros(4_800, dtype=np.float32)
        sound = np.concatenate([quiet, to_float32(resample(pcm, 22_050, 16_000)), quiet])
        text = recognizer.transcribe(sound, final=True).text.lower().replace("-", " ").replace("56", "fifty six")
        heard.append(text.replace("7", "seven").replace("8", "eight").translate(str.maketrans("", "", ".,?!")))
    wanted = [sentence.lower().translate(str.maketrans("", "", ".,?!")) for sentence in SENTENCES]
    # Of 29 words it hears two or three otherwise, by what the library has said before.
    assert jiwer.wer(wanted, heard) <= 0.14, heard


def test_every_word_has_a_mark_in_its_place(espeak: tuple[EspeakEngine, tuple[Voice, ...]]) -> None:
    engine, voices = espeak
    text = "Seven times eight is fifty six."
    pcm, marks = say(engine, SpeechRequest(text, voices[0], 1.0))
    assert [text[mark.start_char : mark.end_char] for mark in marks] == text.split()
    samples = [mark.sample for mark in marks]
    assert samples == sorted(samples)
    assert samples[-1] < len(pcm) // 2
    # Each word is louder in its middle than the silence at the end of the sentence.
    level = np.abs(to_float32(pcm))
    for start, end in zip(samples, [*samples[1:], len(level)], strict=True):
        assert level[start:end].max() > 0.05


def test_chinese_and_japanese_are_marked_by_their_characters(espeak: tuple[EspeakEngine, tuple[Voice, ...]]) -> None:
    engine, voices = espeak
    text = "今天天气很好，我们去公园玩吧。"
    _, marks = say(engine, SpeechRequest(text, choose(voices, "", "zh-CN"), 1.0))
    assert [text[mark.start_char : mark.end_char] for mark in marks][:6] == ["今", "天", "天", "气", "很", "好，"]
    # The library itself marks all but one of them.
    assert sum(mark.estimated for mark in marks) <= 1
    pcm, marks = say(engine, SpeechRequest("今日はいい天気ですね。", choose(voices, "", "ja"), 1.0))
    assert len({mark.sample for mark in marks}) == len("今日はいい天気ですね")
    assert len(pcm) // 2 > marks[-1].sample > 0


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("fr", "fr-fr"),
        ("fr-BE", "fr-be"),
        ("es", "es"),
        ("pt", "pt"),
        ("en", "en-us"),
        ("en-GB", "en-gb"),
        ("zh-CN", "cmn"),
        ("de-AT", "de"),
    ],
)
def test_a_language_is_spoken_as_in_its_own_land(
    espeak: tuple[EspeakEngine, tuple[Voice, ...]], language: str, name: str
) -> None:
    assert choose(espeak[1], "", language).name == name


def test_the_default_voice_comes_before_that_of_its_languages_own_land(
    espeak: tuple[EspeakEngine, tuple[Voice, ...]],
) -> None:
    belgian = choose(espeak[1], "fr-be", "")
    assert choose((belgian, *espeak[1]), "", "fr") is belgian


def test_a_slower_speaker_takes_longer(espeak: tuple[EspeakEngine, tuple[Voice, ...]]) -> None:
    engine, voices = espeak
    slow, _ = say(engine, SpeechRequest(SENTENCES[0], voices[0], 0.5))
    quick, _ = say(engine, SpeechRequest(SENTENCES[0], voices[0], 2.0))
    assert len(slow) > 2 * len(quick)


def test_it_stops_within_a_chunk_when_told_to(espeak: tuple[EspeakEngine, tuple[Voice, ...]]) -> None:
    engine, voices = espeak
    stop = threading.Event()
    stop.set()
    began = time.perf_counter()
    events = list(engine.speak(SpeechRequest("A long sentence. " * 500, voices[0], 1.0), stop))
    assert not [event for event in events if isinstance(event, Audio)]
    assert time.perf_counter() - began < 0.5


def test_the_next_text_is_whole_after_one_that_was_stopped(espeak: tuple[EspeakEngine, tuple[Voice, ...]]) -> None:
    engine, voices = espeak
    whole, _ = say(engine, SpeechRequest(SENTENCES[1], voices[0], 1.0))
    stop = threading.Event()
    stop.set()
    list(engine.speak(SpeechRequest(SENTENCES[0], voices[0], 1.0), stop))
    again, _ = say(engine, SpeechRequest(SENTENCES[1], voices[0], 1.0))
    assert abs(len(again) - len(whole)) < 2_205


def test_every_voice_that_is_listed_can_speak(espeak: tuple[EspeakEngine, tuple[Voice, ...]]) -> None:
    engine, voices = espeak
    assert {"en-gb", "fr-fr"} <= {voice.name for voice in voices}
    # The package has no dictionary for Faroese, which would be silence.
    assert "fo" not in {voice.name for voice in voices}
    for voice in voices:
        say(engine, SpeechRequest("1", voice, 1.0))


def test_two_engines_of_one_process_do_not_get_the_sound_of_each_other(
    espeak: tuple[EspeakEngine, tuple[Voice, ...]],
) -> None:
    engine, voices = espeak
    request = SpeechRequest(SENTENCES[0], voices[0], 1.0)
    before = say(engine, request)
    other = EspeakEngine()
    other.load()
    assert is_same(say(engine, request), before)
    assert is_same(say(other, request), before)


class Watched:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self, waited: threading.Event) -> None:
        self._lock = threading.Lock()
        self._waited = waited

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._waited.set()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Asked(threading.Event):
    """A stop flag that is never set; the library asks it again and again while it speaks."""

    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__()
        self._do = do
        self._is_first = True

    def is_set(self) -> bool:
        if self._is_first:
            self._is_first = False
            self._do()
        return False


def test_texts_of_two_threads_are_not_mixed_up(
    espeak: tuple[EspeakEngine, tuple[Voice, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second asks while the library is within the first."""
    engine, voices = espeak
    requests = [SpeechRequest(text, voices[0], 1.0) for text in SENTENCES[:2]]
    alone = [say(engine, request) for request in requests]
    assert not is_same(*alone)
    second_is_there = threading.Event()
    found: dict[int, list[Audio | WordMark]] = {}

    def speak(number: int, do: Callable[[], object]) -> None:
        found[number] = list(engine.speak(requests[number], Asked(do)))

    def let_the_second_ask() -> None:
        second.start()
        second_is_there.wait()

    monkeypatch.setattr("tts_server.engines.espeak._LOCK", Watched(second_is_there))
    second = threading.Thread(target=speak, args=(1, second_is_there.set))
    speak(0, let_the_second_ask)
    second.join()
    for number, wanted in enumerate(alone):
        assert is_same(taken_apart(found[number]), wanted)
