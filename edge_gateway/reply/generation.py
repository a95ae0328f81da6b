"""The words of a reply as the LLM server writes them: how long it may take, and the functions that it wants called.

Knows nothing of speech, nor of who answers the functions.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley import llm, tts
from parley._duplex import first_of
from parley.errors import DeadlinePassed, EngineFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from edge_gateway.reply.tool_calls import ToolCalls
    from edge_gateway.servers.hops import Writes
    from parley._flag import Flag

# The server says at least once a second that it is alive; how long a model may take is the server's to decide.
_SILENT_SECONDS: Final = 3.0
# A little more than the LLM server waits for a result, so that it can tell its model.
_TOOL_SECONDS: Final = 35.0
# How long nothing may be written before the listener is told that there is something to wait for: while the model
# needs long, while a function does, and while one does after some words.
_SLOW_MODEL_SECONDS: Final = 1.5
_SLOW_TOOL_SECONDS: Final = 0.7
_SLOW_TOOL_AFTER_WORDS_SECONDS: Final = 3.0
# How often to look whether the reply may be heard by now, so that a filler makes sense.
_LOOK_SECONDS: Final = 0.25

# What comes in the very moment in which it is late has come in time.
_MOMENT_SECONDS: Final = 0.0005

Piece = llm.Ready | llm.Delta | llm.ToolUse | llm.SessionAction | tts.SpeakNow | llm.Finished


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a listener is told while a reply takes long."""

    filler: str
    """Said once while they wait; may be empty."""
    heard: Flag
    """Set while the reply may be heard: nobody waits for one that is held back."""
    tell: Callable[[llm.Progress], Awaitable[None]]
    """Told who is waited for, and again when that changes."""


class Generation:
    """The text of one reply as it comes. A `next` that is cancelled loses nothing."""

    def __init__(self, tools: ToolCalls, waiting: Waiting) -> None:
        """Functions are called by `tools`."""
        self._tools = tools
        self._waiting = waiting
        self._clock = asyncio.get_running_loop().time
        self._asked = self._sign = self._since = self._clock()
        """When the LLM was asked, when it last gave a sign of life, and since when it works on what it will say next:
        from its last words or call on, or from a result that it was given.
        """
        self._progress = llm.Progress(llm.ProgressKind.UNSPECIFIED)
        self._told: tuple[llm.ProgressKind, str] | None = None
        self._filler = waiting.filler
        self._said = ""
        self._due: list[Piece] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._asking: list[asyncio.Task[None]] = []
        self._left: float | None = None
        """When the last piece was taken; None: one is waited for."""

    def follow(self, events: AsyncIterator[llm.Event], tasks: asyncio.TaskGroup) -> None:
        """Read `events`, where a wait for the next one may be given up; functions are called in `tasks`."""
        self._events = events
        self._tasks = tasks

    def stop(self) -> None:
        """Call no functions any more."""
        for asking in self._asking:
            asking.cancel()
        # The group knows the task of the reply, which would else be garbage that waits for a collection.
        self._tasks = None

    async def results(self) -> AsyncIterator[llm.ToolResult]:
        """What functions gave, for the LLM server: with each the model begins to think anew."""
        async for result in self._tools.results():
            self._sign = self._since = self._clock()
            yield result

    async def next(self) -> Piece:
        """The next piece of the text, the wish to hear what there is of it, or the end.

        Raises:
            ParleyError: the LLM server failed, or gave no sign of life for too long.
        """
        if self._left is not None:
            # While nobody reads nobody sees a sign of life, or words.
            now, away = self._clock(), self._clock() - self._left
            self._sign, self._since, self._left = min(now, self._sign + away), min(now, self._since + away), None
        try:
            while not self._due:
                event = await self._event()
                if event is None:
                    self._fill()
                else:
                    self._take(event)
        finally:
            self._left = self._clock()
        return self._due.pop(0)

    def _take(self, event: llm.Event) -> None:
        match event:
            case llm.Progress():
                self._progress = event
            case llm.Delta():
                self._since = self._sign
                self._said += event.text
                self._due.append(event)
            case llm.ToolCall():
                self._since = self._sign
                record = self._tools.enter(event)
                if record is not None and self._tasks is not None:
                    self._asking.append(self._tasks.create_task(self._tools.ask(record), name=f"call {event.name}"))
                if self._said:
                    # What was said before a function is called is heard while it runs.
                    self._due.append(tts.SpeakNow())
            case _:
                self._due.append(event)

    async def _event(self) -> llm.Event | None:
        """What came next; None when it takes so long that something is to be said meanwhile."""
        pause_seconds = 0.0
        while True:
            now = self._clock()
            until = max(now, min(self._dead_at(), max(self._slow_at(), now + pause_seconds))) + _MOMENT_SECONDS
            try:
                async with asyncio.timeout_at(until):
                    event = await anext(self._events)
            except TimeoutError:
                # When the loop was held up, what has come by then is read after the timer: no server's fault.
                self._sign += self._clock() - until
                if self._clock() >= self._dead_at():
                    raise DeadlinePassed("the llm server has given no sign of life in time") from None
                if await self._is_to_fill():
                    return None
                pause_seconds = _LOOK_SECONDS
            except StopAsyncIteration:
                raise EngineFailed("the llm server ended a reply without saying so") from None
            else:
                self._sign = self._clock()
                return event

    async def _is_to_fill(self) -> bool:
        """Whether something is to be said meanwhile; who is waited for is told."""
        if self._clock() < self._slow_at() or not self._waiting.heard.is_set():
            return False
        await self._tell()
        return bool(self._filler) and (self._tools.waits or not self._said)

    def _dead_at(self) -> float:
        return self._sign + (_TOOL_SECONDS if self._tools.waits else _SILENT_SECONDS)

    def _slow_at(self) -> float:
        """When nothing was written for so long that a listener should know."""
        if not self._tools.waits:
            return self._since + _SLOW_MODEL_SECONDS
        return self._since + (_SLOW_TOOL_AFTER_WORDS_SECONDS if self._said else _SLOW_TOOL_SECONDS)

    def _fill(self) -> None:
        """Say the filler, set apart from what was said and from what will be."""
        filler, self._filler = self._filler, ""
        text = f" {filler} " if self._said else f"{filler} "
        self._said += text
        self._due += (llm.Delta(text), tts.SpeakNow())

    async def _tell(self) -> None:
        """Tell the listener who is waited for, unless they know."""
        known = (self._progress.kind, self._progress.model)
        if not self._tools.waits and known != self._told:
            self._told = known
            waited_ms = (self._clock() - self._asked) * 1000
            await self._waiting.tell(llm.Progress(self._progress.kind, self._progress.model, waited_ms))


@asynccontextmanager
async def generation(client: Writes, chat: llm.Config, tools: ToolCalls, waiting: Waiting) -> AsyncIterator[Generation]:
    """Ask for a reply; leaving the block ends the model's work."""
    text = Generation(tools, waiting)
    try:
        async with (
            client.chat(chat, text.results() if chat.tools else None) as events,
            asyncio.TaskGroup() as tasks,
        ):
            text.follow(events, tasks)
            try:
                yield text
            finally:
                text.stop()
    except BaseExceptionGroup as group:
        raise first_of(group) from None


class FixedText:
    """A text that is known already, in place of a generation."""

    def __init__(self, text: str) -> None:
        """Give `text` as one piece."""
        self._pieces: list[Piece] = [llm.Delta(text)]

    async def next(self) -> Piece:
        """The text, then the end."""
        return self._pieces.pop(0) if self._pieces else llm.Finished(llm.FinishReason.STOP, 0, 0, 0, 0, 0, 0)
