"""Turns from the gateway's own memory: its last ones, at `/stats`, also where no trace is exported."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from parley.errors import NotFound, Unavailable
from parley_cli.trace.fields import mapping
from parley_cli.trace.http import NOT_FOUND, OK, opened, reason
from parley_cli.trace.turn import of_stats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from parley_cli.trace.http import Source
    from parley_cli.trace.selection import Wanted
    from parley_cli.trace.turn import Turn

_REMEDY: Final = "start it with parley up, or name another with --url"
_FORBIDDEN: Final = 403


class Gateway:
    """The turns that a gateway remembers."""

    def __init__(self, source: Source) -> None:
        """Ask at `source`."""
        self._source = source

    async def find(self, wanted: Wanted) -> Turn:
        """The newest turn that fits.

        Raises:
            NotFound: there is none.
        """
        turns = await self._turns()
        for turn in turns:
            if wanted.fits(turn):
                return turn
        where = f"among the last {len(turns)} of the gateway at {self._source.shown}"
        if not turns:
            raise NotFound(f"no turn has ended yet at {self._source.shown}: hold one, for instance with parley talk")
        raise NotFound(f"no {wanted} {where}; a trace store may have it: --tempo URL", field="turn")

    async def slowest(self, count: int) -> list[Turn]:
        """The turns whose listener waited longest for the first sound, the slowest first."""
        heard = [turn for turn in await self._turns() if turn.total_ms is not None]
        return sorted(heard, key=lambda turn: turn.total_ms or 0.0, reverse=True)[:count]

    async def _turns(self) -> list[Turn]:
        status, body = await self._source.ask("/stats")
        at = self._source.shown
        if status == NOT_FOUND:
            raise Unavailable(
                f"the gateway at {at} has no /stats: PARLEY_STATUS=off hides it, and older ones have none"
            )
        if status == _FORBIDDEN:
            raise Unavailable(f"the gateway at {at} does not tell it to this machine: PARLEY_STATUS=open does")
        if status != OK:
            raise Unavailable(f"the gateway at {at} answers {status}: {reason(body)}")
        document = self._source.read(body)
        if not isinstance(mapping(document).get("turns"), list):
            raise Unavailable(f"what answers at {at} is not the gateway: its /stats has no turns")
        return of_stats(document)


@asynccontextmanager
async def open_gateway(url: str) -> AsyncIterator[Gateway]:
    """The gateway whose page is at `url`."""
    async with opened(url, "the gateway", _REMEDY) as source:
        yield Gateway(source)
