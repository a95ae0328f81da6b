"""Hearing and speaking with weights that people have trained: Whisper tiny.en, smart-turn, and a Piper voice."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr_server.engines.turn_onnx import OnnxTurnModel
from asr_server.engines.whisper.faster_whisper import WhisperEngine
from asr_server.engines.whisper.options import WhisperOptions
from parley import asr, tts
from parley.audio import decode_file, resample, to_float32
from tests.asr_server.test_service import heard
from tests.asr_server.test_service import serving as hearing
from tests.engines.weights import piper_joe, smart_turn, whisper_tiny_en
from tests.tts_server.test_service import serving, sound, spoken, texts
from tts_server.engines.piper import PiperEngine
from tts_server.engines.piper_voices import PiperOptions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.timeout(600)

RATE_HZ = 16_000
CHUNK_BYTES = 1_280
VOICE = "en_US-joe-medium"
# Without numbers, which are written otherwise than they are said: the voice draws its breath anew each time.
TEXT = "The meeting begins in the garden this evening. Please bring your umbrella, because it may rain tomorrow."


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]+", " ", text.lower()).split()


def errors(said: list[str], understood: list[str]) -> int:
    """Words to put in, leave out or change, to make one of the other (Levenshtein)."""
    before = list(range(len(understood) + 1))
    for row, one in enumerate(said, 1):
        now = [row]
        for column, other in enumerate(understood, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (one != other)))
        before = now
    return before[-1]


@pytest.fixture(scope="module")
def whisper() -> WhisperEngine:
    # In int8 it may hear other words on another processor.
    made = WhisperEngine(WhisperOptions(str(whisper_tiny_en()), compute_type="float32", words=True))
    made.load()
    return made


@pytest.fixture(scope="module")
def turn_model() -> OnnxTurnModel:
    made = OnnxTurnModel(str(smart_turn()))
    made.load()
    return made


async def events_of(whisper: WhisperEngine, pcm: bytes) -> list[asr.Event]:
    """What the ASR server says of `pcm`, s16le at 16 kHz, and two seconds of silence."""
    whole = pcm + bytes(2 * 2 * RATE_HZ)
    runs = [asr.Audio(whole[at : at + CHUNK_BYTES], at // 2) for at in range(0, len(whole), CHUNK_BYTES)]
    async with hearing(engine=whisper) as client:
        return await heard(client, asr.Config(language="en"), *runs)


def turns(events: list[asr.Event]) -> list[asr.EndOfTurn]:
    return [event for event in events if isinstance(event, asr.EndOfTurn)]


@pytest.mark.parametrize("name", ["living-room-lamp", "dashwood", "sb-spk1-snt1"])
async def test_whisper_hears_what_people_say(whisper: WhisperEngine, speech_dir: Path, name: str) -> None:
    events = await events_of(whisper, decode_file(speech_dir / f"{name}.flac", RATE_HZ))
    understood = words(" ".join(turn.text for turn in turns(events)))
    said = words((speech_dir / f"{name}.txt").read_text())
    assert errors(said, understood) <= 0.2 * len(said), understood


async def test_whispers_partials_grow_into_the_turn_and_its_words_have_their_places(
    whisper: WhisperEngine, speech_dir: Path
) -> None:
    events = await events_of(whisper, decode_file(speech_dir / "jfk.flac", RATE_HZ))
    (*_, last) = turns(events)
    assert words(last.text)[-8:] == ["ask", "what", "you", "can", "do", "for", "your", "country"]
    partials = [event for event in events if isinstance(event, asr.Partial) and event.turn == last.turn]
    # What is called stable stays.
    for one, other in pairwise(partials):
        assert other.text.startswith(one.text[: one.stable_characters]), (one.text, other.text)
    told = [word for turn in turns(events) for word in turn.words]
    assert words(" ".join(word.text for word in told)) == words(" ".join(turn.text for turn in turns(events)))
    assert all(before.first_sample <= after.first_sample for before, after in pairwise(told))
    # By ear, "and so" begins within the first second, and the last "country" ends between 9.8 and 10.6 s.
    assert told[0].first_sample < RATE_HZ
    assert 9.3 < told[-1].end_sample / RATE_HZ < 11.0


@pytest.mark.parametrize("name", ["not-speech-7", "noise-2", "leopard-empty", ""])
async def test_whisper_makes_up_nothing_where_nobody_speaks(
    whisper: WhisperEngine, speech_dir: Path, name: str
) -> None:
    # By itself it hears "Woohoo!" in leopard-empty.
    pcm = decode_file(speech_dir / f"{name}.flac", RATE_HZ) if name else bytes(2 * 3 * RATE_HZ)
    assert turns(await events_of(whisper, pcm)) == []


def test_smart_turn_tells_whole_sentences_from_cut_ones(turn_model: OnnxTurnModel, speech_dir: Path) -> None:
    clips = [to_float32(decode_file(path.with_suffix(".flac"), RATE_HZ)) for path in sorted(speech_dir.glob("*.txt"))]
    clips = [clip for clip in clips if 2 * RATE_HZ < len(clip) < 7 * RATE_HZ]
    clips = clips[::2]
    assert len(clips) >= 8
    whole = np.array([turn_model.probability(clip) for clip in clips])
    cut = np.array([turn_model.probability(voiced_half(clip)) for clip in clips])
    assert np.median(whole) > 0.8
    assert np.mean(whole) - np.mean(cut) > 0.2
    assert np.mean(whole > cut) > 0.7


def test_smart_turn_hears_a_turns_last_seconds_however_loud_they_are(
    turn_model: OnnxTurnModel, speech_dir: Path
) -> None:
    clip = to_float32(decode_file(speech_dir / "dashwood.flac", RATE_HZ))
    once = turn_model.probability(clip)
    assert turn_model.probability(clip) == once
    assert turn_model.probability(clip * np.float32(0.25)) == pytest.approx(once, abs=0.2)
    # What came earlier than it hears makes no difference.
    eight = clip[-8 * RATE_HZ :]
    noise = np.random.default_rng(1).normal(0, 0.1, 9 * RATE_HZ).astype(np.float32)
    long = np.concatenate([noise, np.zeros(8 * RATE_HZ - len(eight), np.float32), eight])
    assert turn_model.probability(long) == pytest.approx(once, abs=0.2)


def voiced_half(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """The beginning of a sentence, cut in the middle of its sound."""
    loud = np.flatnonzero(np.abs(clip) > 0.1 * np.abs(clip).max())
    return clip[: (loud[0] + loud[-1]) // 2]


@pytest.fixture(scope="module")
def joe() -> PiperEngine:
    return PiperEngine(PiperOptions(str(piper_joe().parent), VOICE))


async def test_pipers_voice_is_understood_with_each_word_in_its_place(joe: PiperEngine, whisper: WhisperEngine) -> None:
    async with serving(joe) as server:
        events = await spoken(server.client, tts.Config(sample_rate_hz=24_000), TEXT)
    pcm = sound(events)
    understood = whisper.recognizer("en", ()).transcribe(to_float32(resample(pcm, 24_000, RATE_HZ)), final=True)
    assert errors(words(TEXT), words(understood.text)) <= 2, understood.text
    marks = [event for event in events if isinstance(event, tts.WordMark)]
    assert [TEXT[mark.first_character : mark.end_character] for mark in marks] == TEXT.split()
    assert not any(mark.estimated for mark in marks)
    # Whisper hears each word of several letters about where it is marked.
    told = {words(word.text)[0]: word.first_sample / RATE_HZ for word in understood.words if words(word.text)}
    for mark in marks:
        word = words(TEXT[mark.first_character : mark.end_character])[0]
        if len(word) > 5 and word in told:
            assert mark.first_sample / 24_000 == pytest.approx(told[word], abs=0.5), word


async def test_pipers_voice_is_as_loud_as_speech_and_does_not_clip(joe: PiperEngine) -> None:
    async with serving(joe) as server:
        events = await spoken(server.client, tts.Config(sample_rate_hz=24_000), "Watch out! Stop! No, no, no! ", TEXT)
    heard_as = to_float32(sound(events))
    assert np.mean(np.abs(heard_as) > 0.999) < 1e-4, "its peaks are cut off"
    voiced = heard_as[np.abs(heard_as) > 0.01]
    assert -26 < 20 * np.log10(np.sqrt(np.mean(voiced**2))) < -10


async def test_leaving_a_reply_frees_pipers_network(joe: PiperEngine) -> None:
    async with serving(joe) as server:
        for _ in range(3):
            async with server.client.synthesize(tts.Config(), texts(TEXT)) as events:
                async for event in events:
                    if isinstance(event, tts.Audio):
                        break
        assert sound(await spoken(server.client, tts.Config(), "Hello."))
