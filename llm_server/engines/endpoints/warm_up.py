"""Has the models of endpoints loaded before they are asked: at start, and again when one was given up for its silence.

An endpoint unloads a model that nobody asks for a while, and breaks the loading off when who asked goes away. So one
token is asked for beside the questions, and waited for; nobody else waits for any of this.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from llm_server.engines.endpoints.failure import EndpointFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from llm_server.engines.endpoints.endpoint import Endpoint

# The settings that name the first endpoint, and the others.
_FIRST: Final = "PARLEY_LLM_URL"
_OTHERS: Final = "PARLEY_LLM_FALLBACKS"

_log = logging.getLogger("parley.llm")


class WarmUp:
    """Keeps what is known of endpoints: which of them are warm."""

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        """All of them are cold."""
        self._endpoints = endpoints
        self._warm = [False for _ in endpoints]
        self._problems = ["" for _ in endpoints]
        self._wanted = [asyncio.Event() for _ in endpoints]
        self.question()

    @property
    def problem(self) -> str:
        """What was wrong with each of them when they were tried last; empty where one of them may be well."""
        return "; ".join(self._problems) if all(self._problems) else ""

    def question(self) -> None:
        """A question has come: time to try again what could not be warmed up."""
        for wanted in self._wanted:
            wanted.set()

    def answered(self, place: int) -> None:
        """This one has written a reply, so it is warm."""
        self._problems[place] = ""
        self._warm[place] = True

    def silent(self, place: int) -> None:
        """This one gave no sign of life: its model may be cold again."""
        self._warm[place] = False
        self._wanted[place].set()

    async def run(self, http: aiohttp.ClientSession, warmed: Callable[[int], None]) -> None:
        """Warm up what is cold, side by side, until cancelled; `warmed` is told of each that is warm."""
        async with asyncio.TaskGroup() as tasks:
            for place, endpoint in enumerate(self._endpoints):
                tasks.create_task(self._run(http, place, warmed), name=f"warm up {endpoint.name}")

    async def _run(self, http: aiohttp.ClientSession, place: int, warmed: Callable[[int], None]) -> None:
        while True:
            await self._wanted[place].wait()
            self._wanted[place].clear()
            if self._warm[place]:
                continue
            try:
                await self._endpoints[place].warm_up(http)
            except EndpointFailed as failure:
                self._problems[place] = f"{_FIRST if place == 0 else _OTHERS}: {failure}"
                _log.warning("not warmed up, the next question tries again: %s", self._problems[place])
            else:
                self._problems[place] = ""
                self._warm[place] = True
                warmed(place)
