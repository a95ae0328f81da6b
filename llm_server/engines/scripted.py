"""An engine that says what it was told to say, at a chosen pace: for tests and load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llm_server.engine import Conversation, Delta, Finish, Progress, ProgressKind, StopReason
from llm_server.engines.pieces import pieces

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from llm_server.engine import ReplyEvent


class ScriptedEngine:
    """Needs no model."""

    name = "scripted"
    models = ("",)
    context_tokens = 0
    calls_tools = False
    ignores_instructions = True

    def __init__(
        self, text: str, delay_seconds: float, delta_seconds: float, waits: ProgressKind = ProgressKind.WAITING
    ) -> None:
        """Say `text`: the first piece after `delay_seconds`, then one every `delta_seconds`; until then it `waits`."""
        self._pieces = pieces(text)
        self._delay_seconds = delay_seconds
        self._delta_seconds = delta_seconds
        self._waits = waits

    def load(self) -> None:
        """Nothing to load."""

    async def keep_warm(self) -> None:
        """Nothing to warm up."""

    async def close(self) -> None:
        """Nothing is held."""

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        """The script, as far as the longest reply goes."""
        yield Progress(self._waits)
        count = 0
        for piece in self._pieces[: conversation.max_tokens]:
            seconds = self._delta_seconds if count else self._delay_seconds
            if seconds:
                await asyncio.sleep(seconds)
            yield Delta(piece)
            count += 1
        reason = StopReason.STOP if count == len(self._pieces) else StopReason.LENGTH
        yield Finish(reason, completion_tokens=count)
