"""An engine without a model: a few skills that truly answer, and ELIZA (from NLTK) for everything else.

It keeps nothing between calls: what it knows of a user stands in the conversation that it is given.
"""

from __future__ import annotations

import importlib.util
import random
from datetime import datetime
from typing import TYPE_CHECKING

from llm_server.engine import Conversation, Delta, Finish, Role, StopReason
from llm_server.engines.pieces import pieces
from llm_server.engines.rules.skills import answer
from llm_server.engines.rules.talk import Talk
from parley.errors import not_installed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from llm_server.engine import ReplyEvent


def _now() -> datetime:
    """The time of day where the server is."""
    return datetime.now().astimezone()


class RulesEngine:
    """Skills first, then ELIZA."""

    name = "rules"
    models = ("eliza",)
    context_tokens = 0
    calls_tools = False
    ignores_instructions = True

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        """Tell the time by `now`."""
        self._now = now
        self._talk: Talk | None = None

    def load(self) -> None:
        """Read ELIZA's rules.

        Raises:
            Unavailable: NLTK is not installed.
        """
        if importlib.util.find_spec("nltk") is None:
            raise not_installed("nltk", "llm")
        self._talk = Talk()
        self._talk.respond("hello", random.Random(0))  # noqa: S311 - a choice of words

    async def keep_warm(self) -> None:
        """Nothing to warm up."""

    async def close(self) -> None:
        """Nothing is held."""

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        """Answer the last message, word by word."""
        assert self._talk is not None  # noqa: S101 - the server loads before it serves
        # Functions that were called are no words of anybody's.
        messages = tuple(m for m in conversation.messages if m.role is not Role.TOOL and (m.text or not m.tool_calls))
        text = answer(messages, self._now())
        if text is None:
            said = next((m.text for m in reversed(messages) if m.role is Role.USER), "")
            # The same conversation gets the same reply, whatever was asked in between.
            seed = conversation.seed if conversation.seed is not None else f"{len(messages)} {said}"
            text = self._talk.respond(said, random.Random(seed))  # noqa: S311 - a choice of words
        words = pieces(text)
        for piece in words[: conversation.max_tokens]:
            yield Delta(piece)
        reason = StopReason.STOP if len(words) <= conversation.max_tokens else StopReason.LENGTH
        yield Finish(reason, completion_tokens=min(len(words), conversation.max_tokens))
