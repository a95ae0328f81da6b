"""The real Piper, with voices that hum: another tone for each phoneme."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

from parley import tts
from parley.audio import to_float32
from parley.errors import EngineFailed, Unavailable
from serving.config import read
from tests.tts_server.piper_voice import FRAMES, HOP, RATE_HZ, Recipe, make_voice, tone_hz
from tests.tts_server.test_service import serving, sound, spoken
from tts_server.config import TtsConfig
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark, choose
from tts_server.engines import default_voice, open_engine
from tts_server.engines.piper import PiperEngine
from tts_server.engines.piper_voices import PiperOptions, name_of

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "Dr. Smith has 56 apples, to be honest. It is not that of the king!"
SAID_ALONE = {"smith": "s", "has": "h", "apples,": "æ", "honest.": "ɑ", "not": "n", "that": "ð", "king!": "k"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of voices."""
    made: Path = tmp_path_factory.mktemp("voices")
    make_voice(made, "en_US-hum-low")
    make_voice(made, "de_DE-duo-low", Recipe("de_DE", "de", speakers=("anna", "bert")))
    make_voice(made, "en_GB-guess-low", Recipe("en_GB", "en-gb-x-rp", durations="none"))
    make_voice(made, "no_NO-soft-low", Recipe("no_NO", "nb", durations="given", level=0.01))
    return made


@pytest.fixture(scope="module")
def piper(folder: Path) -> tuple[PiperEngine, dict[str, Voice]]:
    """The engine, and its voices by name."""
    engine = PiperEngine(PiperOptions(str(folder), "en_US-hum-low"))
    return engine, {voice.name: voice for voice in engine.load()}


def say(
    piper: tuple[PiperEngine, dict[str, Voice]], text: str, name: str = "en_US-hum-low", speed: float = 1.0
) -> tuple[bytes, list[WordMark]]:
    engine, voices = piper
    events = list(engine.speak(SpeechRequest(text, voices[name], speed), threading.Event()))
    pcm = b"".join(event.pcm for event in events if isinstance(event, Audio))
    return pcm, [event for event in events if isinstance(event, WordMark)]


def strongest_hz(pcm: bytes, start: int, samples: int) -> float:
    """The tone that sounds there."""
    window = to_float32(pcm)[start : start + samples]
    return float(np.fft.rfftfreq(8 * len(window), 1 / RATE_HZ)[np.abs(np.fft.rfft(window, 8 * len(window))).argmax()])


def test_voices_and_their_speakers_are_listed_the_default_first(
    piper: tuple[PiperEngine, dict[str, Voice]],
) -> None:
    _, voices = piper
    assert list(voices) == [
        "en_US-hum-low",
        "de_DE-duo-low",
        "de_DE-duo-low:anna",
        "de_DE-duo-low:bert",
        "en_GB-guess-low",
        "no_NO-soft-low",
    ]
    assert voices["de_DE-duo-low:bert"] == Voice(
        "de_DE-duo-low:bert", "de-DE", "de_DE-duo-low, Hummish, low quality, speaker bert", RATE_HZ
    )


@pytest.mark.parametrize("language", ["no", "nb", "NO-no"])
def test_a_language_with_two_codes_is_found_by_both(piper: tuple[PiperEngine, dict[str, Voice]], language: str) -> None:
    assert choose(tuple(piper[1].values()), "", language).name == "no_NO-soft-low"


def test_every_word_is_marked_where_its_first_phoneme_sounds(piper: tuple[PiperEngine, dict[str, Voice]]) -> None:
    pcm, marks = say(piper, TEXT)
    assert [TEXT[mark.start_char : mark.end_char] for mark in marks] == TEXT.split()
    assert not any(mark.estimated for mark in marks)
    checked = 0
    for mark in marks:
        phoneme = SAID_ALONE.get(TEXT[mark.start_char : mark.end_char].lower())
        if phoneme is not None:
            # A stress mark and the pause after it, a frame each, may come first.
            heard = strongest_hz(pcm, mark.sample + 2 * HOP, (FRAMES - 2) * HOP)
            assert heard == pytest.approx(tone_hz(phoneme), abs=10)
            checked += 1
    assert checked == len(SAID_ALONE)


def test_a_voice_that_does_not_tell_lengths_has_marks_that_are_called_estimated(
    piper: tuple[PiperEngine, dict[str, Voice]],
) -> None:
    pcm, marks = say(piper, TEXT, "en_GB-guess-low")
    assert [TEXT[mark.start_char : mark.end_char] for mark in marks] == TEXT.split()
    assert all(mark.estimated for mark in marks)
    samples = [mark.sample for mark in marks]
    assert samples == sorted(samples)
    assert samples[-1] < len(pcm) // 2
    # Hums and pauses are spread evenly here, so a guess by the number of phonemes cannot be far off.
    exact = [mark.sample for mark in say(piper, TEXT)[1]]
    assert max(abs(one - other) for one, other in zip(samples, exact, strict=True)) < RATE_HZ // 2


