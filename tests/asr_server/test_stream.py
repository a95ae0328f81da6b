"""Streams as a whole."""

from __future__ import annotations

from parley import asr
from tests.asr_server.test_service import LOUD, QUIET, chunks, heard, serving


async def test_partials_after_a_turn_that_was_too_long_are_those_of_the_next() -> None:
    config = asr.Config(endpointing=asr.Endpointing(soft_limit_ms=2_000, hard_limit_ms=2_000))
    async with serving(("one two three four five six seven", "eight nine ten eleven twelve")) as client:
        events = await heard(client, config, *chunks((LOUD, 3.8), (QUIET, 1.0)))
    partials = {turn: [e.text for e in events if isinstance(e, asr.Partial) and e.turn == turn] for turn in (1, 2)}
    assert len(partials[1]) >= 3
    assert len(partials[2]) >= 3
    assert all(text.startswith("one") for text in partials[1])
    assert all(text.startswith("eight") for text in partials[2])
    ends = [event for event in events if isinstance(event, asr.EndOfTurn)]
    assert [(end.turn, end.reason) for end in ends] == [(1, asr.EndReason.TOO_LONG), (2, asr.EndReason.SILENCE)]
    # Its numbers too: what the voice detector saw before the split is the first turn's.
    started = [event for event in events if isinstance(event, asr.SpeechStarted)]
    assert [(event.turn, event.voiced_ms < 300) for event in started] == [(1, True), (2, True)]
    assert started[1].first_sample == ends[0].end_sample == ends[1].first_sample
