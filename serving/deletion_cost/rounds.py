"""Goes round the pods, over and over, and keeps each one's cost true."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.errors import Unavailable
from serving.deletion_cost.cost import cost_of, work_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serving.deletion_cost.api import Api, Client, Pod

_AT_ONCE: Final = 8
"""Pods that are asked at the same time."""
_ROUNDS_MISSED: Final = 4
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to."""

    seen: int = 0
    """Pods that there are."""
    written: int = 0
    """Of these, those whose cost was another than before."""
    failed: int = 0
    """Those that could not be asked or written, which keep the cost that they have."""


class Rounds:
    """Goes round the pods that are called `names`."""

    def __init__(
        self,
        api: Api,
        names: Sequence[str],
        seconds: float,
        *,
        patience_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Once every `seconds`; what does not answer within `patience_seconds` is left for the next time."""
        self._api = api
        self._names = names
        self._seconds = seconds
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._succeeded: float | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the API answered in one of the last few rounds."""
        return self._succeeded is not None and self._clock() - self._succeeded <= _ROUNDS_MISSED * self._seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Go round until told to stop."""
        while not stopping.is_set():
            try:
                _log.debug("%s", await self.once())
            except Unavailable as error:
                # Every pod keeps the cost that it has.
                _log.warning("No pod could be looked at: %s", error)
            try:
                async with asyncio.timeout(self._seconds):
                    await stopping.wait()
            except TimeoutError:
                continue

    async def once(self) -> Round:
        """Look at every pod, and write the cost of those whose cost has changed.

        Raises:
            Unavailable: the API does not say which pods there are.
        """
        async with self._api.open(self._patience_seconds) as client:
            pods = await client.pods(self._names)
            self._succeeded = self._clock()
            places = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._settle(client, pod, places)) for pod in pods]
        results = [task.result() for task in tasks]
        return Round(len(pods), results.count(True), results.count(None))

    async def _settle(self, client: Client, pod: Pod, places: asyncio.Semaphore) -> bool | None:
        """Whether a pod's cost was written; None: it could not be found out, or not be written."""
        async with places:
            try:
                cost = cost_of(work_of(await client.metrics(pod)))
                if pod.cost == str(cost):
                    return False
                await client.set_cost(pod, cost)
            except (Unavailable, ValueError) as error:
                _log.warning("The cost of pod %s is left as it is: %s", pod.name, error)
                return None
        return True
