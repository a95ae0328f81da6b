"""An engine without a model: a few skills that truly answer, and where none does it says so.

It speaks English, and keeps nothing between calls: what it knows of a user stands in the conversation that it is given.
"""

from __future__ import annotations

import random
from datetime import datetime
from typing import TYPE_CHECKING

from llm_server.engine import Conversation, Delta, Finish, Role, StopReason
from llm_server.engines.pieces import pieces
from llm_server.engines.rules.clock import zones
from llm_server.engines.rules.skills import answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from llm_server.engine import ReplyEvent


def _now() -> datetime:
    """The time of day where the server is."""
    return datetime.now().astimezone()


class RulesEngine:
    """Skills, each tried in turn."""

    name = "rules"
    models = ("built-in",)
    context_tokens = 0
    calls_tools = False
    ignores_instructions = True

    def __init__(self, now: Callable[[], datetime] = _now, chance: random.Random | None = None) -> None:
        """Tell the time by `now`, and leave to `chance` what is a choice, such as the side of a coin."""
        self._now = now
        self._chance = chance or random.Random()  # noqa: S311 - a choice of words

    def load(self) -> None:
        """Read the list of time zones."""
        zones()

    async def keep_warm(self) -> None:
        """Nothing to warm up."""

    async def close(self) -> None:
        """Nothing is held."""

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        """Answer the last message, word by word."""
        # Functions that were called are no words of anybody's.
        messages = tuple(m for m in conversation.messages if m.role is not Role.TOOL and (m.text or not m.tool_calls))
        seed = conversation.seed
        chance = self._chance if seed is None else random.Random(seed)  # noqa: S311 - a choice of words
        found = answer(messages, self._now(), chance, conversation.session)
        for action in found.actions:
            yield action
        words = pieces(found.text)
        for piece in words[: conversation.max_tokens]:
            yield Delta(piece)
        reason = StopReason.STOP if len(words) <= conversation.max_tokens else StopReason.LENGTH
        yield Finish(reason, completion_tokens=min(len(words), conversation.max_tokens))
