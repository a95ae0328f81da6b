"""How much a process has to do: by its event loop's thread, and by the work that waits for its engine.

What a thread computes tells too little where others have the same core: it falls behind without computing more. So the
time counts too in which the thread could run and had no processor, which Linux knows of each thread. Both together come
near the whole of time before anything is late, whoever takes the rest of it.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from serving.loop_timer import loop_timer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PERIOD_SECONDS: Final = 0.25
"""From one look to the next."""
WINDOW_SECONDS: Final = 1.0
"""How far back it is looked."""

_LOOKS_TOLD: Final = round(WINDOW_SECONDS / PERIOD_SECONDS)
_NS: Final = 1e-9
# A share needs a beginning and an end.
_TWO: Final = 2
_SCHEDSTAT: Final = "/proc/thread-self/schedstat"
_SCHEDSTAT_BYTES: Final = 64


def no_wait() -> float:
    """Nothing waits."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """Of the last second."""

    loop_lag_seconds: float = 0.0
    """How much later than asked the event loop came round: the mean."""
    busy: float = 0.0
    """Share of time in which the loop's thread computed, or waited for a processor."""
    engine_wait_seconds: float = 0.0
    """How long the work has waited that waits longest for the engine."""


class LoadMeter:
    """PURE: what is seen at each look. Seconds on any steady clock."""

    def __init__(self, engine_wait: Callable[[], float] = no_wait) -> None:
        """Nothing was seen yet; `engine_wait` gives how long the work has waited that waits longest, in seconds."""
        self._engine_wait = engine_wait
        self._looks: deque[tuple[float, float, float]] = deque()

    def look(self, now: float, late_seconds: float, demanded_seconds: float) -> None:
        """A timer came, so much too late; the thread has computed or waited for so long since it began."""
        self._looks.append((now, late_seconds, demanded_seconds))
        while self._looks[0][0] < now - WINDOW_SECONDS - PERIOD_SECONDS and len(self._looks) > _TWO:
            self._looks.popleft()

    @property
    def load(self) -> Load:
        """As it was seen."""
        engine_wait = self._engine_wait()
        if len(self._looks) < _TWO:
            return Load(engine_wait_seconds=engine_wait)
        (began, _, before), *later = self._looks
        (now, _, demanded) = later[-1]
        lag = sum(late for _, late, _ in later) / len(later)
        return Load(lag, min(1.0, (demanded - before) / max(now - began, _NS)), engine_wait)


@contextmanager
def measured_load(told: Callable[[Load], None], engine_wait: Callable[[], float] = no_wait) -> Iterator[None]:
    """Tell in this block, once a second, how much there is to do; `engine_wait` is as for `LoadMeter`."""
    meter, looks = LoadMeter(engine_wait), itertools.count(1)
    with thread_demand() as demand:

        def look(now: float, late_seconds: float) -> None:
            meter.look(now, late_seconds, demand())
            if next(looks) % _LOOKS_TOLD == 0:
                told(meter.load)

        with loop_timer(PERIOD_SECONDS, look):
            yield


@contextmanager
def thread_demand() -> Iterator[Callable[[], float]]:
    """In this block: seconds that the calling thread has computed, or waited for a processor, since it began.

    Where the system does not tell of the waiting, it does not count.
    """
    try:
        file = os.open(_SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield time.thread_time
        return
    try:
        yield lambda: _demand(file)
    finally:
        os.close(file)


def _demand(file: int) -> float:
    with suppress(OSError, ValueError):
        computed_ns, waited_ns, _ = os.pread(file, _SCHEDSTAT_BYTES, 0).split()
        return (int(computed_ns) + int(waited_ns)) * _NS
    return time.thread_time()
