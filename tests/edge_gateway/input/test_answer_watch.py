"""An ASR server is taken for dead when an answer that is due does not come, and for nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gateway.input.answer_watch import AnswerWatch
from edge_gateway.input.reading import Reading
from parley import asr
from parley.audio import LISTENING_RATE_HZ
from tests.virtual_time import now, on_virtual_time, passed, run, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SECOND = LISTENING_RATE_HZ
ACK_SAMPLES = SECOND
READY = asr.Ready("scripted", "model", "en", ack_samples=ACK_SAMPLES)
NAMES_NOTHING = asr.Ready("scripted", "model", "en")
AN_HOUR = 3_600.0
# After two seconds of silence a turn is over by default, and eight more are an engine's.
WORDS_SECONDS = 8
PAUSE_SECONDS = 2


class Stream:
    """A stream that is watched, and the sound that was sent on it."""

    def __init__(self, watch: AnswerWatch) -> None:
        self.watch = watch
        self.end_sample = 0

    def send(self, seconds: float) -> None:
        """Send so much sound, at once."""
        samples = round(seconds * SECOND)
        self.end_sample += samples
        self.watch.sent(samples, self.end_sample)

    async def speak(self, seconds: float, *, acknowledged: bool = True, accounted: bool = True) -> None:
        """Send sound at the pace of time; the server acknowledges it, and accounts for it."""
        for _ in range(round(seconds * 10)):
            await passed(0.1)
            self.send(0.1)
            if acknowledged:
                self.watch.answered(asr.AudioAck(self.end_sample if accounted else 0, self.end_sample))

    def voice_stops(self) -> None:
        """The server hears a voice that has just stopped."""
        self.watch.answered(asr.VoiceOnset(1, max(0, self.end_sample - SECOND)))
        self.watch.answered(asr.VoiceStopped(1, self.end_sample, 800))


def end_of_turn(at: int) -> asr.EndOfTurn:
    timings = asr.Timings(300, 0, 0, 0, eager=False)
    return asr.EndOfTurn(1, "hello", 0, at, at, asr.EndReason.SILENCE, timings, 800)


async def taken_for_dead_at(
    steps: Callable[[Stream], Awaitable[None]],
    ready: asr.Ready | None = READY,
    endpointing: asr.Endpointing | None = None,
    is_slow: Callable[[], bool] = lambda: False,
) -> float | None:
    """When a server is taken for dead that has answered these steps, and says no more; None: not within an hour."""
    try:
        async with Reading() as reading:
            stream = Stream(AnswerWatch(reading.stop, endpointing or asr.Endpointing(), 0, is_slow))
            if ready is not None:
                stream.watch.answered(ready)
            await steps(stream)
            await until(AN_HOUR)
    except TimeoutError:
        return round(now(), 2)
    return None


async def nothing(_: Stream) -> None:
    pass


@on_virtual_time
async def test_a_server_that_lives_and_has_too_much_to_do_is_waited_for_and_not_for_ever() -> None:
    async def silent(stream: Stream) -> None:
        stream.send(1.0)

    assert await taken_for_dead_at(nothing, ready=None, is_slow=lambda: True) == pytest.approx(3 + 30, abs=0.3)
    begun = now()
    at = await taken_for_dead_at(silent, is_slow=lambda: now() < begun + 12)
    assert at == pytest.approx(begun + 12, abs=0.3)


@on_virtual_time
async def test_a_slow_server_whose_answers_come_late_is_not_taken_for_dead() -> None:
    async def steps(stream: Stream) -> None:
        for second in range(1, 60):
            stream.send(1.0)
            await passed(5.0)
            stream.watch.answered(asr.AudioAck(0, second * SECOND))

    assert await taken_for_dead_at(steps, is_slow=lambda: True) is None


@on_virtual_time
async def test_a_server_that_is_never_ready_is_given_three_seconds() -> None:
    assert await taken_for_dead_at(nothing, ready=None) == 3


@pytest.mark.parametrize("ready", [READY, NAMES_NOTHING])
@on_virtual_time
async def test_where_no_sound_is_sent_nothing_is_due(ready: asr.Ready) -> None:
    assert await taken_for_dead_at(nothing, ready) is None


@on_virtual_time
async def test_a_little_less_sound_than_is_acknowledged_is_owed_no_answer() -> None:
    async def steps(stream: Stream) -> None:
        stream.send(0.99)

    assert await taken_for_dead_at(steps) is None


@on_virtual_time
async def test_an_acknowledgement_is_due_after_as_much_sound_as_the_server_has_named() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(5.0, acknowledged=False)

    assert await taken_for_dead_at(steps) == 4


@on_virtual_time
async def test_a_server_that_acknowledges_is_alive_however_long_it_says_nothing_else() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(600.0)

    assert await taken_for_dead_at(steps) is None


@on_virtual_time
async def test_sound_that_is_owed_an_acknowledgement_is_counted_from_the_last_one() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.send(3.0)
        # It lags behind, and goes on.
        for received_seconds in (3, 4):
            await passed(2.5)
            stream.watch.answered(asr.AudioAck(0, received_seconds * SECOND))

    # Two seconds are sent, two more were acknowledged with 2.5 s between; the last is still owed one.
    assert await taken_for_dead_at(steps) == 2 + 5 + 3


@on_virtual_time
async def test_of_a_server_that_names_no_amount_no_acknowledgement_is_due() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(60.0, acknowledged=False)

    assert await taken_for_dead_at(steps, NAMES_NOTHING) is None


@on_virtual_time
async def test_the_words_of_a_turn_are_due_ten_seconds_after_the_voice_stopped() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.voice_stops()
        await stream.speak(20.0)

    assert await taken_for_dead_at(steps) == 2 + 10


@on_virtual_time
async def test_the_words_are_due_too_where_the_sound_was_sent_before_the_voice_was_heard() -> None:
    async def steps(stream: Stream) -> None:
        stream.send(10.0)
        await passed(1.0)
        stream.watch.answered(asr.AudioAck(0, stream.end_sample))
        stream.watch.answered(asr.VoiceOnset(1, 0))
        stream.watch.answered(asr.VoiceStopped(1, 2 * SECOND, 800))

    assert await taken_for_dead_at(steps) == 1 + 8


@pytest.mark.parametrize(
    ("endpointing", "pause_seconds"),
    [
        pytest.param(asr.Endpointing(unfinished_silence_ms=1_500), 2, id="shorter than the longest pause by default"),
        pytest.param(asr.Endpointing(dictation_silence_ms=6_000), 6, id="a session that dictates slowly"),
        pytest.param(asr.Endpointing(patience_limit_ms=4_000, default_silence_ms=500), 4, id="a patient one"),
    ],
)
@on_virtual_time
async def test_a_session_that_waits_longer_for_the_end_of_a_turn_waits_longer_for_its_words(
    endpointing: asr.Endpointing, pause_seconds: float
) -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.voice_stops()
        await stream.speak(20.0)

    assert await taken_for_dead_at(steps, endpointing=endpointing) == 2 + pause_seconds + 8


@on_virtual_time
async def test_a_microphone_that_falls_silent_with_the_voice_makes_no_words_due() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.voice_stops()

    assert await taken_for_dead_at(steps) is None


@pytest.mark.parametrize(
    "event",
    [
        end_of_turn(2 * SECOND),
        asr.TurnDiscarded(1, asr.DiscardReason.NOISE, 0, 2 * SECOND),
        asr.VoiceOnset(1, 2 * SECOND),
        asr.TurnResumed(1, 2 * SECOND),
    ],
)
@on_virtual_time
async def test_words_that_came_or_a_voice_that_goes_on_are_no_longer_due(event: asr.Event) -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.voice_stops()
        await stream.speak(9.9)
        stream.watch.answered(event)
        await stream.speak(30.0)

    assert await taken_for_dead_at(steps) is None


@pytest.mark.parametrize("stopped", [False, True])
@on_virtual_time
async def test_words_are_due_ten_seconds_after_the_client_has_ended_the_turn(stopped: bool) -> None:  # noqa: FBT001 - pytest names it
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.watch.answered(asr.VoiceOnset(1, 0))
        if stopped:
            stream.watch.answered(asr.VoiceStopped(1, stream.end_sample, 800))
        stream.watch.flushed()

    assert await taken_for_dead_at(steps) == 2 + 10


@on_virtual_time
async def test_what_the_server_says_of_the_voice_after_a_flush_puts_its_words_off_no_further() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.watch.answered(asr.VoiceOnset(1, 0))
        stream.watch.flushed()
        await passed(0.2)
        stream.watch.answered(asr.VoiceStopped(1, stream.end_sample, 800))

    assert await taken_for_dead_at(steps) == 2 + 10


@on_virtual_time
async def test_a_flush_without_a_voice_is_owed_no_words() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.watch.flushed()
        stream.voice_stops()
        await stream.speak(1.0)
        stream.watch.answered(end_of_turn(SECOND))
        stream.watch.flushed()

    assert await taken_for_dead_at(steps) is None


@on_virtual_time
async def test_words_that_came_after_a_flush_are_all_that_was_due() -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(2.0)
        stream.voice_stops()
        stream.watch.flushed()
        await passed(9.9)
        stream.watch.answered(end_of_turn(2 * SECOND))
        # The next turn is watched as the first was.
        stream.voice_stops()
        await stream.speak(9.9)
        stream.watch.answered(end_of_turn(2 * SECOND))

    assert await taken_for_dead_at(steps) is None


@pytest.mark.parametrize("ready", [READY, NAMES_NOTHING])
@on_virtual_time
async def test_sound_longer_than_any_turn_must_be_accounted_for(ready: asr.Ready) -> None:
    async def steps(stream: Stream) -> None:
        await stream.speak(120.0, accounted=False)

    # 75 s, and ten more for an engine that works on all of it.
    assert await taken_for_dead_at(steps, ready) == pytest.approx(85.1, abs=0.11)


@on_virtual_time
async def test_a_turn_of_a_minute_is_no_reason_to_worry() -> None:
    async def steps(stream: Stream) -> None:
        for _ in range(5):
            await stream.speak(70.0, accounted=False)
            stream.watch.answered(asr.AudioAck(stream.end_sample, stream.end_sample))

    assert await taken_for_dead_at(steps) is None


ANSWERS = st.sampled_from(["onset", "stopped", "resumed", "end", "discard", "flush", "other"])


@given(answers=st.lists(ANSWERS, max_size=20))
@settings(deadline=None)
def test_whatever_was_said_before_a_server_that_owes_nothing_is_never_taken_for_dead(answers: list[str]) -> None:
    async def steps(stream: Stream) -> None:
        for answer in answers:
            await stream.speak(0.3)
            say(stream, answer)
        # Whatever was open is closed, and the microphone falls silent.
        stream.watch.answered(end_of_turn(stream.end_sample))

    assert run(taken_for_dead_at(steps)) is None


def say(stream: Stream, answer: str) -> None:
    at = stream.end_sample
    match answer:
        case "onset":
            stream.watch.answered(asr.VoiceOnset(1, at))
        case "stopped":
            stream.watch.answered(asr.VoiceStopped(1, at, 800))
        case "resumed":
            stream.watch.answered(asr.TurnResumed(1, at))
        case "end":
            stream.watch.answered(end_of_turn(at))
        case "discard":
            stream.watch.answered(asr.TurnDiscarded(1, asr.DiscardReason.NO_WORDS, 0, at))
        case "flush":
            stream.watch.flushed()
        case _:
            stream.watch.answered(asr.Partial(1, "hel", 0, 400))


@on_virtual_time
async def test_what_is_sent_in_the_moment_in_which_a_server_is_taken_for_dead_changes_nothing() -> None:
    async def late(stream: Stream) -> None:
        await until(3 - 1e-10)
        stream.send(5.0)
        stream.watch.flushed()
        stream.watch.answered(READY)

    async def steps(stream: Stream) -> None:
        tasks.create_task(late(stream))

    async with asyncio.TaskGroup() as tasks:
        assert await taken_for_dead_at(steps, ready=None) == 3
