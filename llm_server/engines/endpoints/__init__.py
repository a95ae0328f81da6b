"""Any OpenAI-compatible endpoint as the model, and an ordered list of others that take over when it cannot answer.

Ollama, llama.cpp, vLLM's server and hosted models speak this protocol: POST /chat/completions, streamed. Another
endpoint is asked only before the first piece of a reply: what was spoken cannot be taken back.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from llm_server.engine import GaveUp, Progress, ProgressKind
from llm_server.engines.endpoints.answering import answer
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.endpoints.health import Health
from llm_server.engines.endpoints.patience import Patience
from llm_server.engines.endpoints.transport import open_session
from llm_server.engines.endpoints.warm_up import WarmUp
from parley.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import aiohttp

    from llm_server.engine import Conversation, ReplyEvent
    from llm_server.engines.endpoints.endpoint import Endpoint

# How much longer a model may go without a word while it gives other signs of life.
_WORDS_FACTOR: Final = 3

_log = logging.getLogger("parley.llm")


class EndpointsEngine:
    """The model is elsewhere."""

    name = "openai"
    context_tokens = 0
    calls_tools = True
    ignores_instructions = False
    discovered = False

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        first_token_seconds: float = 1.3,
        patience_seconds: float = 20.0,
        *,
        warm_up: bool = True,
    ) -> None:
        """Ask `endpoints`, the first one first.

        Where there is another one to ask, an endpoint is given up that shows no sign of life for `first_token_seconds`,
        or no word for `patience_seconds`. The last one, and one whose words have been heard, may be silent for
        `patience_seconds`, and alive without a word for three times as long.
        """
        self._endpoints = endpoints
        self._health = Health(len(endpoints))
        self._impatient = Patience(first_token_seconds, patience_seconds)
        self._patient = Patience(patience_seconds, _WORDS_FACTOR * patience_seconds)
        self._warm_up = WarmUp(endpoints) if warm_up else None
        self._session: aiohttp.ClientSession | None = None
        self.models = tuple(endpoint.model for endpoint in endpoints)

    @property
    def problem(self) -> str:
        """Why no endpoint can answer, as far as is known; empty: nothing is known."""
        return self._warm_up.problem if self._warm_up is not None else ""

    @property
    def address(self) -> str:
        """Host and port of the first endpoint."""
        return self._endpoints[0].host

    @property
    def backup_reason(self) -> str:
        """Why another endpoint than the first answers, as far as is known."""
        return "" if self._warm_up is None or self.problem else self._warm_up.first_problem

    @property
    def rests(self) -> bool:
        """All endpoints have failed just now, and will not be better yet."""
        return self._health.all_rest(asyncio.get_running_loop().time())

    def load(self) -> None:
        """Nothing to load: an endpoint that is away may be there when it is needed."""

    async def keep_warm(self) -> None:
        """Have the endpoints load their models until cancelled, where it is wanted."""
        if self._warm_up is not None:
            await self._warm_up.run(self._http(), self._health.worked)

    async def close(self) -> None:
        """Close what connections are kept."""
        if self._session is not None:
            await self._session.close()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        """Write a reply, by the first endpoint that begins one.

        Raises:
            Unavailable: no endpoint answers, or one broke off in the middle.
        """
        http, clock = self._http(), asyncio.get_running_loop().time
        if self._warm_up is not None:
            self._warm_up.question()
        failures: list[str] = []
        order = self._health.order(clock())
        for place in order:
            endpoint, begun = self._endpoints[place], False
            yield Progress(ProgressKind.WAITING, endpoint.name)
            first = self._patient if place == order[-1] else self._impatient
            events = answer(http, endpoint, conversation, first, self._patient)
            try:
                async for event in events:
                    if not begun and not isinstance(event, Progress):
                        begun = True
                        self._worked(place)
                    yield event
            except EndpointFailed as failure:
                why = str(failure)
                self._failed(place, failure)
                yield GaveUp(endpoint.name, failure.reason, failure.http_status)
                if begun:
                    raise Unavailable(why) from failure
                failures.append(why)
            else:
                return
            finally:
                await events.aclose()
        raise Unavailable("; ".join(failures))

    def _failed(self, place: int, failure: EndpointFailed) -> None:
        if not failure.is_well:
            self._health.failed(place, asyncio.get_running_loop().time(), failure.retry_after_seconds)
        if failure.is_silent and self._warm_up is not None:
            self._warm_up.silent(place)
        # Not what it said: it may quote what a user said.
        _log.warning("%s", failure.plain)

    def _worked(self, place: int) -> None:
        self._health.worked(place)
        if self._warm_up is not None:
            self._warm_up.answered(place)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session()
        return self._session