def test_an_abbreviation_makes_no_pause_for_a_sentence(piper: tuple[PiperEngine, dict[str, Voice]]) -> None:
    assert len(say(piper, "Mr. Jones")[0]) == len(say(piper, "Mr Jones")[0])


def test_speakers_of_one_model_have_voices_of_their_own(piper: tuple[PiperEngine, dict[str, Voice]]) -> None:
    tones = []
    for name in ("de_DE-duo-low", "de_DE-duo-low:anna", "de_DE-duo-low:bert"):
        pcm, marks = say(piper, "Nase", name)
        tones.append(strongest_hz(pcm, marks[0].sample + 2 * HOP, (FRAMES - 2) * HOP))
    assert tones == pytest.approx([tone_hz("n"), tone_hz("n"), tone_hz("n", speaker=1)], abs=10)


def test_a_slower_speaker_takes_longer(piper: tuple[PiperEngine, dict[str, Voice]]) -> None:
    slow, normal, quick = (len(say(piper, TEXT, speed=speed)[0]) for speed in (0.5, 1.0, 2.0))
    assert slow == pytest.approx(2 * normal, rel=0.01)
    assert quick < 0.75 * normal


def test_sound_comes_in_chunks_and_the_first_sentence_before_the_second_is_made(
    piper: tuple[PiperEngine, dict[str, Voice]],
) -> None:
    engine, voices = piper
    events = engine.speak(SpeechRequest(TEXT, voices["en_US-hum-low"], 1.0), threading.Event())
    first = []
    for event in events:
        if isinstance(event, WordMark) and TEXT[event.start_char : event.end_char] == "It":
            break
        first.append(event)
    chunks = [event for event in first if isinstance(event, Audio)]
    assert max(len(chunk.pcm) for chunk in chunks) <= 2 * RATE_HZ // 5
    assert [event for event in first if isinstance(event, WordMark)][-1].sample < sum(len(c.pcm) for c in chunks) // 2


def test_it_stops_within_the_network_when_told_to(tmp_path: Path) -> None:
    make_voice(tmp_path, "slow", Recipe(toil=60))
    engine = PiperEngine(PiperOptions(str(tmp_path)))
    began = time.perf_counter()
    (voice,) = engine.load()
    whole = time.perf_counter() - began
    stop, left = threading.Event(), []

    def leave() -> None:
        left.append(time.perf_counter())
        stop.set()

    timer = threading.Timer(whole / 10, leave)
    timer.start()
    assert not list(engine.speak(SpeechRequest("Seven times eight is fifty six.", voice, 1.0), stop))
    timer.join()
    assert time.perf_counter() - left[0] < whole / 3


def test_nothing_is_made_for_one_who_has_left_between_chunks(piper: tuple[PiperEngine, dict[str, Voice]]) -> None:
    engine, voices = piper
    stop = threading.Event()
    chunks = 0
    for event in engine.speak(SpeechRequest(TEXT, voices["en_US-hum-low"], 1.0), stop):
        if isinstance(event, Audio):
            chunks += 1
            stop.set()
    assert chunks == 1


