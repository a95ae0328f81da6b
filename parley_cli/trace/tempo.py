"""Traces from Tempo, over its documented HTTP API: one by its id, or those that a TraceQL query finds."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from parley.errors import InvalidInput, NotFound, Unavailable
from parley_cli.trace.fields import mapping, mappings, whole
from parley_cli.trace.http import NOT_FOUND, OK, opened, reason
from parley_cli.trace.otlp import hexadecimal, spans_of
from parley_cli.trace.selection import TraceId
from parley_cli.trace.turn import of_trace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from parley_cli.trace.http import Source
    from parley_cli.trace.selection import Last, Number, Wanted
    from parley_cli.trace.turn import Turn

_REMEDY: Final = "start it as deploy/observability/README.md says; without --tempo the gateway is asked"
_BAD_REQUEST: Final = 400
_NEWEST_FIRST: Final = "with (most_recent=true)"
# Where nothing says since when, Tempo looks at what it has not yet written away.
_BACK_SECONDS: Final = 24 * 3600
_CLOCKS_APART_SECONDS: Final = 60
# A search gives any traces that fit, not the longest of them: so it is asked again for those that are longer than what
# was found, until it had more room than it used.
_LOOKS: Final = 8
_ROOM: Final = 200
_TRACE_DIGITS: Final = 32


class Tempo:
    """The traces that a Tempo has."""

    def __init__(self, source: Source) -> None:
        """Ask at `source`."""
        self._source = source

    async def find(self, wanted: Wanted) -> Turn:
        """A trace by its id, or the newest that fits.

        Raises:
            NotFound: there is none.
        """
        trace_id = wanted.id if isinstance(wanted, TraceId) else await self._newest(wanted)
        return await self.trace(trace_id)

    async def slowest(self, count: int) -> list[Turn]:
        """The turns of the last day that lasted longest up to the first sound, the slowest first."""
        found: dict[str, int] = {}
        least_ns = 0
        for _ in range(_LOOKS):
            room = max(_ROOM, 4 * count)
            looked = await self._search(f'{{ name = "parley.turn" && duration >= {least_ns}ns }}', room)
            found.update(looked)
            longest = sorted(found.values(), reverse=True)[:count]
            if len(looked) < room or longest[-1] <= least_ns:
                break
            least_ns = longest[-1]
        ids = sorted(found, key=lambda each: found[each], reverse=True)[:count]
        return [await self.trace(each) for each in ids]

    async def trace(self, trace_id: str) -> Turn:
        """A trace by its id.

        Raises:
            NotFound: Tempo has none of it.
        """
        for path in ("/api/v2/traces/", "/api/traces/"):
            status, body = await self._source.ask(f"{path}{trace_id}")
            if status == NOT_FOUND:
                # An older Tempo has only the second; either says the same of a trace that it does not have.
                continue
            spans = spans_of(self._answer(status, body))
            if spans:
                return of_trace(trace_id, spans)
        raise NotFound(
            f"Tempo at {self._source.shown} has no trace {trace_id}: it comes some seconds after the reply was heard, "
            "and only if the Collector keeps it (deploy/observability/README.md)",
            field="turn",
        )

    async def _newest(self, wanted: Last | Number) -> str:
        found = await self._search(f"{wanted.query} {_NEWEST_FIRST}", 1)
        if not found:
            raise NotFound(f"Tempo at {self._source.shown} has no {wanted} of the last day", field="turn")
        return next(iter(found))

    async def _search(self, query: str, limit: int) -> dict[str, int]:
        """How long the span was that a query found, in nanoseconds, by the id of its trace."""
        now = int(time.time())
        parameters = {
            "q": query,
            "limit": str(limit),
            "start": str(now - _BACK_SECONDS),
            "end": str(now + _CLOCKS_APART_SECONDS),
        }
        answer = self._answer(*await self._source.ask("/api/search", parameters))
        # Zeros at the begin of an id are left out of what is found.
        return {
            hexadecimal(str(trace.get("traceID", "")).zfill(_TRACE_DIGITS)): _longest_ns(trace)
            for trace in mappings(mapping(answer).get("traces"))
        }

    def _answer(self, status: int, body: str) -> object:
        if status == OK:
            return self._source.read(body)
        at = self._source.shown
        if status == _BAD_REQUEST:
            raise InvalidInput(f"Tempo at {at} refuses the question: {reason(body)}")
        raise Unavailable(f"Tempo at {at} answers {status}: {reason(body)}")


@asynccontextmanager
async def open_tempo(url: str) -> AsyncIterator[Tempo]:
    """The Tempo whose API is at `url`."""
    async with opened(url, "Tempo", _REMEDY) as source:
        yield Tempo(source)


def _longest_ns(trace: Mapping[str, object]) -> int:
    """Of the spans that were found in a trace; else of the trace, which Tempo gives in milliseconds."""
    sets = [*mappings(trace.get("spanSets")), mapping(trace.get("spanSet"))]
    found = [whole(span.get("durationNanos")) for each in sets for span in mappings(each.get("spans"))]
    return max(found, default=whole(trace.get("durationMs")) * 1_000_000)
