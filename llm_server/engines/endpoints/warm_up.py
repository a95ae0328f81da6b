"""Has the models of endpoints loaded before the first question: what is slow to load is asked for a word at start.

An endpoint that cannot be warmed up is tried again with the next question; nobody waits for any of this.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from llm_server.engines.endpoints.failure import EndpointFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from llm_server.engines.endpoints.endpoint import Endpoint

_log = logging.getLogger("parley.llm")


class WarmUp:
    """Keeps what is known of endpoints: which of them are warm."""

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        """All of them are cold."""
        self._endpoints = endpoints
        self._news = [asyncio.Event() for _ in endpoints]
        self._warm = [False for _ in endpoints]

    def question(self) -> None:
        """A question has come: time to try again what is still cold."""
        for news in self._news:
            news.set()

    def answered(self, place: int) -> None:
        """This one has written a reply, so it is warm."""
        self._warm[place] = True
        self._news[place].set()

    async def run(self, http: aiohttp.ClientSession, warmed: Callable[[int], None]) -> None:
        """Warm up each endpoint, side by side, until all are warm; `warmed` is told of each that is."""
        async with asyncio.TaskGroup() as tasks:
            for place, endpoint in enumerate(self._endpoints):
                tasks.create_task(self._run(http, place, warmed), name=f"warm up {endpoint.name}")

    async def _run(self, http: aiohttp.ClientSession, place: int, warmed: Callable[[int], None]) -> None:
        endpoint, news = self._endpoints[place], self._news[place]
        while not self._warm[place]:
            news.clear()
            try:
                await endpoint.warm_up(http)
            except EndpointFailed as failure:
                _log.warning("not warmed up, the next question tries again: %s", failure)
                await news.wait()
            else:
                self._warm[place] = True
                warmed(place)
