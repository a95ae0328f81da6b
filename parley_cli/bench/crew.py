"""The processes that hold a bench's sessions: listeners cost more than what they measure, and one process has one core.

Each opens its sessions when it is told to, lets them talk when all are open, or opens each as it begins to talk, says
when all of them do, where they begin one after the other, and then what they saw. What is said between it and the bench
goes over a pipe; when that ends, so does the process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley._duplex import first_of
from parley.errors import Overloaded, ParleyError, Unavailable
from parley_cli.bench.ledger import Tally, joined
from parley_cli.bench.session import Manner, Session
from parley_cli.bench.utterances import make_utterances, silence
from parley_cli.client import open_http, open_websocket

# An eighth less processor time a session than with asyncio's own loop.
if sys.platform == "win32":
    from asyncio import run
else:
    from uvloop import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
    from multiprocessing.connection import Connection

    import aiohttp


_UTTERANCES: Final = 32
# Many connect at once, and the gateway takes them one after the other.
_CONNECT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one process is to do."""

    url: str
    """Address of the gateway's page."""
    sessions: int
    """Listeners at once."""
    seconds: float
    """For how long they begin turns."""
    ramp_seconds: float
    """Before that, the time within which they begin one after the other, of which nothing is told; 0: at once."""
    arrives: bool
    """They are opened as they begin, and not all before; who is refused stays away."""
    silence_ms: int
    """The silence that is to end every turn."""
    head_start: bool
    """Replies may begin before a turn is certain to be over."""
    patience_seconds: float
    """How long the end of a turn is waited for, from the end of speech."""
    interrupts: float
    """Share of the replies that are spoken into."""
    pcm: bool
    """Sound is PCM, not Opus."""
    silent: int
    """Sessions that only listen."""
    leaves_out: bool
    """Silent packets are left out."""
    seed: int | None
    """Says what is said, when and for how long; None: chance."""
    core: int | None
    """The core that it keeps to; None: any."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the listeners of one process saw."""

    tally: Tally
    """All of them together."""
    cpu_seconds: float
    """Processor time that it took."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why a process cannot go on."""

    message: str