def test_sentences_are_spoken_side_by_side_without_mixing_them_up(
    piper: tuple[PiperEngine, dict[str, Voice]],
) -> None:
    texts = {name: f"{text} is what I say. " * 3 for name, text in zip(piper[1], ("one", "two", "three"), strict=False)}
    alone = {name: say(piper, text, name) for name, text in texts.items()}
    together: dict[str, tuple[bytes, list[WordMark]]] = {}
    threads = [
        threading.Thread(target=lambda name=name: together.update({name: say(piper, texts[name], name)}))
        for name in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


@pytest.mark.parametrize("text", ["[[həlˈoʊ]]", "a\0b", "漢字", "", "1", "..."])
def test_odd_text_is_spoken_or_left_out_but_never_fails(piper: tuple[PiperEngine, dict[str, Voice]], text: str) -> None:
    _, marks = say(piper, text)
    assert all(mark.end_char <= len(text) for mark in marks)


def test_a_network_that_fails_is_an_error_of_the_engine(tmp_path: Path) -> None:
    path = make_voice(tmp_path, "duo", Recipe(speakers=("anna",)))
    # Its config promises a second speaker, whom the network does not have.
    config = json.loads(path.with_suffix(".onnx.json").read_text(encoding="utf-8"))
    config |= {"num_speakers": 2, "speaker_id_map": {"anna": 0, "bert": 1}}
    path.with_suffix(".onnx.json").write_text(json.dumps(config), encoding="utf-8")
    engine = PiperEngine(PiperOptions(str(tmp_path)))
    voices = {voice.name: voice for voice in engine.load()}
    with pytest.raises(EngineFailed, match="piper failed"):
        list(engine.speak(SpeechRequest("Hello.", voices["duo:bert"], 1.0), threading.Event()))


async def test_a_reply_is_spoken_over_the_wire_with_marks_that_say_what_they_are(folder: Path) -> None:
    async with serving(PiperEngine(PiperOptions(str(folder), "en_US-hum-low"))) as server:
        events = await spoken(server.client, tts.Config(), TEXT)
        guessed = await spoken(server.client, tts.Config(voice="en_GB-guess-low"), TEXT)
    assert events[0] == tts.Ready("piper", "en_US-hum-low", 24_000)
    marks = [event for event in events if isinstance(event, tts.WordMark)]
    assert [TEXT[mark.first_character : mark.end_character] for mark in marks] == TEXT.split()
    assert not any(mark.estimated for mark in marks)
    assert all(event.estimated for event in guessed if isinstance(event, tts.WordMark))
    assert np.abs(to_float32(sound(events))).max() > 0.1


async def test_a_default_voice_can_be_given_as_a_path_and_with_a_speaker(folder: Path, tmp_path: Path) -> None:
    elsewhere = make_voice(tmp_path, "nl_NL-else-low", Recipe("nl_NL", "nl", speakers=("cato", "dirk")))
    config = read(
        TtsConfig,
        {
            "PARLEY_TTS_ENGINE": "piper",
            "PARLEY_TTS_VOICES_DIR": str(folder),
            "PARLEY_TTS_VOICE": f"{elsewhere}:dirk",
        },
    )
    async with serving(open_engine(config), default_voice(config)) as server:
        voices = await server.client.voices()
    assert [voice.name for voice in voices[:3]] == ["nl_NL-else-low:dirk", "nl_NL-else-low", "nl_NL-else-low:cato"]
    assert len(voices) == 9


def test_the_folder_is_the_users_own_by_default(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    make_voice(tmp_path / "parley" / "voices", "mine")
    assert [voice.name for voice in PiperEngine(PiperOptions()).load()] == ["mine"]


@pytest.mark.parametrize(
    ("voice", "name"),
    [("", ""), ("mine", "mine"), ("mine:3", "mine:3"), ("/a/b.c/mine.onnx", "mine"), ("mine.onnx:a b", "mine:a b")],
)
def test_a_path_is_listed_by_its_name(voice: str, name: str) -> None:
    assert name_of(voice) == name


def refusal(options: PiperOptions) -> str:
    with pytest.raises(Unavailable) as caught:
        PiperEngine(options).load()
    return str(caught.value)


def test_no_voice_at_all_is_told_with_where_to_put_one(tmp_path: Path) -> None:
    told = refusal(PiperOptions(str(tmp_path / "voices")))
    assert told.startswith(f"no voice in {tmp_path / 'voices'}: put NAME.onnx and NAME.onnx.json there")
    assert told.endswith("parley models pull piper:en_US-lessac-medium")


def test_a_voice_that_is_not_there_is_told_with_those_that_are(folder: Path) -> None:
    told = refusal(PiperOptions(str(folder), "en_US-lessac-medium"))
    assert told.startswith(f"no voice en_US-lessac-medium in {folder}; there are de_DE-duo-low, ")
    assert refusal(PiperOptions(str(folder), "/nowhere/x.onnx")) == (
        "PARLEY_TTS_VOICE=/nowhere/x.onnx: there is no file /nowhere/x.onnx"
    )


def test_a_package_that_is_missing_is_told_with_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "piper", None)
    assert (
        refusal(PiperOptions(str(folder)))
        == "piper-tts is not installed: pip install '.[piper]' in the folder of Parley"
    )


def test_a_device_that_is_not_there_is_told(folder: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime knows CUDA")
    assert refusal(PiperOptions(str(folder), device="cuda")).startswith("PARLEY_TTS_DEVICE=cuda: ")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (None, "has no v.onnx.json beside it"),
        ("{", "is no JSON"),
        ("[]", "is no config of a Piper voice"),
        ("{}", "is no config of a Piper voice: KeyError('num_symbols')"),
        ('{"phoneme_type": "pinyin"}', "its phonemes are of type pinyin, and only espeak and text are known"),
    ],
)
def test_a_config_that_cannot_be_used_is_told(tmp_path: Path, config: str | None, complaint: str) -> None:
    path = make_voice(tmp_path, "v").with_suffix(".onnx.json")
    path.unlink()
    if config is not None:
        path.write_text(config, encoding="utf-8")
    assert complaint in refusal(PiperOptions(str(tmp_path)))


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    make_voice(tmp_path, "v").write_bytes(b"<html>not found</html>")
    assert "v.onnx is no ONNX model that can be used" in refusal(PiperOptions(str(tmp_path)))


def test_a_language_that_the_phonemizer_does_not_know_is_told(tmp_path: Path) -> None:
    make_voice(tmp_path, "v", Recipe(espeak="xx-yy"))
    assert refusal(PiperOptions(str(tmp_path))) == "voice v cannot speak: Failed to set voice: xx-yy"
