"""A loudspeaker that is only reckoned: which sample of a reply it plays, and how late packets come for it.

It begins to play 60 ms after the first packet, as the page does, and goes on at the pace of time. Times are seconds on
one clock that the caller reads. Knows nothing of sockets.
"""

from __future__ import annotations

from typing import Final

_BUFFER_SECONDS: Final = 0.06
_REPORT_SECONDS: Final = 0.1


class Loudspeaker:
    """Plays one reply."""

    def __init__(self, reply: int, rate_hz: int) -> None:
        """Wait for the first packet of reply number `reply`, in samples of `rate_hz`."""
        self.reply = reply
        self._rate_hz = rate_hz
        self._began: float | None = None
        self._received = 0
        self._end: int | None = None
        self._report_at = 0.0
        self.ran_dry = False
        """A packet came after its time."""
        self.finished = False
        """The last report was made."""

    @property
    def first_packet(self) -> float | None:
        """When the first packet came; None: not yet."""
        return None if self._began is None else self._began - _BUFFER_SECONDS

    @property
    def began(self) -> float | None:
        """When the first sample is played; None: not known yet."""
        return self._began

    def packet(self, first_sample: int, at: float) -> float:
        """Take a packet; gives how late it is, seconds, 0 when it is in time."""
        if self._began is None:
            self._began = at + _BUFFER_SECONDS
            self._report_at = self._began + _REPORT_SECONDS
        self._received = max(self._received, first_sample)
        late = max(0.0, at - self._began - first_sample / self._rate_hz)
        self.ran_dry = self.ran_dry or late > 0
        return late

    def end(self, samples: int) -> None:
        """All packets have come: the reply has so many samples."""
        self._end = samples

    def flush(self, at: float) -> None:
        """Stop where it is."""
        self._end = self.position(at)

    def position(self, at: float) -> int:
        """Samples that were played."""
        if self._began is None:
            return 0
        limit = self._received if self._end is None else self._end
        return max(0, min(limit, round((at - self._began) * self._rate_hz)))

    @property
    def report_at(self) -> float | None:
        """When the gateway is to be told next; None: there is nothing to tell."""
        if self._began is None or self.finished:
            return None
        return self._report_at if self._end is None else min(self._report_at, self._began + self._end / self._rate_hz)

    def report(self, at: float) -> int:
        """Samples to tell of now; `finished` says whether that was the last time."""
        samples = self.position(at)
        self._report_at = at + _REPORT_SECONDS
        self.finished = self._end is not None and samples >= self._end
        return samples
