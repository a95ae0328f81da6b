"""An event loop on which time costs nothing: it stands still while anything can run, then jumps to the next timer.

So a test sees three seconds of patience to the microsecond, at once, and the same every time. For code that waits on
timers, queues and tasks only: sockets and threads run on another clock.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

P = ParamSpec("P")
T = TypeVar("T")

START_SECONDS: Final = 1_000.0
"""What a clock shows at first: not 0, which code may take for "never"."""

# Shorter than anything that is timed, and long enough to be a later time.
_MOMENT_SECONDS: Final = 1e-6


class StalledError(RuntimeError):
    """Everything waits, and no timer will ever wake it."""


class _Selector(selectors.SelectSelector):
    """Moves a clock on instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_seconds = START_SECONDS

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise StalledError("everything waits for something that will never happen")
        self.now_seconds += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; its clock begins at `START_SECONDS`."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_seconds

    def hold_up(self, seconds: float) -> None:
        """Let time pass in which nothing can run, as where something computes for long."""
        self._clock.now_seconds += seconds


def run(main: Coroutine[object, object, T]) -> T:
    """What `main` gives, on a loop of its own.

    Raises:
        StalledError: it waits for what cannot come any more.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def on_virtual_time(test: Callable[P, Coroutine[object, object, T]]) -> Callable[P, T]:
    """Make a test of a coroutine, run on a loop of its own."""

    @functools.wraps(test)
    def run_test(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return run_test


def hold_up(seconds: float) -> None:
    """Hold the loop up for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.hold_up(seconds)


def now() -> float:
    """Seconds since the test began."""
    return _virtual_loop().time() - START_SECONDS


async def passed(seconds: float) -> None:
    """Return when so much time has passed for everyone."""
    loop = _virtual_loop()
    over = loop.create_future()
    timer = loop.call_later(seconds, over.set_result, None)
    try:
        await over
    finally:
        timer.cancel()


async def until(seconds: float) -> None:
    """Return when the test is so many seconds old."""
    await passed(seconds - now())


async def settled() -> None:
    """Return when all others wait for something: what could happen now has happened."""
    await passed(_MOMENT_SECONDS)


def _virtual_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "on another loop this would be a nap"
    return loop


async def pass_by(seconds: float) -> None:
    """Let so much time pass."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


class Blocked:
    """A clock beside the loop's own: what blocks the loop moves it, and the loop does not see it."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_seconds
