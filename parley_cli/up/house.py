"""Runs all processes of Parley: starts them, starts again what dies, and stops them in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from parley.errors import Unavailable
from parley_cli.probe import until_listening, until_serving
from parley_cli.processes import LLAMACPP, LLM
from parley_cli.up import llamacpp
from parley_cli.up.child import Child
from parley_cli.up.members import own_address
from parley_cli.up.supervision import Again, Exit, GiveUp, Restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from parley_cli.up.members import Member
    from parley_cli.up.terminal import Terminal

# Large models take minutes; a process that hangs is told of, and not waited for without end.
_START_SECONDS: Final = 600.0
_TELL_SECONDS: Final = 20.0
# Beyond what a server is given to let its callers finish.
_STOP_SECONDS: Final = 5.0
_DRAIN_SECONDS: Final = 5.0


class House:
    """The processes of one `parley up`."""

    def __init__(
        self, members: tuple[Member, ...], terminal: Terminal, stop: asyncio.Event, hurry: asyncio.Event
    ) -> None:
        """Start nothing yet; `members` are in the order in which they are started.

        All ends when `stop` is set, and without waiting for anybody when `hurry` is.
        """
        self._members = members
        self._has_model = asyncio.Event()
        if all(member.process is not LLAMACPP for member in members):
            self._has_model.set()
        self._terminal = terminal
        self._stop = stop
        self._hurry = hurry
        self._children: dict[str, Child] = {}
        self._served: set[str] = set()
        self._all_served = asyncio.Event()
        self._failure = ""

    async def run(self, listening: Callable[[], None]) -> None:
        """Start everything, call `listening` when all of it serves, and keep it running until told to stop.

        Raises:
            Unavailable: something could not be started.
        """
        async with asyncio.TaskGroup() as tasks:
            keepers = [tasks.create_task(self._keep(member), name=member.name) for member in self._members]
            starting = tasks.create_task(self._start(listening), name="start")
            await self._stop.wait()
            starting.cancel()
            await self._end(keepers)
        if self._failure:
            raise Unavailable(self._failure)

    async def _keep(self, member: Member) -> None:
        restarts = Restarts(member.name)
        if member.process is LLM:
            # It has its model loaded when it starts, so that must be there.
            await _first_of(self._has_model, self._stop)
        while not self._stop.is_set():
            end = await self._run(member, restarts)
            if self._stop.is_set():
                return
            match restarts.ended(end, _now(), at_start=not self._all_served.is_set()):
                case GiveUp(told):
                    self._fail(told)
                case Again(after_seconds, told):
                    self._terminal.tell(told)
                    await self._stopped_within(after_seconds)

    async def _run(self, member: Member, restarts: Restarts) -> Exit:
        """Run it once, to its end."""
        try:
            child = await Child.start(member.process.module, member.environment, self._terminal)
        except OSError as error:
            return Exit(1, f"the system cannot start it: {error.strerror}")
        self._children[member.name] = child
        try:
            if self._stop.is_set():
                child.terminate()
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(member, restarts), name="health")
                end = await child.ended()
                watching.cancel()
            return end
        finally:
            # Nothing that it has started may go on without it.
            child.kill()
            del self._children[member.name]

    async def _watch(self, member: Member, restarts: Restarts) -> None:
        if member.process is LLAMACPP:
            await llamacpp.until_healthy(member.environment)
            self._has_model.set()
        elif member.own_port:
            # At the port that they share any of them would answer.
            await until_listening(*own_address(member))
        else:
            await until_serving(member.environment, member.process)
        if told := restarts.serving(_now()):
            self._terminal.tell(told)
        self._served.add(member.name)
        if len(self._served) == len(self._members):
            self._all_served.set()

    async def _start(self, listening: Callable[[], None]) -> None:
        """Wait until all serve, and say for whom it is waited."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await _set_within(self._all_served, _TELL_SECONDS):
                    self._terminal.tell(f"still waiting for {self._missing}, which may have a large model to load")
        except TimeoutError:
            self._fail(f"{self._missing} is not ready after {_START_SECONDS:.0f} s")
            return
        listening()

    @property
    def _missing(self) -> str:
        return ", ".join(member.name for member in self._members if member.name not in self._served)

    def _fail(self, told: str) -> None:
        # Of several that fail for one cause the first one says it.
        self._failure = self._failure or told
        self._stop.set()

    async def _stopped_within(self, seconds: float) -> bool:
        return await _set_within(self._stop, seconds)

    async def _end(self, keepers: list[asyncio.Task[None]]) -> None:
        """End the gateway first, so that it can still say goodbye, then the others; kill what does not end."""
        for member in reversed(self._members):
            if member.name in self._children:
                self._children[member.name].terminate()
        async with asyncio.TaskGroup() as tasks:
            hurried = tasks.create_task(self._hurry.wait(), name="hurry")
            seconds = _drain_seconds(self._members[-1].environment) + _STOP_SECONDS
            ended = tasks.create_task(_all_ended(keepers, seconds), name="end")
            await asyncio.wait([hurried, ended], return_when=asyncio.FIRST_COMPLETED)
            hurried.cancel()
            ended.cancel()
        for child in self._children.values():
            child.kill()


def _drain_seconds(environment: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(environment.get("PARLEY_DRAIN_SECONDS", "") or _DRAIN_SECONDS))
    except ValueError:
        # The servers say that it is none.
        return _DRAIN_SECONDS


async def _all_ended(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    await asyncio.wait(tasks, timeout=seconds)


async def _first_of(*events: asyncio.Event) -> None:
    """Return when one of them is set."""
    async with asyncio.TaskGroup() as tasks:
        waits = [tasks.create_task(event.wait(), name="event") for event in events]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def _now() -> float:
    return asyncio.get_running_loop().time()
