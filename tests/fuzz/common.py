"""What the fuzzers share: how long they go on, what they measure meanwhile, and inputs that strangers think of.

The short form is part of the tests, and only looks for crashes. The long one, `make fuzz`, goes on for
PARLEY_FUZZ_SECONDS, and also holds that no input keeps a loop that others share for longer than 50 ms, and that memory
does not grow. Time is the processor's own for one thread, so that other work on the machine does not count.

Hypothesis makes a few hundred inputs a second and remembers much of them. So the long form looks at memory first, while
one batch of inputs is tried again and again, PARLEY_FUZZ_INPUTS times; the rest of the time Hypothesis seeks new ones.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")
R = TypeVar("R")

SECONDS: Final = float(os.environ.get("PARLEY_FUZZ_SECONDS", "0"))
"""How long each fuzzer goes on; 0: the short form."""

INPUTS: Final = int(os.environ.get("PARLEY_FUZZ_INPUTS", "100000"))
"""Over how many inputs memory is looked at, where so many can be tried in SECONDS."""

FUZZER: Final = pytest.mark.timeout(60 + 4 * SECONDS)
"""For `pytestmark` of a fuzzer's module."""

_SHORT_EXAMPLES: Final = 150
# Hypothesis remembers what it has tried; after so many inputs it begins anew, and forgets.
_ROUND_EXAMPLES: Final = 500
# Of the time, for new inputs: as much at least.
_NEW_SHARE: Final = 0.3
_LONGEST_HOLD_SECONDS: Final = 0.05
_MOST_GROWTH_BYTES: Final = 5_000_000
# Caches fill and pools grow at first.
_WARM_UP_SHARE: Final = 0.2
_BEAT_SECONDS: Final = 0.002
_PATIENCE_SECONDS: Final = 30
_LIBC: Final = ctypes.CDLL(None)


class LoopWatch:
    """The longest that one step of a loop took, in processor time of its thread."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self._last = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Watch the loop that runs here."""
        self._loop, self._last = asyncio.get_running_loop(), time.thread_time()
        self._beat()

    def _beat(self) -> None:
        now = time.thread_time()
        self.longest_seconds, self._last = max(self.longest_seconds, now - self._last), now
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_later(_BEAT_SECONDS, self._beat)


class Complaints(logging.Handler):
    """What is logged as an error: a task or a call that ended in something that nobody expected."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@dataclass(slots=True)
class Served(Generic[T]):
    """A server on a loop in a thread of its own."""

    loop: asyncio.AbstractEventLoop
    thing: T
    """What was opened on the loop."""
    watch: LoopWatch
    complaints: Complaints = field(default_factory=Complaints)

    def call(self, work: Coroutine[object, object, R]) -> R:
        """What `work` gives, done on the loop; nothing may have been logged as an error meanwhile."""
        return self.during(lambda: asyncio.run_coroutine_threadsafe(work, self.loop).result(_PATIENCE_SECONDS))

    def during(self, work: Callable[[], R]) -> R:
        """What `work` gives, done here; nothing may have been logged as an error meanwhile."""
        result = work()
        assert not self.complaints.lines, self.complaints.lines
        return result


@contextmanager
def served(opened: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[Served[T]]:
    """Have what `opened` gives on a loop in another thread, so that only its own work is measured there."""
    ready: Future[Served[T]] = Future()
    stop = asyncio.Event()

    async def hold() -> None:
        async with opened() as thing:
            watch = LoopWatch()
            watch.start()
            ready.set_result(Served(asyncio.get_running_loop(), thing, watch))
            await stop.wait()

    with ThreadPoolExecutor(1, "served") as threads:
        held = threads.submit(asyncio.run, hold())
        wait([cast("Future[object]", ready), cast("Future[object]", held)], return_when=FIRST_COMPLETED)
        if not ready.done():
            held.result()
        server = ready.result(0)
        logging.getLogger().addHandler(server.complaints)
        try:
            yield server
        finally:
            logging.getLogger().removeHandler(server.complaints)
            server.loop.call_soon_threadsafe(stop.set)
        held.result()


def fuzz(name: str, inputs: st.SearchStrategy[T], check: Callable[[T], object], watch: LoopWatch | None = None) -> None:
    """Try `check` with one input after the other.

    Without a `watch` on a loop, `check` itself is what a loop would be held up by.
    """
    trial = _Trial(check)
    with _collected_by_hand():
        if not SECONDS:
            _round(inputs, trial.one, 0)
            return
        began, first = time.monotonic(), list[T]()

        def keep(value: T) -> None:
            first.append(value)
            trial.one(value)

        _round(inputs, keep, time.time_ns())
        growth = trial.repeat(first, began + SECONDS)
        until = max(began + SECONDS, time.monotonic() + _NEW_SHARE * SECONDS)
        while time.monotonic() < until:
            gc.collect()
            _round(inputs, trial.one, time.time_ns())
        held = trial.longest_seconds if watch is None else watch.longest_seconds
        _judge(name, f"{trial.tried} inputs in {time.monotonic() - began:.0f} s", held, growth)


@dataclass(frozen=True, slots=True)
class _Growth:
    """Of memory, while inputs were tried."""

    grown_bytes: int
    inputs: int


class _Trial(Generic[T]):
    """One check, and what its inputs cost."""

    def __init__(self, check: Callable[[T], object]) -> None:
        self._check = check
        self.tried = 0
        self.longest_seconds = 0.0

    def one(self, value: T) -> None:
        self.tried += 1
        before = time.thread_time()
        self._check(value)
        self.longest_seconds = max(self.longest_seconds, time.thread_time() - before)

    def repeat(self, values: list[T], until: float) -> _Growth:
        """Try the same inputs again and again, `INPUTS` times or until then; how much is kept of them."""
        self._again(values, round(_WARM_UP_SHARE * INPUTS), until - (1 - _WARM_UP_SHARE) * SECONDS)
        tried, before = self.tried, _resident_bytes()
        self._again(values, INPUTS, until)
        return _Growth(_resident_bytes() - before, self.tried - tried)

    def _again(self, values: list[T], times: int, until: float) -> None:
        for number, value in enumerate(islice(cycle(values), times)):
            if number % _ROUND_EXAMPLES == 0:
                gc.collect()
            self.one(value)
            if time.monotonic() >= until:
                return


@contextmanager
def _collected_by_hand() -> Iterator[None]:
    """A block in which garbage is collected only between inputs, so that no loop is blamed for it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _round(inputs: st.SearchStrategy[T], one: Callable[[T], None], number: int) -> None:
    @seed(number)
    @settings(
        max_examples=_ROUND_EXAMPLES if SECONDS else _SHORT_EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def run(value: T) -> None:
        one(value)

    run()


def _judge(name: str, tried: str, held_seconds: float, growth: _Growth) -> None:
    grown_megabytes = growth.grown_bytes / 1e6
    print(  # noqa: T201 - what `make fuzz` is run for
        f"\n{name}: {tried}, a loop held for {held_seconds * 1000:.1f} ms at most, "
        f"memory {grown_megabytes:+.1f} MB over {growth.inputs}"
    )
    assert held_seconds <= _LONGEST_HOLD_SECONDS, f"{name} holds a loop for {held_seconds * 1000:.0f} ms"
    assert growth.grown_bytes <= _MOST_GROWTH_BYTES, f"{name} keeps {grown_megabytes:.1f} MB of {growth.inputs} inputs"


def _resident_bytes() -> int:
    """Memory that is in use; what is only kept for later is given back first, where the C library can do that."""
    gc.collect()
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
    # Without the pages of files, which the system takes back when others need memory.
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))


