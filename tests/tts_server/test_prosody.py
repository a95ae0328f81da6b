"""How fast and how loud a reply is spoken, and where in it that changes."""

from __future__ import annotations

import numpy as np
import pytest

from parley import tts
from parley.audio import level_db, to_float32
from parley.errors import InvalidInput
from tests.tts_server.test_service import serving, sound, spoken
from tts_server.engines.scripted import ScriptedEngine
from tts_server.loudness import Loudness
from tts_server.prosody import Adjust, Prosody, ProsodyCourse

RATE_HZ = 24_000
SENTENCES = ("This is the first sentence of it. ", "This is the second one of them. ", "This is the last one of all.")


def engine() -> ScriptedEngine:
    return ScriptedEngine(0.0, 0.02)


def levels(events: list[tts.Event]) -> list[float]:
    """The loudness of each sentence, in decibels of full scale."""
    pcm, start, found = sound(events), 0, []
    for event in events:
        if isinstance(event, tts.SentenceEnd):
            middle = (start + event.end_sample) // 2
            found.append(level_db(pcm[2 * (middle - 1_200) : 2 * (middle + 1_200)]))
            start = event.end_sample
    return found


def lengths(events: list[tts.Event]) -> list[float]:
    """Seconds of each sentence, without the pause before it."""
    ends = [event.end_sample for event in events if isinstance(event, tts.SentenceEnd)]
    starts = [0, *ends]
    return [(end - start) / RATE_HZ - (0.12 if start else 0) for start, end in zip(starts, ends, strict=False)]


def test_a_change_holds_for_what_begins_after_it() -> None:
    course = ProsodyCourse(Prosody())
    course.change(10, Adjust(speed=0.8))
    course.change(10, Adjust(gain_db=6.0))
    course.change(30, Adjust(speed=1.0))
    assert [course.at(place) for place in (0, 9, 10, 29, 40)] == [
        Prosody(),
        Prosody(),
        Prosody(0.8, 6.0),
        Prosody(0.8, 6.0),
        Prosody(1.0, 6.0),
    ]


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 6.0])
async def test_a_gain_makes_all_of_a_reply_so_much_louder(gain_db: float) -> None:
    async with serving(engine()) as server:
        usual = await spoken(server.client, tts.Config(), *SENTENCES)
        changed = await spoken(server.client, tts.Config(gain_db=gain_db), *SENTENCES)
    assert np.subtract(levels(changed), levels(usual)) == pytest.approx([gain_db] * 3, abs=0.2)
    assert len(sound(changed)) == len(sound(usual))


async def test_speed_and_loudness_change_with_the_next_sentence() -> None:
    pieces = (
        SENTENCES[0],
        tts.Adjust(speed=0.5, gain_db=-6.0),
        SENTENCES[1][:10],
        tts.Adjust(gain_db=0.0),
        *(SENTENCES[1][10:], SENTENCES[2]),
    )
    async with serving(engine()) as server:
        usual = await spoken(server.client, tts.Config(), *SENTENCES)
        changed = await spoken(server.client, tts.Config(), *pieces)
    assert np.divide(lengths(changed), lengths(usual)) == pytest.approx([1, 2, 2], rel=0.05)
    assert np.subtract(levels(changed), levels(usual)) == pytest.approx([0, -6, 0], abs=0.2)
    marks = [(event.first_character, event.end_character) for event in changed if isinstance(event, tts.WordMark)]
    assert marks == [(event.first_character, event.end_character) for event in usual if isinstance(event, tts.WordMark)]


@pytest.mark.parametrize(
    ("config", "request_", "field"),
    [
        (tts.Config(gain_db=13.0), None, "config.gain_db"),
        (tts.Config(gain_db=-21.0), None, "config.gain_db"),
        (tts.Config(gain_db=float("nan")), None, "config.gain_db"),
        (tts.Config(), tts.Adjust(speed=3.0), "adjust.speed"),
        (tts.Config(), tts.Adjust(gain_db=30.0), "adjust.gain_db"),
    ],
)
async def test_what_no_voice_can_do_is_refused(config: tts.Config, request_: tts.Adjust | None, field: str) -> None:
    async with serving(engine()) as server:
        with pytest.raises(InvalidInput) as caught:
            await spoken(server.client, config, *([request_] if request_ is not None else []), SENTENCES[0])
    assert caught.value.field == field


def test_what_is_loud_already_does_not_clip() -> None:
    seconds = np.arange(RATE_HZ) / RATE_HZ
    loud = (0.9 * np.sin(2 * np.pi * 200 * seconds) * 32_767).astype("<i2").tobytes()
    louder = Loudness(RATE_HZ, 12.0)
    made = (
        b"".join(louder.push(loud[place : place + 4_801 * 2]) for place in range(0, len(loud), 4_801 * 2))
        + louder.finish()
    )
    assert len(made) == len(loud)
    assert np.abs(to_float32(made)).max() <= 0.971
    assert level_db(made) > level_db(loud)


def test_what_is_usual_is_left_as_it_is_to_the_last_bit() -> None:
    noise = np.random.default_rng(1).integers(-32_768, 32_767, 999, dtype=np.int16).tobytes()
    usual = Loudness(RATE_HZ, 0.0)
    assert usual.push(noise) + usual.finish() == noise
