"""A loudspeaker that is only reckoned plays as one that can be heard, by exact times."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley_cli.client import PREBUFFER_SECONDS, Loudspeaker

RATE = 1_000
PCM = bytes(range(1, 201))


def playing(samples: int = 100, *, records: bool = True) -> Loudspeaker:
    """A reply of so many samples, the whole of which came at 10.5 s; the recording began at 10 s."""
    speaker = Loudspeaker(RATE, 10.0, records=records)
    speaker.begin(1)
    speaker.push(samples, 10.5, PCM[: 2 * samples] if records else b"")
    return speaker


def test_it_begins_when_enough_has_come_or_all_of_it() -> None:
    speaker = playing(round(PREBUFFER_SECONDS * RATE) - 1)
    speaker.advance(11.0)
    assert (speaker.played_samples, speaker.first_packet_seconds, speaker.first_rendered_seconds) == (0, 10.5, None)
    speaker.end(11.0)
    speaker.advance(11.03)
    assert (speaker.played_samples, speaker.first_rendered_seconds) == (30, 11.0)
    assert speaker.seconds_left == pytest.approx(0.029)
    speaker.advance(12.0)
    assert (speaker.played_samples, speaker.finished, speaker.underruns) == (59, True, 0)


def test_the_recording_is_what_was_heard_silence_included() -> None:
    speaker = playing()
    speaker.advance(10.52)
    assert speaker.recording == bytes(2 * 500) + PCM[:40]
    assert speaker.recorded(499, 3) == b"\0\0" + PCM[:4]
    assert speaker.recorded(519, 3) == PCM[38:40] + b"\0\0\0\0"


def test_a_buffer_that_runs_dry_is_counted_when_more_comes_and_fills_again() -> None:
    speaker = playing()
    speaker.advance(10.7)
    assert (speaker.played_samples, speaker.underruns) == (100, 0)
    speaker.push(59, 10.7, bytes(118))
    speaker.advance(10.8)
    assert (speaker.played_samples, speaker.underruns) == (100, 1)
    speaker.push(1, 10.8, bytes(2))
    speaker.advance(10.81)
    assert (speaker.played_samples, speaker.underruns) == (110, 1)


def test_the_end_of_a_reply_is_no_underrun() -> None:
    speaker = playing()
    speaker.end(10.5)
    speaker.advance(10.7)
    speaker.push(60, 10.7, bytes(120))
    assert speaker.underruns == 0


def test_a_duck_makes_it_quieter_from_then_on_and_a_flush_silent() -> None:
    speaker = playing()
    speaker.gain(-20.0, 10.51)
    speaker.flush(10.52)
    speaker.advance(10.6)
    loud, quiet, silent = (speaker.recorded(500 + start, 1) for start in (9, 10, 20))
    assert (loud, silent) == (PCM[18:20], b"\0\0")
    assert int.from_bytes(quiet, "little") == int(int.from_bytes(PCM[20:22], "little") * 0.1)
    assert (speaker.played_samples, speaker.finished) == (20, True)


def test_a_new_reply_begins_at_full_loudness_with_nothing_played() -> None:
    speaker = playing()
    speaker.gain(-20.0, 10.51)
    speaker.begin(2)
    speaker.push(100, 10.6, PCM)
    speaker.advance(10.61)
    assert (speaker.reply, speaker.played_samples, speaker.first_packet_seconds) == (2, 10, 10.6)
    assert speaker.recorded(600, 10) == PCM[:20]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["push", "end", "gain", "flush", "begin", "advance"]), st.integers(0, 90))))
def test_one_that_only_counts_plays_as_one_that_records(steps: list[tuple[str, int]]) -> None:
    speakers = Loudspeaker(RATE, 0.0), Loudspeaker(RATE, 0.0, records=False)
    now = 0.0
    for step, number in steps:
        now += number / RATE
        for speaker in speakers:
            match step:
                case "push":
                    speaker.push(number, now, bytes(2 * number) if speaker is speakers[0] else b"")
                case "gain":
                    speaker.gain(-number, now)
                case "begin":
                    speaker.begin(number)
                case _:
                    getattr(speaker, step)(now)
        heard, counted = [
            (each.reply, each.played_samples, each.underruns, each.finished, each.first_rendered_seconds)
            for each in speakers
        ]
        assert heard == counted
    assert speakers[1].recording == b""
    for speaker in speakers:
        speaker.advance(now)
    assert len(speakers[0].recording) == 2 * round(now * RATE)