_UNITS: Final = (
    *"[{(<\"'\\9-^.,!? \n\t\0*_`~#&@/x",
    *("\u0301", "\u200d", "\ufe0f", "\u202e", "\U0001f469\u200d\U0001f467", "\u3042", "\u0628", "\ufdfa"),
    *(
        "[[",
        '{"a":',
        "```",
        "**",
        "a.",
        "U.S. ",
        "1,",
        "sqrt ",
        "^64",
        "0.1^64",
        "one billion ",
        "&amp;",
        "</b>",
        "![](",
        "$5",
        "5-",
        "12:30",
        "1/2 ",
        " | ",
        "\\frac{",
        "<a b=",
        "&#",
        "Louis XIV",
        "5 km ",
        "x²",
        "a@b.",
        "555-",
        "May 5, ",
        " - ",
    ),
)
_ODD: Final = (
    *("", " ", "NaN", "Infinity", "-0", "1e400", "null", "\ud7ff\ue000", "\x00", "%s%n{0}", "../../etc/passwd"),
    *('"\\ud800"', '{"a": 1, "a": 2}', '{"type": "object"}', "http://[::1", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
    "9" * 5_000,
)
# Where some scripts begin.
_FIRST: Final = (0x20, 0x20, 0xA0, 0x300, 0x400, 0x600, 0x900, 0x2000, 0x3040, 0x4E00, 0xFE00, 0x1F300, 0xE0000)


def texts(longest: int = 20_000) -> st.SearchStrategy[str]:
    """Texts that people do not write: one thing a thousand times, odd signs, and anything."""
    return st.one_of(
        st.text(max_size=40), st.sampled_from(_ODD), chances().map(lambda chance: odd_text(chance, longest))
    )


def chances() -> st.SearchStrategy[Random]:
    """Chance for large inputs: Hypothesis chooses where it begins, since each choice of its own costs time."""
    return st.integers(0, 2**64 - 1).map(Random)  # noqa: S311 - inputs, not secrets


def odd_text(chance: Random, longest: int) -> str:
    """A text of at most so many characters that `chance` decides on."""
    match chance.randrange(4):
        case 0:
            return chance.choice(_ODD)[:longest]
        case 1:
            return "".join(chance.choices(_UNITS, k=chance.randrange(40)))[:longest]
        case 2:
            return "".join(chr(chance.choice(_FIRST) + chance.randrange(120)) for _ in range(chance.randrange(80)))
        case _:
            unit = "".join(chance.choices(_UNITS, k=chance.choice((1, 1, 1, 2, 3))))
            times = chance.choice((40, 400, longest))
            return (unit * chance.randrange(1, times + 1))[: longest - 1] + chance.choice(("", "]", "a", "5", ".", '"'))
