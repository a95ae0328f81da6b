"""`parley trace`: where the time of a turn went, from the gateway's memory or from Tempo."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from parley_cli.terminal import block, to_json
from parley_cli.trace.drawing import draw, table
from parley_cli.trace.gateway import open_gateway
from parley_cli.trace.selection import wanted
from parley_cli.trace.tempo import open_tempo

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from parley_cli.trace.gateway import Gateway
    from parley_cli.trace.tempo import Tempo


async def show(url: str, tempo: str, which: str, *, as_json: bool) -> int:
    """Print the turn `which`, from the Tempo at `tempo` where that is named, else from the gateway at `url`.

    Raises:
        ParleyError: there is none, or nobody to ask.
    """
    meant = wanted(which)
    async with _source(url, tempo) as source:
        turn = await source.find(meant)
    print(to_json(turn.to_json()) if as_json else draw(turn, block()))
    return 0


async def show_slowest(url: str, tempo: str, count: int, *, as_json: bool) -> int:
    """Print the slowest turns, one a line; 1 when there is none.

    Raises:
        ParleyError: there is nobody to ask.
    """
    async with _source(url, tempo) as source:
        turns = await source.slowest(count)
    if as_json:
        for turn in turns:
            print(to_json(turn.to_json()))
        return 0
    if not turns:
        print("No turn whose reply was heard is known there.", file=sys.stderr)
        return 1
    print(table(turns))
    return 0


def _source(url: str, tempo: str) -> AbstractAsyncContextManager[Gateway | Tempo]:
    return open_tempo(tempo) if tempo else open_gateway(url)