class Crew:
    """All the processes of a bench."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        """Speak to them over `pipes`."""
        self._pipes = pipes

    async def step(self) -> list[object]:
        """Have all of them take their next step; gives what each says of it.

        Raises:
            Unavailable: one of them cannot go on.
        """
        for pipe in self._pipes:
            pipe.send(None)
        return await self.answers()

    async def answers(self) -> list[object]:
        """What each says of the step that it takes.

        Raises:
            Unavailable: one of them cannot go on.
        """
        said = [await _received(pipe) for pipe in self._pipes]
        for each in said:
            if isinstance(each, _Failed):
                raise Unavailable(each.message)
        return said


@asynccontextmanager
async def crew(parts: Sequence[Part]) -> AsyncIterator[Crew]:
    """A process for each part, all of them ready to begin."""
    start = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    try:
        for part in parts:
            ours, theirs = start.Pipe()
            worker = start.Process(target=_work, args=(theirs, part), daemon=True)
            worker.start()
            theirs.close()
            pipes.append(ours)
            workers.append(worker)
        whole = Crew(pipes)
        await whole.answers()
        yield whole
    finally:
        for pipe in pipes:
            pipe.close()
        for worker in workers:
            await asyncio.to_thread(worker.join)


@asynccontextmanager
async def first_session(part: Part) -> AsyncIterator[None]:
    """One more session, held by the caller, of which nothing is told: has had one turn, and sends nothing more.

    What a server loads, makes and reserves once, it does for the first session. This one stays, so that no other takes
    over the memory that it has: what is used more from then on is what another session costs.
    """
    chance = random.Random(part.seed)  # noqa: S311 - no secret
    async with open_http(_CONNECT_SECONDS) as http, open_websocket(part.url, http) as socket:
        session = Session(socket, _manner(part, 1, chance), Tally(), chance)
        await session.open()
        await session.talk(0.0)
        yield


def seen(answers: Iterable[object]) -> Seen:
    """What all listeners saw, of what their processes said last."""
    parts = [each for each in answers if isinstance(each, Seen)]
    return Seen(joined(each.tally for each in parts), sum(each.cpu_seconds for each in parts))


async def _received(pipe: Connection) -> object:
    """What comes next over `pipe`; no thread waits for it, since none could be called off."""
    loop = asyncio.get_running_loop()
    come = asyncio.Event()
    loop.add_reader(pipe.fileno(), come.set)
    try:
        await come.wait()
    finally:
        loop.remove_reader(pipe.fileno())
        # uvloop has it wait for nothing, and a long message is one that waits.
        os.set_blocking(pipe.fileno(), True)
    try:
        return pipe.recv()
    except (EOFError, ConnectionError):
        return _Failed("a process of the bench ended in the middle of its work")


def _work(pipe: Connection, part: Part) -> None:
    """What a process does."""
    if part.core is not None:
        os.sched_setaffinity(0, (part.core,))
    try:
        run(_hold(pipe, part))
    except (OSError, KeyboardInterrupt):
        # Nobody wants to know any more.
        return


async def _hold(pipe: Connection, part: Part) -> None:
    tally = Tally()
    try:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(open_http(_CONNECT_SECONDS))
            listeners = _Listeners(part, stack, http, tally)
            await _next(pipe)
            if not part.arrives:
                await listeners.open()
            await _next(pipe)
            pipe.send(Seen(tally, await _talk(pipe, part, listeners.talking(), tally)))
            # Sessions stay until all is known of them.
            await _received(pipe)
    except ParleyError as error:
        pipe.send(_Failed(str(error)))


class _Listeners:
    """Those of one process."""

    def __init__(self, part: Part, stack: AsyncExitStack, http: aiohttp.ClientSession, tally: Tally) -> None:
        """Have none yet; their connections stay open as long as `stack`, and what they see goes to `tally`."""
        self._part = part
        self._stack = stack
        self._http = http
        self._tally = tally
        self._chance = random.Random(part.seed)  # noqa: S311 - no secret
        self._manner = _manner(part, _UTTERANCES, self._chance)
        self._sessions: list[Session] = []

    async def open(self) -> None:
        """Open all their sessions, side by side."""

        async def open_one(number: int) -> None:
            self._sessions.append(await self._opened(number))

        await _all(open_one(number) for number in range(self._part.sessions))

    def talking(self) -> list[Coroutine[object, object, None]]:
        """What each of them does: those that were opened talk, and where none was, all come."""
        part = self._part
        if part.arrives:
            return [self._visit(number) for number in range(part.sessions)]
        return [session.talk(part.seconds, part.ramp_seconds) for session in self._sessions]

    async def _visit(self, number: int) -> None:
        """Come at some moment, and talk to the end, where there is room."""
        part, now = self._part, asyncio.get_running_loop().time
        until = now() + part.ramp_seconds + part.seconds
        await asyncio.sleep(self._chance.uniform(0, part.ramp_seconds))
        try:
            session = await self._opened(number)
        except Overloaded:
            self._tally.refused += 1
        else:
            await session.talk(until - now())

    async def _opened(self, number: int) -> Session:
        socket = await self._stack.enter_async_context(open_websocket(self._part.url, self._http))
        silent = number < self._part.silent
        session = Session(socket, self._manner, self._tally, self._chance, silent=silent)
        await session.open()
        return session


def _manner(part: Part, utterances: int, chance: random.Random) -> Manner:
    return Manner(
        make_utterances(utterances, chance, pcm=part.pcm),
        silence(pcm=part.pcm),
        part.silence_ms,
        part.head_start,
        part.patience_seconds,
        part.interrupts,
        part.pcm,
        part.leaves_out,
    )


async def _next(pipe: Connection) -> None:
    """Say that a step was taken, and wait until the next is wanted."""
    pipe.send(None)
    if await _received(pipe) is not None:
        raise BrokenPipeError


async def _talk(
    pipe: Connection, part: Part, talking: Sequence[Coroutine[object, object, None]], tally: Tally
) -> float:
    """Have all sessions talk; gives the processor seconds that it took, from where what is seen counts."""
    began = [time.process_time()]

    async def ramp() -> None:
        await asyncio.sleep(part.ramp_seconds)
        tally.forget()
        began.append(time.process_time())
        pipe.send(None)

    await _all([*talking, ramp()] if part.ramp_seconds else talking)
    return time.process_time() - began[-1]


async def _all(work: Iterable[Coroutine[object, object, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(each)
    except BaseExceptionGroup as group:
        raise first_of(group) from None
