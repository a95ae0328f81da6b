"""Decides how far ahead of the listener a reply's packets may go. Reads no clock, moves no packet, knows no transport.

Too few packets ahead, and a hiccup of the network is heard; too many, and memory, work and words are spent on what an
interruption will throw away. So at most 400 ms are ahead of what the listener has played by the time that a packet
arrives, and they go in bursts of about 100 ms, because every waking of a sender costs more than the packets it sends.

Where the listener is, is known from two sides, and the later-running one counts:

- the clock: from the first packet on, audio plays at the pace of time, and never past what was sent. So after a reply
  that ran dry the timeline starts again where the audio ended, and what comes next is not poured out at once;
- the listener's own reports, if there are any, carried on by the clock for one second and by the round trip, since a
  report is old when it comes and a packet too when it arrives. A listener whose reports stop, stops the sender.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PacingConfig:
    """The numbers of pacing. One packet is `packet_samples` long; the defaults are 20 ms at 24 kHz."""

    sample_rate_hz: int = 24_000
    """Samples per second of the reply."""
    packet_samples: int = 480
    """Length of every packet, in samples."""
    lead_seconds: float = 0.4
    """Most audio ahead of the listener."""
    burst_seconds: float = 0.1
    """Room that must be free before a sender which was held goes on."""
    report_seconds: float = 1.0
    """How long a report is carried on by the clock; longer than the pauses between a healthy listener's reports."""
    max_round_trip_seconds: float = 1.0
    """Most that a slow network is allowed for."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What the listener said last."""

    samples: int
    at_seconds: float
    round_trip_seconds: float


class Pacer:
    """Paces one reply. Every `now_seconds` is a reading of one clock that never goes back.

    A sender asks `allowed`, sends no more than that, tells `sent`, and waits for `hold`, or for a report, before it
    asks again.
    """

    def __init__(self, config: PacingConfig | None = None) -> None:
        self._config = config or PacingConfig()
        rate = self._config.sample_rate_hz
        self._lead_samples = round(self._config.lead_seconds * rate)
        self._burst_samples = max(round(self._config.burst_seconds * rate), self._config.packet_samples)
        self._sent_samples = 0
        # The moment at which sample 0 played, or would have, had the reply never run dry nor been paused.
        self._origin_seconds = -math.inf
        self._report: _Report | None = None
        self._paused_seconds: float | None = None

    @property
    def sent_samples(self) -> int:
        """Samples sent so far; nothing after them can have been heard."""
        return self._sent_samples

    def allowed(self, now_seconds: float) -> int:
        """How many packets may go now; 0 while less than a burst has room, and while paused."""
        if self._paused_seconds is not None:
            return 0
        room_samples = self._lead_samples - (self._sent_samples - self.position(now_seconds))
        return room_samples // self._config.packet_samples if room_samples >= self._burst_samples else 0

    def sent(self, packets: int, now_seconds: float) -> None:
        """Count `packets` as sent."""
        self._settle(now_seconds)
        self._sent_samples += packets * self._config.packet_samples

    def hold(self, now_seconds: float) -> float:
        """Seconds until `allowed` is not 0; 0.0 if it is not now; `inf` if only a report or `resume` can help."""
        if self._paused_seconds is not None:
            return math.inf
        if self.allowed(now_seconds):
            return 0.0
        target_seconds = self._seconds(self._sent_samples - self._lead_samples + self._burst_samples)
        due_seconds = self._origin_seconds + target_seconds
        if self._report is not None:
            missing_seconds = target_seconds - self._seconds(self._report.samples) - self._report.round_trip_seconds
            if missing_seconds > self._config.report_seconds:
                return math.inf
            due_seconds = max(due_seconds, self._report.at_seconds + missing_seconds)
        return max(0.0, due_seconds - now_seconds)

    def played(self, samples: int, now_seconds: float, *, round_trip_seconds: float = 0.0) -> None:
        """Take the listener's report that `samples` of this reply have played.

        A report that goes back, as one overtaken on the way would, is ignored; one beyond what was sent counts as all.
        """
        self._settle(now_seconds)
        now_seconds = self._effective(now_seconds)
        samples = min(max(samples, 0), self._sent_samples)
        if self._report is not None and samples < self._report.samples:
            return
        round_trip_seconds = min(max(round_trip_seconds, 0.0), self._config.max_round_trip_seconds)
        self._report = _Report(samples, now_seconds, round_trip_seconds)
        # What has played has played, whatever the clock thought: its own may be faster, or ours began too late.
        self._origin_seconds = min(self._origin_seconds, now_seconds - self._seconds(samples))

    def pause(self, now_seconds: float) -> None:
        """Stop the timeline, as when the listener's playback was told to hold; again changes nothing."""
        if self._paused_seconds is None:
            self._settle(now_seconds)
            self._paused_seconds = now_seconds

    def resume(self, now_seconds: float) -> None:
        """Go on from the very sample where `pause` stopped; without a pause changes nothing."""
        if self._paused_seconds is None:
            return
        paused_for_seconds = now_seconds - self._paused_seconds
        self._paused_seconds = None
        self._origin_seconds += paused_for_seconds
        if self._report is not None:
            at_seconds = self._report.at_seconds + paused_for_seconds
            self._report = _Report(self._report.samples, at_seconds, self._report.round_trip_seconds)

    def position(self, now_seconds: float) -> int:
        """The sample that the listener has reached by the time a packet sent now arrives; at most what was sent."""
        self._settle(now_seconds)
        now_seconds = self._effective(now_seconds)
        samples = round((now_seconds - self._origin_seconds) * self._config.sample_rate_hz)
        if self._report is None:
            return samples
        carried_seconds = min(now_seconds - self._report.at_seconds, self._config.report_seconds)
        carried_seconds += self._report.round_trip_seconds
        return min(samples, self._report.samples + round(carried_seconds * self._config.sample_rate_hz))

    def _settle(self, now_seconds: float) -> None:
        """Move the timeline's origin so that nothing has played that was not sent."""
        earliest_seconds = self._effective(now_seconds) - self._seconds(self._sent_samples)
        self._origin_seconds = max(self._origin_seconds, earliest_seconds)

    def _effective(self, now_seconds: float) -> float:
        return now_seconds if self._paused_seconds is None else self._paused_seconds

    def _seconds(self, samples: int) -> float:
        return samples / self._config.sample_rate_hz
