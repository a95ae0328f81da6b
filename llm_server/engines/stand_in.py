"""Rules that answer while the model is away: better than silence, and the model is asked again with each question.

They begin only where no word of the model's was heard: what was spoken cannot be taken back.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from llm_server.engine import Finish, GaveUp, Progress
from parley.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from llm_server.engine import Conversation, ReplyEvent
    from llm_server.engines.endpoints import EndpointsEngine
    from llm_server.engines.rules import RulesEngine

_WHY: Final = {"silent": "gives no sign of life", "broken": "cannot be reached, or broke off"}

_log = logging.getLogger("parley.llm")


class StandIn:
    """Endpoints, and rules behind them."""

    context_tokens = 0
    calls_tools = True
    ignores_instructions = False

    def __init__(self, endpoints: EndpointsEngine, rules: RulesEngine, *, discovered: bool = False) -> None:
        """Ask `endpoints`, of which the first may have been `discovered`, and `rules` when none of them answers."""
        self.discovered = discovered
        self.name = endpoints.name
        self.models = (*endpoints.models, rules.name)
        self._endpoints = endpoints
        self._rules = rules
        self._failed: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Nothing keeps the rules from answering."""
        return ""

    @property
    def address(self) -> str:
        """Host and port of the first endpoint."""
        return self._endpoints.address

    @property
    def backup_reason(self) -> str:
        """Why the rules answer, or another endpoint than the first."""
        seen = "; ".join(f"{model} {_why(reason)}" for model, reason in self._failed.items())
        return seen or self._endpoints.problem or self._endpoints.backup_reason

    def load(self) -> None:
        """Load the rules."""
        self._endpoints.load()
        self._rules.load()

    async def keep_warm(self) -> None:
        """Have the endpoints load their models."""
        await self._endpoints.keep_warm()

    async def close(self) -> None:
        """Let go of both."""
        await self._endpoints.close()
        await self._rules.close()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        """Write a reply, by the endpoints as they do, else by the rules.

        Raises:
            Unavailable: an endpoint broke off in the middle.
        """
        # Patience that was spent on the question before is not asked for again at once.
        begun = answered = False
        if not (self._is_silent and self._endpoints.rests):
            failed: dict[str, str] = {}
            try:
                async with aclosing(self._endpoints.reply(conversation)) as events:
                    async for event in events:
                        if isinstance(event, GaveUp):
                            failed[event.model] = event.reason
                        elif not isinstance(event, Progress):
                            begun = True
                            # Not at the end, at which nobody may look any more.
                            self._answered()
                        yield event  # noqa: ASYNC119 - whoever asks closes the generator
                answered = True
            except Unavailable:
                self._failed = failed
                if begun:
                    raise
                _log.warning("the rules answer meanwhile: %s", self.backup_reason)
        if answered:
            return
        async with aclosing(self._rules.reply(conversation)) as events:
            async for event in events:
                mine = replace(event, model=self._rules.name) if isinstance(event, Finish) else event
                yield mine  # noqa: ASYNC119 - as above

    @property
    def _is_silent(self) -> bool:
        return bool(self._failed) and all(reason == "silent" for reason in self._failed.values())

    def _answered(self) -> None:
        if self._failed:
            _log.warning("%s answers again", self.models[0])
        self._failed = {}


def _why(reason: str) -> str:
    """A reason as the rest of a sentence that begins with the name of a model."""
    return _WHY.get(reason, f"answers {reason.removeprefix('http_')}")
