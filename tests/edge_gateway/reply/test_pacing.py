from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge_gateway.reply.pacing import Pacer, PacingConfig

RATE_HZ = 24_000
PACKET = 480
LEAD = 9_600
BURST = 2_400


@dataclass
class Sender:
    """Sends through a pacer as a real one would, on a clock of its own that waiting moves on."""

    pacer: Pacer = field(default_factory=Pacer)
    now_seconds: float = 100.0
    bursts: list[tuple[float, int]] = field(default_factory=list)

    def send(self, packets: int) -> None:
        """Send `packets` that are all there already."""
        while packets:
            count = min(self.pacer.allowed(self.now_seconds), packets)
            if count:
                self.pacer.sent(count, self.now_seconds)
                self.bursts.append((self.now_seconds, count))
                packets -= count
            else:
                self.now_seconds += self.pacer.hold(self.now_seconds)

    @property
    def ahead(self) -> int:
        return self.pacer.sent_samples - self.pacer.position(self.now_seconds)


def test_the_first_packets_go_at_once_up_to_the_lead() -> None:
    assert Pacer().allowed(5.0) == LEAD // PACKET
    assert Pacer().hold(5.0) == 0.0


def test_however_late_the_first_packet_is_no_more_than_the_lead_goes() -> None:
    pacer = Pacer()
    assert pacer.allowed(5.0) == pacer.allowed(65.0) == LEAD // PACKET


def test_packets_that_trickle_in_go_one_by_one_without_waiting() -> None:
    pacer = Pacer()
    for index in range(100):
        now_seconds = 5.0 + index * 0.02
        assert pacer.allowed(now_seconds) >= 1
        pacer.sent(1, now_seconds)


def test_a_long_reply_keeps_300_to_400_ms_ahead_in_bursts_of_100_ms() -> None:
    sender = Sender()
    sender.send(3_000)
    pauses = [after - before for (before, _), (after, _) in zip(sender.bursts, sender.bursts[1:], strict=False)]
    assert sender.bursts[0] == (100.0, 20)
    assert all(pause == pytest.approx(0.1, abs=0.001) for pause in pauses)
    assert {count for _, count in sender.bursts[1:]} == {5}
    assert sender.now_seconds == pytest.approx(100 + 60 - 0.4, abs=0.1)


def test_after_running_dry_the_timeline_starts_again() -> None:
    sender = Sender()
    sender.send(50)
    sender.now_seconds += 30
    assert sender.ahead == 0
    sender.send(50)
    assert sender.ahead <= LEAD
    assert sender.bursts[-1][0] - sender.bursts[0][0] > 30.5


def test_running_dry_counts_even_if_nobody_asked_meanwhile() -> None:
    pacer = Pacer()
    pacer.sent(10, 0.0)
    pacer.sent(20, 30.0)
    assert pacer.position(30.0) == 10 * PACKET


def test_a_listener_who_stalls_stops_the_sender_until_it_goes_on() -> None:
    pacer = Pacer()
    pacer.sent(20, 0.0)
    pacer.played(2_400, 0.2)
    pacer.played(2_400, 0.3)
    for tenth in range(4, 100):
        pacer.sent(pacer.allowed(tenth / 10), tenth / 10)
    # What it last said, a second on faith, and the lead.
    assert pacer.sent_samples == pytest.approx(2_400 + RATE_HZ + LEAD, abs=BURST)
    assert pacer.hold(10.0) == math.inf
    pacer.played(31_000, 11.0)
    assert pacer.allowed(11.0) > 0


def test_a_listener_that_began_late_is_not_run_away_from() -> None:
    pacer = Pacer()
    pacer.sent(20, 0.0)
    pacer.played(0, 0.25)
    assert pacer.position(0.3) == pytest.approx(0.05 * RATE_HZ, abs=1)
    assert pacer.allowed(0.3) == 0


