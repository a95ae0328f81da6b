"""Lets sessions in up to the limit, and shows them out when the gateway stops. Knows nothing of transports.

The limit is a number where the operator has set one. Else it is what the gateway and its servers can bear (`capacity`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_gateway.capacity.control import ALWAYS_TAKEN, LoadControl
from edge_gateway.capacity.estimate import Estimate
from edge_gateway.capacity.lateness import PERIOD_SECONDS
from edge_gateway.capacity.path import PathControl
from edge_gateway.error_events import error_event
from edge_gateway.session import Session
from edge_gateway.sharing.doorway import Standing
from parley.errors import Overloaded, ParleyError, ShuttingDown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_gateway.backends import Backends
    from edge_gateway.capacity.path import PartLoad
    from edge_gateway.connection import ClientConnection

_log = logging.getLogger("parley.gateway")

_RETRY_AFTER_MS: Final = 2_000
# Who is let in one after the other: a page that shows nothing for longer would be loaded again.
_TURN_SECONDS: Final = 5.0
# A conversation that is as young has hardly begun, and may still be refused.
_YOUNG_SECONDS: Final = 10.0
_ESTIMATE_SECONDS: Final = 1.0
IDLE_PERIOD_SECONDS: Final = 0.25
_LAG: Final = "lag"


@dataclass(slots=True, eq=False)
class _Held:
    """A session that is held."""

    until: asyncio.Timeout
    begun: float
    """Of the loop's clock."""
    refused: str = ""
    """The part that has too much to do, so that it has to go, though the gateway goes on; empty: it may stay."""


