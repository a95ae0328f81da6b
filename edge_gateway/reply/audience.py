"""The listener of one reply: hears of nothing before the reply may be heard, and of everything in its order after that.

Knows nothing of sound, nor of how the reply is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_gateway.error_events import error_event
from parley._flag import Flag
from parley.conversation import Event, ReplyDelayed, ReplyStarted, ToolRequest, UserUtterance

if TYPE_CHECKING:
    from edge_gateway.connection import ClientConnection
    from parley import llm
    from parley.errors import ParleyError


class Audience:
    """Who hears one reply."""

    def __init__(self, connection: ClientConnection, reply: int, turn: int) -> None:
        """Hold reply number `reply`, to turn number `turn`, back until `released` is set."""
        self.released = Flag()
        """The reply may be heard."""
        self.begun = False
        """They have something of it, sound or text, and all that was held back until then."""
        self._connection = connection
        self._reply = reply
        self._turn = turn
        self._held_back: list[Event] = []

    async def tell(self, event: Event) -> None:
        """Send an event of the reply, in its order, once they have something of it."""
        if self.begun:
            await self._connection.send(event)
        else:
            self._held_back.append(event)

    async def answers(self, utterance: UserUtterance) -> None:
        """Tell them what the reply answers; then it may be heard."""
        await self._connection.send(utterance)
        self.released.set()

    async def open(self) -> None:
        """Wait until the reply may be heard, and announce it."""
        await self.released.wait()
        await self._connection.send(ReplyStarted(self._reply, self._turn))

    async def catch_up(self) -> None:
        """They have something of the reply: what was held back may follow."""
        while self._held_back:
            await self._connection.send(self._held_back.pop(0))
        self.begun = True

    async def admit(self, hop: str, error: ParleyError) -> None:
        """Tell what failed, once the reply might have been heard."""
        await self.released.wait()
        await self._connection.send(error_event(error, hop, turn=self._turn))

    async def certain(self) -> None:
        """Return when it is certain that the reply is wanted."""
        await self.released.wait()

    async def ask(self, call: llm.ToolCall) -> None:
        """Have a function called."""
        await self._connection.send(ToolRequest(self._reply, call))

    async def wait_for(self, progress: llm.Progress) -> None:
        """Tell that it takes long, and who is waited for."""
        waited = round(progress.waited_ms)
        await self._connection.send(ReplyDelayed(self._turn, "llm", progress.model, progress.kind, waited))