def test_a_report_that_was_overtaken_is_ignored() -> None:
    pacer = Pacer()
    pacer.sent(20, 0.0)
    pacer.played(4_800, 0.25)
    pacer.played(1_200, 0.26)
    assert pacer.position(0.26) == pytest.approx(4_800 + 240, abs=1)


def test_a_report_of_more_than_was_sent_counts_as_all_of_it() -> None:
    pacer = Pacer()
    pacer.sent(20, 0.0)
    pacer.played(10**12, 0.3)
    assert pacer.position(0.3) == pacer.sent_samples == LEAD
    for tenth in range(3, 100):
        pacer.sent(pacer.allowed(tenth / 10), tenth / 10)
    assert pacer.sent_samples == pytest.approx(LEAD + RATE_HZ + LEAD, abs=BURST)


@pytest.mark.parametrize("round_trip_seconds", [0.0, 0.05, 0.3, 0.8])
@pytest.mark.parametrize("report_ms", [100, 250, 500])
def test_a_listener_behind_a_slow_network_never_runs_dry(round_trip_seconds: float, report_ms: int) -> None:
    assert run_dry_seconds(round_trip_seconds, told_seconds=round_trip_seconds, report_ms=report_ms) == 0


def test_a_slow_network_that_nobody_measured_would_let_it_run_dry() -> None:
    assert run_dry_seconds(0.8, told_seconds=0.0) > 0