class Admission:
    """The sessions of this process."""

    def __init__(self, backends: Backends, max_sessions: int | None, session_cost: float = 0.0) -> None:
        """Take at most `max_sessions` at once; None: as many as the parts bear, which `timer` and `look` tell.

        `session_cost` is as for `PathControl`; where it is 0 a rush comes in as a whole.
        """
        self._backends, self._metrics = backends, backends.metrics.sessions
        self._max = max_sessions
        self._control, self._path, self._estimate = LoadControl(), PathControl(session_cost), Estimate()
        self._estimated: tuple[float, float] | None = None
        # The newest last.
        self._sessions: dict[_Held, None] = {}
        self._leaving = 0
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._entering: set[asyncio.Future[None]] = set()
        self.hasten: Callable[[], None] = _nothing
        """Called when timers have to come in `period_seconds` from now on, and the next one was set later."""
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._metrics.capacity(self.occupancy[1])

    def check(self) -> None:
        """See whether one more session may come in.

        Raises:
            Overloaded: the gateway is full.
            ShuttingDown: the gateway is stopping.
        """
        if self._closing:
            raise _stopping()
        sessions = len(self._sessions)
        if self._max is None:
            if full := self._full(sessions):
                self._metrics.refused(full)
                raise _busy(full)
        elif sessions >= self._max:
            self._metrics.refused("limit")
            raise Overloaded(f"all {self._max} sessions are taken: try again soon", retry_after_ms=_RETRY_AFTER_MS)

    async def enter(self) -> None:
        """Wait for one's turn to come in; whoever returns must `hold` at once.

        Raises:
            Overloaded: the gateway is full.
            ShuttingDown: the gateway is stopping.
        """
        self.check()
        if self._max is not None or (not self._waiting and self._takes(len(self._sessions))):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await turn
        except TimeoutError:
            full = self._full(len(self._sessions)) or self._path.fullest or _LAG
            self._metrics.refused(full)
            raise _busy(full) from None
        finally:
            self._waiting.pop(turn, None)
            self._entering.discard(turn)

    async def hold(self, connection: ClientConnection) -> None:
        """Hold a session with `connection` until it ends, or the gateway must stop.

        Raises:
            Overloaded: it had hardly begun when it turned out that the gateway is full.
        """
        held = _Held(asyncio.timeout(None), asyncio.get_running_loop().time())
        session = Session(connection, self._backends)
        self._sessions[held] = None
        self._path.newcomers.came(session, held.begun)
        self._empty.clear()
        if len(self._sessions) == ALWAYS_TAKEN:
            self.hasten()
        self._metrics.began()
        try:
            async with held.until:
                await session.run()
        except TimeoutError:
            if not held.until.expired():
                raise
            if held.refused:
                raise _busy(held.refused) from None
            await connection.send(error_event(_stopping(), "gateway", ends_session=True))
        finally:
            del self._sessions[held]
            self._path.newcomers.left(session)
            self._leaving -= bool(held.refused)
            self._metrics.ended()
            if not self._sessions:
                self._empty.set()

    def timer(self, now: float, late_seconds: float, computed_seconds: float) -> None:
        """A timer of the loop came so much too late, and its thread has computed so much since it began."""
        if self._max is not None:
            return
        self._control.timer(now, late_seconds)
        self._take_in()
        self._show_out(self._control.too_many(now, len(self._sessions) - self._leaving), _LAG)
        self._reckon(now, computed_seconds)

    def look(self, now: float, parts: Sequence[PartLoad]) -> None:
        """So much all the parts have to do that a session needs; asked once a second."""
        if self._max is not None:
            return
        before = self._path.full
        self._path.look(now, parts, len(self._sessions))
        full = self._path.full
        if full and not before:
            _log.warning("the %s %s: nobody else is let in", *_named(full))
        self._show_out(self._path.too_many(len(self._sessions) - self._leaving), full)

    @property
    def period_seconds(self) -> float:
        """How soon the next timer is to come: with so few sessions that all are taken nothing hangs on it."""
        return IDLE_PERIOD_SECONDS if len(self._sessions) < ALWAYS_TAKEN and not self._waiting else PERIOD_SECONDS

    @property
    def full(self) -> str:
        """Why nobody is let in: "lag" of the gateway's loop, or the part that is full, as in `PartLoad`; or empty."""
        return self._full(len(self._sessions)) if self._max is None else ""

    @property
    def occupancy(self) -> tuple[int, int]:
        """How many sessions there are, and how many there may be, estimated where no number was set."""
        sessions = len(self._sessions)
        if self._max is not None:
            return sessions, self._max
        most = self._estimate.most(sessions, is_full=bool(self._full(max(sessions, ALWAYS_TAKEN))))
        return sessions, round(min(most, max(1, sessions + self._path.room(len(self._entering)))))

    @property
    def standing(self) -> Standing:
        """What other gateways on the same port are told."""
        sessions, most = self.occupancy
        takes = not self._closing and not self.full and (self._max is None or sessions < most)
        return Standing(sessions + len(self._waiting) + len(self._entering), most, takes)

    def close(self) -> None:
        """Take nobody in any more."""
        self._closing = True
        self._refuse_waiting(_stopping())

    async def drain(self, seconds: float) -> None:
        """Take nobody in any more, let the sessions go on for so long, and then end those that are left."""
        self.close()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            for held in self._sessions:
                held.until.reschedule(asyncio.get_running_loop().time())
            await self._empty.wait()

    def _full(self, sessions: int) -> str:
        return _LAG if self._control.refuses(sessions) else self._path.refuses(sessions)

    def _takes(self, sessions: int) -> bool:
        return self._control.takes(sessions) and self._path.takes(sessions, len(self._entering))

    def _take_in(self) -> None:
        if self._waiting and (full := self._full(len(self._sessions))):
            self._refuse_waiting(_busy(full), full)
        while self._waiting and self._takes(len(self._sessions) + len(self._entering)):
            turn, _ = self._waiting.popitem(last=False)
            # One that is done has left, or was refused.
            if not turn.done():
                turn.set_result(None)
                self._entering.add(turn)

    def _refuse_waiting(self, error: ParleyError, why: str = _LAG) -> None:
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                self._metrics.refused(why)
                turn.set_exception(error)

    def _show_out(self, count: int, why: str) -> None:
        """End the newest, as long as they have hardly begun."""
        now = asyncio.get_running_loop().time()
        young = (held for held in reversed(self._sessions) if not held.refused)
        for held, _ in zip(young, range(count), strict=False):
            if now - held.begun > _YOUNG_SECONDS:
                return
            self._metrics.refused(why)
            held.refused = why
            self._leaving += 1
            held.until.reschedule(now)

    def _reckon(self, now: float, computed_seconds: float) -> None:
        if self._estimated is None:
            self._estimated = now, computed_seconds
            return
        since, computed = self._estimated
        if now - since >= _ESTIMATE_SECONDS:
            self._estimate.note((computed_seconds - computed) / (now - since), len(self._sessions))
            self._estimated = now, computed_seconds
            self._metrics.capacity(self.occupancy[1])


def _nothing() -> None:
    pass


def _stopping() -> ShuttingDown:
    return ShuttingDown("the gateway is stopping: connect again", retry_after_ms=_RETRY_AFTER_MS)


def _busy(why: str) -> Overloaded:
    return Overloaded("the {} {}: try again soon".format(*_named(why)), retry_after_ms=_RETRY_AFTER_MS)


def _named(why: str) -> tuple[str, str]:
    part = "gateway" if why in (_LAG, "gateway") else f"{why} server"
    return part, "has all that it can carry"
