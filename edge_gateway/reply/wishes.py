"""What one reply wants done to its session: held back until something of the reply can be heard.

A reply that is dropped before that has changed nothing, so that the one which answers the same words may wish it again.
Knows nothing of how a wish is carried out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from parley import llm, tts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True, slots=True)
class Wish:
    """A session action that a reply has brought, of which something can be heard."""

    action: llm.SessionAction
    """What is to be done."""
    at_seconds: float
    """When it came, loop time: "in ten minutes" counts from here."""
    use: llm.ToolUse | None = None
    """The function by which its model asked for it; None: it has none."""


class Wishes:
    """The wishes of one reply, in their order; a block for as long as it is made."""

    def __init__(self, tell: Callable[[Wish], Awaitable[None]]) -> None:
        """`tell` is given each, once it may be carried out."""
        self._tell = tell
        self._waiting: list[Wish] = []
        self._use: llm.ToolUse | None = None
        self._allowed = False

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End: who is told of wishes knows the reply, which would else be garbage that waits for a collection."""
        self._tell = _nobody

    def function(self, use: llm.ToolUse) -> None:
        """Note the function that was called last; an action that follows came of it."""
        self._use = use

    async def take(self, action: llm.SessionAction) -> tts.Adjust | None:
        """Take an action; gives how the text that follows it in this reply is to be spoken, None: as before."""
        use, self._use = self._use, None
        self._waiting.append(Wish(action, asyncio.get_running_loop().time(), use))
        if self._allowed:
            await self.allow()
        match action:
            case llm.SetSpeed():
                return tts.Adjust(speed=llm.within(action.speed, llm.SPEEDS))
            case llm.SetGain():
                return tts.Adjust(gain_db=llm.within(action.gain_db, llm.GAINS_DB))
            case _:
                return None

    async def allow(self) -> None:
        """Something of the reply can be heard."""
        self._allowed = True
        while self._waiting:
            await self._tell(self._waiting.pop(0))


async def _nobody(_: Wish) -> None:
    """Is told nothing that matters."""
