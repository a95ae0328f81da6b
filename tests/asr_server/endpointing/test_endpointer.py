"""Where turns begin and end: tables, and a machine that accounts for every sample."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asr_server.endpointing.endpointer import (
    RATE_HZ,
    WINDOW_SAMPLES,
    Ended,
    EndpointConfig,
    Endpointer,
    Event,
    Lasting,
    Paused,
    Reason,
    Resumed,
    SpeechBegan,
    TooShort,
    VoiceBegan,
    VoiceStopped,
)

WINDOW = WINDOW_SAMPLES / RATE_HZ


def feed(endpointer: Endpointer, seconds: float, probability: float) -> list[Event]:
    events: list[Event] = []
    for _ in range(round(seconds / WINDOW)):
        events += endpointer.step(probability)
    return events


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def test_speech_begins_after_enough_voice_and_ends_after_enough_silence() -> None:
    end = Endpointer(EndpointConfig())
    assert feed(end, 1.0, 0.1) == []
    assert kinds(feed(end, 1.0, 0.9)) == [VoiceBegan, SpeechBegan]
    events = feed(end, 1.0, 0.0)
    assert kinds(events) == [VoiceStopped, Paused, Lasting, Ended]
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert ended.reason is Reason.SILENCE
    # The pre-roll of 300 ms is kept, and the silence waited for is the default's, to a window.
    assert ended.first_sample == 31 * WINDOW_SAMPLES - round(0.3 * RATE_HZ)
    assert 0.5 <= (ended.end_sample - ended.speech_end_sample) / RATE_HZ < 0.5 + WINDOW


def test_the_first_voiced_window_is_told_at_once() -> None:
    end = Endpointer(EndpointConfig())
    feed(end, 0.5, 0.0)
    assert kinds(list(end.step(0.6))) == [VoiceBegan]


def test_a_cough_is_no_turn() -> None:
    end = Endpointer(EndpointConfig())
    assert kinds(feed(end, 0.128, 0.9) + feed(end, 0.6, 0.0)) == [VoiceBegan, VoiceStopped, TooShort]


def test_more_voice_is_needed_while_the_assistant_speaks() -> None:
    end = Endpointer(EndpointConfig())
    end.assistant_speaks = True
    assert SpeechBegan not in kinds(feed(end, 0.288, 0.9))
    assert SpeechBegan in kinds(feed(end, 0.064, 0.9))


def test_a_hint_of_voice_is_told_while_the_assistant_speaks_and_is_no_speech() -> None:
    end = Endpointer(EndpointConfig())
    end.assistant_speaks = True
    assert feed(end, 0.4, 0.3) == [], "not at the very beginning of a reply"
    feed(end, 0.2, 0.0)
    assert kinds(feed(end, 0.2, 0.3))[0] is VoiceBegan
    assert kinds(feed(end, 0.5, 0.0)) == [TooShort]
    end.assistant_speaks = False
    assert feed(end, 0.2, 0.3) == []


def test_after_a_false_alarm_hints_are_let_pass_for_longer_each_time_until_somebody_speaks() -> None:
    end = Endpointer(EndpointConfig())
    end.assistant_speaks = True
    alarms = [end.position for _ in range(400) if VoiceBegan in kinds(feed(end, 0.1, 0.2) + feed(end, 0.4, 0.0))]
    pauses = [(later - earlier) / RATE_HZ for earlier, later in pairwise(alarms)]
    assert pauses[:4] == pytest.approx([5.5, 10.5, 20.5, 40.5], abs=0.8)
    assert max(pauses) < 61.5
    feed(end, 1.0, 0.9)
    feed(end, 3.0, 0.0)
    assert VoiceBegan in kinds(feed(end, 0.1, 0.2))
    assert kinds(feed(end, 0.4, 0.0)) == [TooShort]
    feed(end, 5.2, 0.0)
    assert VoiceBegan in kinds(feed(end, 0.1, 0.2))


def test_a_short_word_is_no_false_alarm() -> None:
    end = Endpointer(EndpointConfig())
    end.assistant_speaks = True
    feed(end, 0.6, 0.0)
    feed(end, 0.03, 0.9)
    assert TooShort in kinds(feed(end, 0.5, 0.0))
    assert VoiceBegan in kinds(feed(end, 0.1, 0.2))


def test_voice_between_the_thresholds_goes_on_but_does_not_begin() -> None:
    end = Endpointer(EndpointConfig())
    assert feed(end, 1.0, 0.4) == []
    feed(end, 0.5, 0.9)
    assert feed(end, 1.0, 0.4) == []


def test_finished_words_end_the_turn_early_and_unfinished_ones_late() -> None:
    for expected in (0.32, 1.5):
        end = Endpointer(EndpointConfig())
        feed(end, 1.0, 0.9)
        events: list[Event] = []
        while not any(isinstance(event, Ended) for event in events):
            for event in end.step(0.0):
                events.append(event)
                if isinstance(event, Paused):
                    events += end.expect(expected)
        ended = next(event for event in events if isinstance(event, Ended))
        assert expected <= (ended.end_sample - ended.speech_end_sample) / RATE_HZ < expected + WINDOW


def test_words_that_come_late_end_the_turn_at_once() -> None:
    end = Endpointer(EndpointConfig(default_silence_seconds=2.0))
    feed(end, 1.0, 0.9)
    feed(end, 0.6, 0.0)
    assert kinds(list(end.expect(0.32))) == [Ended]


def test_a_pause_within_a_turn_is_looked_at_again_after_the_next_words() -> None:
    end = Endpointer(EndpointConfig())
    feed(end, 0.6, 0.9)
    assert kinds(feed(end, 0.3, 0.0)) == [VoiceStopped, Paused, Lasting]
    end.expect(1.5)
    assert kinds(feed(end, 0.3, 0.9)) == [Resumed]
    assert kinds(feed(end, 0.3, 0.0)) == [VoiceStopped, Paused, Lasting]


def test_the_words_are_looked_at_in_a_short_lull_and_a_head_start_waits_for_a_longer_one() -> None:
    end = Endpointer(EndpointConfig(eager_silence_seconds=0.25))
    feed(end, 0.6, 0.9)
    told: dict[type[Event], float] = {}
    while end.silence_seconds < 0.4:
        told |= dict.fromkeys(kinds(list(end.step(0.0))), end.silence_seconds)
    assert 0.1 <= told[Paused] < 0.1 + WINDOW
    assert 0.25 <= told[Lasting] < 0.25 + WINDOW
    none = Endpointer(EndpointConfig(eager_silence_seconds=0))
    feed(none, 0.6, 0.9)
    assert kinds(feed(none, 0.4, 0.0)) == [VoiceStopped, Paused]


def test_the_caller_may_end_a_turn() -> None:
    end = Endpointer(EndpointConfig())
    feed(end, 0.5, 0.9)
    ended = end.flush(Reason.FLUSH)
    assert isinstance(ended[0], Ended)
    assert ended[0].reason is Reason.FLUSH
    assert kinds(list(end.flush(Reason.FLUSH))) == [TooShort]
    assert end.flush(Reason.STREAM_END) == ()


def test_a_long_turn_ends_at_its_next_pause() -> None:
    end = Endpointer(EndpointConfig(soft_limit_seconds=5, hard_limit_seconds=10))
    feed(end, 6.0, 0.9)
    events = feed(end, 0.3, 0.0)
    assert Ended in kinds(events)


def test_a_turn_without_a_pause_is_split_and_loses_nothing() -> None:
    end = Endpointer(EndpointConfig(soft_limit_seconds=5, hard_limit_seconds=10))
    events = feed(end, 25.0, 0.9) + list(end.flush(Reason.STREAM_END))
    spans = [(event.first_sample, event.end_sample) for event in events if isinstance(event, Ended)]
    assert len(spans) == 3
    assert spans[0][0] == 0
    assert spans[-1][1] == end.position
    assert all(one[1] == other[0] for one, other in pairwise(spans))


def test_a_longer_pre_roll_asked_for_later_cannot_have_what_was_let_go() -> None:
    end = Endpointer(EndpointConfig(pre_roll_seconds=0.1))
    feed(end, 2.0, 0.0)
    let_go = end.accounted
    end.config = EndpointConfig(pre_roll_seconds=1.0)
    feed(end, 0.032, 0.9)
    assert end.first_sample == end.accounted == let_go


class Stream(RuleBasedStateMachine):
    """Any sound, any words, any flush: no sample belongs to two turns, and none to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.end = Endpointer(EndpointConfig(soft_limit_seconds=3, hard_limit_seconds=5))
        self.spans: list[tuple[int, int]] = []
        self.open = False
        self.before = 0

    def take(self, events: tuple[Event, ...]) -> None:
        for event in events:
            match event:
                case SpeechBegan():
                    assert not self.open
                    self.open = True
                case Ended():
                    self.open = False
                    assert event.first_sample <= event.speech_end_sample <= event.end_sample <= self.end.position
                    self.spans.append((event.first_sample, event.end_sample))
                case TooShort():
                    assert not self.open
                    self.spans.append((event.first_sample, event.end_sample))
                case _:
                    pass

    @rule(seconds=st.floats(0.03, 3.0), probability=st.floats(0.0, 1.0))
    def sound(self, seconds: float, probability: float) -> None:
        for _ in range(max(1, round(seconds / WINDOW))):
            self.take(self.end.step(probability))

    @rule(silence=st.sampled_from([0.32, 0.5, 1.5]))
    def words(self, silence: float) -> None:
        self.take(self.end.expect(silence))

    @rule()
    def flush(self) -> None:
        self.take(self.end.flush(Reason.FLUSH))
        assert not self.open

    @rule(seconds=st.floats(0.0, 2.0))
    def pre_roll(self, seconds: float) -> None:
        self.end.config = replace(self.end.config, pre_roll_seconds=seconds)

    @rule(speaks=st.booleans())
    def assistant(self, speaks: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        self.end.assistant_speaks = speaks

    @invariant()
    def spans_are_in_order_and_never_overlap(self) -> None:
        for (_, end), (start, _) in pairwise(self.spans):
            assert end <= start

    @invariant()
    def what_is_accounted_for_never_goes_back_and_covers_every_span(self) -> None:
        assert self.before <= self.end.accounted <= self.end.position
        self.before = self.end.accounted
        if self.spans:
            assert self.spans[-1][1] <= self.end.accounted or not self.open

    @invariant()
    def speech_is_open_exactly_while_the_endpointer_says_so(self) -> None:
        assert self.open == self.end.in_speech


TestStream = Stream.TestCase
TestStream.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
