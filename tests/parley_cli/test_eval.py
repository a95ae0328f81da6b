"""What an evaluation is made of, and how it judges: composed sound with a known course, and events made by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.audio import write_wav
from parley.conversation import (
    Duck,
    FlushPlayback,
    Outcome,
    ReplyAudioEnd,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    ReplyWord,
    UserUtterance,
)
from parley.errors import InvalidInput
from parley_cli.client import MIC_RATE_HZ
from parley_cli.eval import compose
from parley_cli.eval.clips import Clip, Clips, load_clips
from parley_cli.eval.scenes import Kind, Scene, standard
from parley_cli.eval.score import judge, word_errors
from parley_cli.eval.stage import Observed
from parley_cli.eval.verdict import Verdict, table

if TYPE_CHECKING:
    from pathlib import Path

    from parley_cli.eval.compose import Sound


def voice(seconds: float, seed: int = 1) -> Sound:
    """Noise in the band of a voice, with the loudness of one."""
    count = round(seconds * MIC_RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / MIC_RATE_HZ)
    spectrum[(frequencies < 300) | (frequencies > 3_000)] = 0
    return np.asarray(np.fft.irfft(spectrum, count) * 0.3, dtype=np.float32)


def clip(name: str, seconds: float) -> Clip:
    return Clip(name, voice(seconds), f"words of {name}")


CLIPS = Clips(
    tuple(clip(f"clip {number}", 1.0 + number / 4) for number in range(6)),
    (Clip("noise", voice(2.0), ""),),
    (clip("yeah", 0.4),),
    (clip("stop", 0.4),),
)


def test_the_ends_of_a_voice_are_found_in_a_noisy_recording() -> None:
    room = compose.room(3.0, np.random.default_rng(2), 20.0)
    room[MIC_RATE_HZ : 2 * MIC_RATE_HZ] += voice(1.0)
    first, end = compose.voiced_span(room)
    assert first == pytest.approx(MIC_RATE_HZ, abs=0.05 * MIC_RATE_HZ)
    assert end == pytest.approx(2 * MIC_RATE_HZ, abs=0.05 * MIC_RATE_HZ)


def test_a_pause_is_as_long_as_it_was_asked_to_be() -> None:
    sound = compose.with_pause(voice(1.0), 0.4, voice(1.0))
    assert len(sound) == round(2.4 * MIC_RATE_HZ)
    assert compose.longest_pause_seconds(sound) == pytest.approx(0.4, abs=0.04)


def test_a_room_is_as_loud_as_the_signal_to_noise_ratio_says() -> None:
    speech = compose.at_speech_level(voice(2.0))
    quiet = compose.room(2.0, np.random.default_rng(1), 15.0)
    ratio = 20 * math.log10(float(np.sqrt((speech**2).mean()) / np.sqrt((quiet**2).mean())))
    assert ratio == pytest.approx(15.0, abs=0.5)


def test_the_same_seed_gives_the_same_scenes_and_another_one_others() -> None:
    one, same, other = (standard(CLIPS, seed) for seed in (1, 1, 2))
    assert [scene.name for each in one for scene in each.scenes] == [s.name for each in same for s in each.scenes]
    assert [scene.name for each in one for scene in each.scenes] != [s.name for each in other for s in each.scenes]


def test_the_standard_set_holds_every_kind_and_no_pause_longer_than_it_says() -> None:
    scenes = [scene for sitting in standard(CLIPS, 1) for scene in sitting.scenes]
    assert {scene.kind for scene in scenes} == set(Kind) - {Kind.LONG_PAUSE}
    paused = [scene for scene in scenes if scene.kind is Kind.PAUSED]
    assert len(paused) == 36
    assert max(compose.longest_pause_seconds(scene.sound) for scene in paused) < 0.65


@given(st.lists(st.sampled_from("abcde")), st.lists(st.sampled_from("abcde")))
def test_word_errors_are_those_that_a_known_library_counts(said: list[str], heard: list[str]) -> None:
    wrong, words = word_errors(" ".join(said), " ".join(heard))
    assert words == len(said)
    if said:
        known = jiwer.process_words(" ".join(said), " ".join(heard))
        assert wrong == known.substitutions + known.deletions + known.insertions


def asked(*events: tuple[float, object], kind: Kind = Kind.PAUSED) -> Observed:
    """A turn from second 0 to second 2, and what came of it."""
    scene = Scene(kind, "test", compose.silence(2.0), "turn on the lamp")
    return Observed(scene, "sitting", 0.0, 2.0, list(events))  # type: ignore[arg-type]  # events of many kinds


def figure(verdict: Verdict, name: str) -> float:
    return next(each.value for each in verdict.figures if each.name == name)


def test_an_answer_before_the_end_is_a_cut_off() -> None:
    good = asked((2.3, UserUtterance(1, "turn on the lamp", typed=False)), (2.3, ReplyStarted(1, 1)))
    bad = asked(
        (1.2, UserUtterance(1, "turn on", typed=False)),
        (1.3, ReplyStarted(1, 1)),
        (2.4, UserUtterance(2, "the lamp", typed=False)),
    )
    verdict = judge([good, bad], (0, 0))
    assert figure(verdict, "cut-offs, inner pauses up to 0.6 s") == 50.0
    assert figure(verdict, "end-of-turn delay p95, all turns") == pytest.approx(400.0)
    assert figure(verdict, "word error rate") == 0.0
    assert not verdict.kept
    assert "the user was cut off: sitting: paused, test" in table(verdict)


def test_a_turn_that_nobody_took_is_missed() -> None:
    assert figure(judge([asked()], (0, 0)), "missed ends of turn") == 100.0


def test_a_noise_that_is_answered_is_counted() -> None:
    verdict = judge([asked((1.0, ReplyStarted(1, 1)), kind=Kind.NOISE), asked(kind=Kind.NOISE)], (0, 0))
    assert figure(verdict, "replies to noise") == 1


def interrupted(kind: Kind, *events: tuple[float, object], heard: str = "", played: int = 0) -> Observed:
    finished = (2.5, ReplyFinished(7, Outcome.INTERRUPTED, heard, ""))
    said = (-1.0, ReplyText(7, "one two three four"))
    marks = [(-1.0, ReplyWord(7, *place, first)) for place, first in zip(PLACES, range(0, 4_000, 1_000), strict=True)]
    observed = asked(said, *marks, (-0.5, ReplyAudioEnd(7, 4_000)), *events, finished, kind=kind)
    observed.reply, observed.played_samples = 7, played
    return observed


PLACES = ((0, 3), (4, 7), (8, 13), (14, 18))
STOPPED = ((0.1, Duck(7, -18.0)), (0.4, FlushPlayback(7)))


def test_ducking_and_silence_are_timed_from_the_first_voice() -> None:
    verdict = judge([interrupted(Kind.INTERRUPTION, *STOPPED, heard="one two", played=1_900)], (0, 0))
    assert figure(verdict, "interruptions judged rightly") == 100.0
    assert figure(verdict, "first voice to ducked p95") == pytest.approx(100.0)
    assert figure(verdict, "first voice to silent p95") == pytest.approx(400.0)
    assert figure(verdict, "heard history within one word") == 100.0


def test_a_history_that_holds_what_was_not_heard_is_found() -> None:
    verdict = judge([interrupted(Kind.STOP, *STOPPED, heard="one two three four", played=1_900)], (0, 0))
    assert figure(verdict, "heard history within one word") == 0.0


def test_a_nod_must_leave_the_reply_at_full() -> None:
    back = interrupted(Kind.BACKCHANNEL, (0.1, Duck(7, -18.0)), (0.6, Duck(7, 0.0)))
    ducked = interrupted(Kind.BACKCHANNEL, (0.1, Duck(7, -18.0)))
    verdict = judge([back, ducked, interrupted(Kind.BACKCHANNEL, *STOPPED)], (0, 0))
    assert figure(verdict, "interruptions judged rightly") == pytest.approx(100 / 3)
    assert figure(verdict, "false interruptions") == 1


def test_a_bound_without_anything_to_measure_is_not_kept() -> None:
    assert not judge([], (0, 0)).kept


async def test_clips_without_words_are_refused_with_what_is_wanted(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", bytes(3_200), 16_000)
    with pytest.raises(InvalidInput, match=r"0 recordings with words: at least 4 NAME\.flac with NAME\.txt"):
        await load_clips(tmp_path, "127.0.0.1:1")