def run_dry_seconds(round_trip_seconds: float, *, told_seconds: float, report_ms: int = 250) -> float:
    """Play ten seconds to a listener that buffers 60 ms and reports now and then; how long had it nothing to play?"""
    pacer = Pacer()
    arriving: list[tuple[int, int]] = []
    reports: list[tuple[int, int]] = []
    have, played, dry_ms, playing = 0, 0, 0, False
    one_way_ms = round(round_trip_seconds * 500)
    for now_ms in range(30_000):
        if played == 500 * PACKET:
            return dry_ms / 1000
        packets = min(pacer.allowed(now_ms / 1000), 500 - pacer.sent_samples // PACKET)
        if packets:
            pacer.sent(packets, now_ms / 1000)
            arriving.append((now_ms + one_way_ms, packets * PACKET))
        while arriving and arriving[0][0] <= now_ms:
            have += arriving.pop(0)[1]
        playing = playing or have >= 0.06 * RATE_HZ
        if playing and have > played:
            played += RATE_HZ // 1000
        elif playing and have < 500 * PACKET:
            dry_ms += 1
        if now_ms % report_ms == 0 and playing:
            reports.append((now_ms + one_way_ms, played))
        while reports and reports[0][0] <= now_ms:
            pacer.played(reports.pop(0)[1], now_ms / 1000, round_trip_seconds=told_seconds)
    pytest.fail("the reply never ended")


def test_after_a_pause_the_reply_goes_on_from_the_very_sample() -> None:
    pacer = Pacer()
    pacer.sent(20, 0.0)
    pacer.played(2_400, 0.1)
    pacer.pause(0.2)
    assert pacer.allowed(5.0) == 0
    assert pacer.hold(5.0) == math.inf
    assert pacer.position(5.0) == 4_800
    pacer.resume(5.0)
    assert pacer.position(5.0) == 4_800
    assert pacer.position(5.1) == 7_200


def test_a_pause_does_not_carry_an_old_report_on() -> None:
    pacer = Pacer()
    pacer.sent(20, 0.0)
    pacer.played(0, 0.3)
    pacer.pause(0.3)
    pacer.resume(5.0)
    assert pacer.position(5.0) == 0


def test_pausing_and_resuming_twice_is_the_same_as_once() -> None:
    pacer = Pacer()
    pacer.sent(20, 0.0)
    pacer.pause(0.1)
    pacer.pause(0.2)
    pacer.resume(1.0)
    pacer.resume(2.0)
    assert pacer.position(1.1) == 4_800


def test_other_rates_and_packets_are_paced_alike() -> None:
    sender = Sender(Pacer(PacingConfig(sample_rate_hz=48_000, packet_samples=960)))
    sender.send(500)
    assert sender.now_seconds == pytest.approx(109.6, abs=0.1)


@dataclass(frozen=True)
class Step:
    """One thing that may happen, after some time."""

    after_seconds: float
    what: str
    number: int


steps = st.lists(
    st.builds(
        Step,
        after_seconds=st.floats(0, 3),
        what=st.sampled_from(["send", "played", "pause", "resume"]),
        number=st.integers(-10, 100_000),
    ),
    max_size=40,
)


@given(steps=steps, start_seconds=st.floats(0, 1e6))
def test_whatever_happens_the_lead_is_kept_and_a_wait_is_long_enough(steps: list[Step], start_seconds: float) -> None:
    pacer, now_seconds = Pacer(), start_seconds
    for step in steps:
        now_seconds += step.after_seconds
        match step.what:
            case "send":
                count = pacer.allowed(now_seconds)
                pacer.sent(count, now_seconds)
                assert not count or pacer.sent_samples - pacer.position(now_seconds) <= LEAD + 1
            case "played":
                pacer.played(step.number, now_seconds, round_trip_seconds=step.number / 50_000)
            case "pause":
                pacer.pause(now_seconds)
            case _:
                pacer.resume(now_seconds)
        assert 0 <= pacer.position(now_seconds) <= pacer.sent_samples
        hold_seconds = pacer.hold(now_seconds)
        assert (hold_seconds == 0) == (pacer.allowed(now_seconds) > 0)
        if math.isfinite(hold_seconds):
            assert hold_seconds <= 3
            assert pacer.allowed(now_seconds + hold_seconds) > 0


@given(moments=st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_without_reports_time_alone_bounds_what_goes(moments: list[float]) -> None:
    pacer, now_seconds = Pacer(), 0.0
    for moment in moments:
        now_seconds += moment
        pacer.sent(pacer.allowed(now_seconds), now_seconds)
        assert pacer.sent_samples <= (now_seconds - moments[0]) * RATE_HZ + LEAD + 1


class Sending(RuleBasedStateMachine):
    """A sender and a listener in any order of sending, reporting, waiting and pausing."""

    def __init__(self) -> None:
        super().__init__()
        self.config = PacingConfig()
        self.pacer = Pacer(self.config)
        self.now = 100.0
        self.paused = False
        self.reached = 0

    @rule(share=st.floats(0.1, 1.0))
    def send(self, share: float) -> None:
        allowed = self.pacer.allowed(self.now)
        assert not (self.paused and allowed), "sent into a pause"
        if allowed:
            self.pacer.sent(max(1, round(allowed * share)), self.now)

    @rule(seconds=st.floats(0.0, 1.5))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(back=st.floats(0.0, 1.0), round_trip=st.floats(0.0, 0.3))
    def report(self, back: float, round_trip: float) -> None:
        samples = round(self.pacer.sent_samples * (1 - back))
        self.pacer.played(samples, self.now, round_trip_seconds=round_trip)

    @rule()
    def pause(self) -> None:
        self.pacer.pause(self.now)
        self.paused = True

    @rule()
    def resume(self) -> None:
        before = self.pacer.position(self.now)
        self.pacer.resume(self.now)
        assert abs(self.pacer.position(self.now) - before) <= 1, "a pause moved the listener"
        self.paused = False

    @rule()
    def wait_as_told(self) -> None:
        seconds = self.pacer.hold(self.now)
        if math.isfinite(seconds):
            # A microsecond for the rounding of a clock.
            self.now += seconds + 1e-6
            assert self.pacer.allowed(self.now) > 0

    @invariant()
    def the_listener_is_never_past_what_was_sent_nor_left_too_far_behind(self) -> None:
        position = self.pacer.position(self.now)
        assert position <= self.pacer.sent_samples
        lead = round(self.config.lead_seconds * self.config.sample_rate_hz)
        self.reached = max(self.reached, position)
        assert self.pacer.sent_samples - self.reached <= lead


TestSending = Sending.TestCase
TestSending.settings = settings(max_examples=80, stateful_step_count=40)
