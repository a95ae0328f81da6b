"""Where turns begin and end: tables, and a machine that accounts for every sample."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asr_server.endpointing.config import EndpointingConfig
from asr_server.endpointing.endpointer import WINDOW_SAMPLES, Ended, Endpointer, Event, Paused
from asr_server.engine import RATE_HZ
from parley.asr import (
    EagerEndOfTurn,
    EndReason,
    SpeechStarted,
    TurnDiscarded,
    TurnResumed,
    VoiceOnset,
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
    end = Endpointer(EndpointingConfig())
    assert feed(end, 1.0, 0.1) == []
    assert kinds(feed(end, 1.0, 0.9)) == [VoiceOnset, SpeechStarted]
    events = feed(end, 1.0, 0.0)
    assert kinds(events) == [VoiceStopped, Paused, Ended]
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert ended.reason is EndReason.SILENCE
    # The pre-roll of 300 ms is kept, and the silence waited for is the default's, to a window.
    assert ended.first_sample == 31 * WINDOW_SAMPLES - round(0.3 * RATE_HZ)
    assert 0.5 <= (ended.end_sample - ended.speech_end_sample) / RATE_HZ < 0.5 + WINDOW


def test_the_first_voiced_window_is_told_at_once() -> None:
    end = Endpointer(EndpointingConfig())
    feed(end, 0.5, 0.0)
    start = end.position
    assert end.step(0.6) == (VoiceOnset(1, start, start + WINDOW_SAMPLES),)


def test_a_cough_is_no_turn() -> None:
    end = Endpointer(EndpointingConfig())
    assert kinds(feed(end, 0.128, 0.9) + feed(end, 0.6, 0.0)) == [VoiceOnset, VoiceStopped, TurnDiscarded]


def test_more_voice_is_needed_while_the_assistant_speaks() -> None:
    end = Endpointer(EndpointingConfig())
    end.assistant_speaks = True
    assert SpeechStarted not in kinds(feed(end, 0.288, 0.9))
    assert SpeechStarted in kinds(feed(end, 0.064, 0.9))


def test_a_hint_of_voice_is_told_while_the_assistant_speaks_and_is_no_speech() -> None:
    end = Endpointer(EndpointingConfig())
    end.assistant_speaks = True
    assert feed(end, 0.4, 0.3) == [], "not at the very beginning of a reply"
    feed(end, 0.2, 0.0)
    assert kinds(feed(end, 0.2, 0.3))[0] is VoiceOnset
    assert kinds(feed(end, 0.5, 0.0)) == [TurnDiscarded]
    end.assistant_speaks = False
    assert feed(end, 0.2, 0.3) == []


def test_after_a_false_alarm_hints_are_let_pass_for_longer_each_time_until_somebody_speaks() -> None:
    end = Endpointer(EndpointingConfig())
    end.assistant_speaks = True
    alarms = [end.position for _ in range(400) if VoiceOnset in kinds(feed(end, 0.1, 0.2) + feed(end, 0.4, 0.0))]
    pauses = [(later - earlier) / RATE_HZ for earlier, later in pairwise(alarms)]
    assert pauses[:4] == pytest.approx([5.5, 10.5, 20.5, 40.5], abs=0.8)
    assert max(pauses) < 61.5
    feed(end, 1.0, 0.9)
    feed(end, 3.0, 0.0)
    assert VoiceOnset in kinds(feed(end, 0.1, 0.2))
    assert kinds(feed(end, 0.4, 0.0)) == [TurnDiscarded]
    feed(end, 5.2, 0.0)
    assert VoiceOnset in kinds(feed(end, 0.1, 0.2))


def test_a_short_word_is_no_false_alarm() -> None:
    end = Endpointer(EndpointingConfig())
    end.assistant_speaks = True
    feed(end, 0.6, 0.0)
    feed(end, 0.03, 0.9)
    assert TurnDiscarded in kinds(feed(end, 0.5, 0.0))
    assert VoiceOnset in kinds(feed(end, 0.1, 0.2))


def test_voice_between_the_thresholds_goes_on_but_does_not_begin() -> None:
    end = Endpointer(EndpointingConfig())
    assert feed(end, 1.0, 0.4) == []
    feed(end, 0.5, 0.9)
    assert feed(end, 1.0, 0.4) == []


def test_finished_words_end_the_turn_early_and_unfinished_ones_late() -> None:
    for expected in (0.32, 1.5):
        end = Endpointer(EndpointingConfig())
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
    end = Endpointer(EndpointingConfig(default_silence_seconds=2.0))
    feed(end, 1.0, 0.9)
    feed(end, 0.6, 0.0)
    assert kinds(list(end.expect(0.32))) == [Ended]


def test_a_pause_within_a_turn_is_told_again_after_the_next_words() -> None:
    end = Endpointer(EndpointingConfig())
    feed(end, 0.6, 0.9)
    assert kinds(feed(end, 0.3, 0.0)) == [VoiceStopped, Paused]
    end.expect(1.5)
    assert kinds(feed(end, 0.3, 0.9)) == [VoiceOnset]
    assert kinds(feed(end, 0.3, 0.0)) == [VoiceStopped, Paused]


def paused(end: Endpointer) -> Endpointer:
    """The same in a pause of 100 ms after 600 ms of voice."""
    feed(end, 0.6, 0.9)
    while Paused not in kinds(list(end.step(0.0))):
        pass
    return end


def test_a_short_pause_is_told_and_an_eager_end_waits_for_a_longer_one() -> None:
    end = paused(Endpointer(EndpointingConfig(eager_silence_seconds=0.25)))
    assert 0.1 <= end.silence_seconds < 0.1 + WINDOW
    assert end.expect(0.5, "turn on the lamp") == ()
    told: list[tuple[float, Event]] = []
    while end.silence_seconds < 0.4:
        told += [(end.silence_seconds, event) for event in end.step(0.0)]
    [(after, eager)] = told
    assert eager == EagerEndOfTurn(1, "turn on the lamp", end.speech_end_sample)
    assert 0.25 <= after < 0.25 + WINDOW


def test_an_eager_end_whose_words_come_late_is_told_with_them() -> None:
    end = paused(Endpointer(EndpointingConfig()))
    assert feed(end, 0.2, 0.0) == []
    assert kinds(list(end.expect(1.5, "turn on the lamp"))) == [EagerEndOfTurn]
    assert feed(end, 0.2, 0.0) == []


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (EndpointingConfig(), ""),
        (EndpointingConfig(eager_silence_seconds=0), "turn on the lamp"),
        (EndpointingConfig(eager_limit_seconds=0.5), "turn on the lamp"),
    ],
)
def test_there_is_no_eager_end_without_words_that_are_worth_it_or_after_a_long_speech(
    config: EndpointingConfig, text: str
) -> None:
    end = paused(Endpointer(config))
    assert end.expect(1.0, text) == ()
    assert feed(end, 0.5, 0.0) == []


def test_a_voice_that_comes_back_takes_an_eager_end_back_and_nothing_else() -> None:
    end = paused(Endpointer(EndpointingConfig()))
    end.expect(1.0, "turn on the lamp")
    assert kinds(list(end.step(0.9))) == [VoiceOnset]
    end = paused(Endpointer(EndpointingConfig()))
    end.expect(1.0, "turn on the lamp")
    assert kinds(feed(end, 0.2, 0.0)) == [EagerEndOfTurn]
    assert kinds(list(end.step(0.9))) == [VoiceOnset, TurnResumed]
    assert feed(end, 0.1, 0.9) == []


def test_the_events_of_a_turn_have_its_number() -> None:
    end = Endpointer(EndpointingConfig(), first_turn=7)
    events = feed(end, 0.6, 0.9) + list(end.flush(EndReason.FLUSH))
    end.turn += 1
    events += feed(end, 0.1, 0.9) + feed(end, 0.5, 0.0)
    numbered = [(type(event), event.turn) for event in events if not isinstance(event, Paused | Ended)]
    assert numbered == [
        (VoiceOnset, 7),
        (SpeechStarted, 7),
        (VoiceOnset, 8),
        (VoiceStopped, 8),
        (TurnDiscarded, 8),
    ]


def test_the_caller_may_end_a_turn() -> None:
    end = Endpointer(EndpointingConfig())
    feed(end, 0.5, 0.9)
    ended = end.flush(EndReason.FLUSH)
    assert isinstance(ended[0], Ended)
    assert ended[0].reason is EndReason.FLUSH
    assert kinds(list(end.flush(EndReason.FLUSH))) == [TurnDiscarded]
    assert end.flush(EndReason.STREAM_END) == ()


def test_a_long_turn_ends_at_its_next_pause() -> None:
    end = Endpointer(EndpointingConfig(soft_limit_seconds=5, hard_limit_seconds=10))
    feed(end, 6.0, 0.9)
    events = feed(end, 0.3, 0.0)
    assert Ended in kinds(events)


def test_a_turn_without_a_pause_is_split_and_loses_nothing() -> None:
    end = Endpointer(EndpointingConfig(soft_limit_seconds=5, hard_limit_seconds=10))
    events = feed(end, 25.0, 0.9) + list(end.flush(EndReason.STREAM_END))
    spans = [(event.first_sample, event.end_sample) for event in events if isinstance(event, Ended)]
    assert len(spans) == 3
    assert spans[0][0] == 0
    assert spans[-1][1] == end.position
    assert all(one[1] == other[0] for one, other in pairwise(spans))


def test_what_follows_a_split_is_the_next_turn_under_the_number_that_the_words_left() -> None:
    end = Endpointer(EndpointingConfig(soft_limit_seconds=1, hard_limit_seconds=2))
    while not isinstance(last := (end.step(0.9) or (None,))[-1], Ended):
        pass
    assert last.reason is EndReason.TOO_LONG
    assert not end.in_speech
    end.turn += 1
    assert end.step(0.9) == (SpeechStarted(2, last.end_sample, 0),)
    assert end.first_sample == last.end_sample


def test_nothing_is_left_of_a_split_at_the_end_of_the_stream() -> None:
    end = Endpointer(EndpointingConfig(soft_limit_seconds=1, hard_limit_seconds=2))
    while Ended not in kinds(list(end.step(0.9))):
        pass
    assert end.flush(EndReason.STREAM_END) == ()
    [gone] = end.flush(EndReason.FLUSH)
    assert isinstance(gone, TurnDiscarded)
    assert gone.first_sample == gone.end_sample == end.position


def test_a_longer_pre_roll_asked_for_later_cannot_have_what_was_let_go() -> None:
    end = Endpointer(EndpointingConfig(pre_roll_seconds=0.1))
    feed(end, 2.0, 0.0)
    let_go = end.accounted
    end.config = EndpointingConfig(pre_roll_seconds=1.0)
    feed(end, 0.032, 0.9)
    assert end.first_sample == end.accounted == let_go


class Stream(RuleBasedStateMachine):
    """Any sound, any words, any flush: no sample belongs to two turns, and none to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.end = Endpointer(EndpointingConfig(soft_limit_seconds=3, hard_limit_seconds=5))
        self.spans: list[tuple[int, int]] = []
        self.open = False
        self.eager = False
        self.before = 0

    def take(self, events: tuple[Event, ...]) -> None:
        for event in events:
            match event:
                case SpeechStarted():
                    assert not self.open
                    self.open = True
                case EagerEndOfTurn():
                    assert self.open
                    assert not self.eager
                    self.eager = True
                case TurnResumed():
                    assert self.eager
                    self.eager = False
                case Ended():
                    self.open = self.eager = False
                    assert event.first_sample <= event.speech_end_sample <= event.end_sample <= self.end.position
                    self.spans.append((event.first_sample, event.end_sample))
                case TurnDiscarded():
                    assert not self.open
                    self.spans.append((event.first_sample, event.end_sample))
                case _:
                    pass

    @rule(seconds=st.floats(0.03, 3.0), probability=st.floats(0.0, 1.0))
    def sound(self, seconds: float, probability: float) -> None:
        for _ in range(max(1, round(seconds / WINDOW))):
            self.take(self.end.step(probability))

    @rule(silence=st.sampled_from([0.32, 0.5, 1.5]), text=st.sampled_from(["", "yes"]))
    def words(self, silence: float, text: str) -> None:
        self.take(self.end.expect(silence, text))

    @rule()
    def flush(self) -> None:
        self.take(self.end.flush(EndReason.FLUSH))
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
