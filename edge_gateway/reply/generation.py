"""The words of a reply as the LLM server writes them: how long it may take, and the functions that it wants called.

Knows nothing of speech, nor of who answers the functions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley import llm, tts
from parley._duplex import first_of
from parley.errors import DeadlinePassed, EngineFailed, ParleyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from edge_gateway.reply.tool_calls import ToolCalls
    from edge_gateway.servers.hops import Writes

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

Piece = llm.Ready | llm.Delta | llm.ToolUse | llm.SessionAction | tts.SpeakNow | llm.Finished


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a listener is told while a reply takes long."""

    filler: str
    """Said once while they wait; may be empty."""
    heard: asyncio.Event
    """Set while the reply may be heard: nobody waits for one that is held back."""
    tell: Callable[[llm.Progress], Awaitable[None]]
    """Told who is waited for, and again when that changes."""


class Generation:
    """The text of one reply as it comes. A `next` that is cancelled loses nothing."""

    def __init__(self, tools: ToolCalls, waiting: Waiting) -> None:
        """Functions are called by `tools`."""
        self._tools = tools
        self._waiting = waiting
        self._news: asyncio.Queue[llm.Event | ParleyError] = asyncio.Queue()
        self._clock = asyncio.get_running_loop().time
        self._asked = self._sign = self._since = self._clock()
        """When the LLM was asked, when it last gave a sign of life, and since when it works on what it will say next:
        from its last words or call on, or from a result that it was given.
        """
        self._progress = llm.Progress(llm.ProgressKind.UNSPECIFIED)
        self._told: tuple[llm.ProgressKind, str] | None = None
        self._filler = waiting.filler
        self._said = ""
        self._due: deque[Piece] = deque()

    async def follow(self, events: AsyncIterator[llm.Event]) -> None:
        """Take what the LLM server sends until its end, and have its functions called."""
        try:
            async for event in events:
                self._sign = self._clock()
                match event:
                    case llm.Progress():
                        self._progress = event
                    case llm.ToolCall():
                        self._since = self._sign
                        self._news.put_nowait(event)
                        await self._tools.call(event)
                    case _:
                        self._news.put_nowait(event)
            self._news.put_nowait(EngineFailed("the llm server ended a reply without saying so"))
        except ParleyError as error:
            self._news.put_nowait(error)

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
        while True:
            if self._due:
                return self._due.popleft()
            event = await self._event()
            match event:
                case None:
                    self._fill()
                case llm.Delta():
                    self._since = self._clock()
                    self._said += event.text
                    return event
                case llm.ToolCall() if self._said:
                    # What was said before a function is called is heard while it runs.
                    return tts.SpeakNow()
                case llm.Ready() | llm.ToolUse() | llm.Finished():
                    return event
                case llm.SetSpeed() | llm.SetGain() | llm.SetReminder() | llm.CancelReminders():
                    return event
                case ParleyError():
                    raise event
                case _:
                    pass

    async def _event(self) -> llm.Event | ParleyError | None:
        """What came next; None when it takes so long that something is to be said meanwhile."""
        while self._news.empty():
            now, dead_at, slow_at = self._clock(), self._dead_at(), self._slow_at()
            if now >= dead_at:
                raise DeadlinePassed("the llm server has given no sign of life in time")
            if now >= slow_at and self._waiting.heard.is_set():
                await self._tell()
                if self._filler and (self._tools.waits or not self._said):
                    return None
            try:
                async with asyncio.timeout_at(min(dead_at, max(slow_at, now + _LOOK_SECONDS))):
                    return await self._news.get()
            except TimeoutError:
                continue
        return self._news.get_nowait()

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
            following = tasks.create_task(text.follow(events), name="llm events")
            yield text
            following.cancel()
    except BaseExceptionGroup as group:
        raise first_of(group) from None


class FixedText:
    """A text that is known already, in place of a generation."""

    def __init__(self, text: str) -> None:
        """Give `text` as one piece."""
        self._pieces: deque[Piece] = deque((llm.Delta(text),))

    async def next(self) -> Piece:
        """The text, then the end."""
        return self._pieces.popleft() if self._pieces else llm.Finished(llm.FinishReason.STOP, 0, 0, 0, 0, 0, 0)
