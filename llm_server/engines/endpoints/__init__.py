"""Any OpenAI-compatible endpoint as the model, and an ordered list of others that take over when it cannot answer.

Ollama, llama.cpp, vLLM's server and hosted models speak this protocol: POST /chat/completions, streamed. Another
endpoint is asked only before the first piece of a reply: what was spoken cannot be taken back.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import zip_longest
from typing import TYPE_CHECKING

import aiohttp

from llm_server.engines.endpoints.endpoint import Endpoint, EndpointFailed
from llm_server.engines.endpoints.health import Health
from parley.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from llm_server.engine import Conversation, Delta, Finish, ToolCall

_SCHEMES = ("http://", "https://")

_log = logging.getLogger("parley.llm")


class EndpointsEngine:
    """The model is elsewhere."""

    name = "openai"
    context_tokens = 0
    calls_tools = True

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Ask `endpoints`, the first one first."""
        self._endpoints = endpoints
        self._health = Health(len(endpoints))
        self._session: aiohttp.ClientSession | None = None
        self.model = endpoints[0].model

    def load(self) -> None:
        """Nothing to load: an endpoint that is away may be there when it is needed."""

    async def close(self) -> None:
        """Close what connections are kept."""
        if self._session is not None:
            await self._session.close()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        """Write a reply, by the first endpoint that begins one.

        Raises:
            Unavailable: no endpoint answers, or one broke off in the middle.
        """
        if self._session is None:
            # The server has a limit of its own; a queue here would look like an endpoint that is silent.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        clock = asyncio.get_running_loop().time
        failures = []
        for place in self._health.order(clock()):
            begun = False
            answer = self._endpoints[place].answer(self._session, conversation)
            try:
                async for event in answer:
                    if not begun:
                        begun = True
                        self._health.worked(place)
                    yield event
            except EndpointFailed as failure:
                if not failure.is_well:
                    self._health.failed(place, clock(), failure.retry_after_seconds)
                _log.warning("%s", failure)
                if begun:
                    raise Unavailable(str(failure)) from failure
                failures.append(str(failure))
            else:
                return
            finally:
                await answer.aclose()
        raise Unavailable("; ".join(failures))


def endpoints(first: Endpoint, others: str, keys: str) -> tuple[Endpoint, ...]:
    """The first endpoint, and `others`: MODEL@URL separated by commas, with their keys in the same order.

    Raises:
        Unavailable: something else is there.
    """
    if not first.model:
        raise Unavailable("PARLEY_LLM_MODEL is empty: name the model that PARLEY_LLM_URL is to answer with")
    if not first.url.startswith(_SCHEMES):
        raise Unavailable("PARLEY_LLM_URL must begin with http:// or https://")
    found = [first]
    names = [each.strip() for each in others.split(",") if each.strip()]
    given = [each.strip() for each in keys.split(",")] if keys.strip() else []
    if len(given) > len(names):
        raise Unavailable(f"PARLEY_LLM_FALLBACK_API_KEYS has {len(given)} keys for {len(names)} fallbacks")
    for entry, key in zip_longest(names, given, fillvalue=""):
        model, at, url = entry.partition("@http")
        url = f"http{url}"
        if not at or not model or not url.startswith(_SCHEMES):
            raise Unavailable(
                f"PARLEY_LLM_FALLBACKS has {entry!r}: give MODEL@URL, such as llama3.2@http://host:11434/v1"
            )
        found.append(Endpoint(url, model, key, first.first_token_seconds))
    return tuple(found)
