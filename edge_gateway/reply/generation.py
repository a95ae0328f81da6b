"""The words of a reply as the LLM server writes them: how long it may take, and the functions that it wants called.

Knows nothing of speech, nor of who answers the functions.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from parley import llm, tts
from parley._duplex import first_of
from parley.errors import DeadlinePassed, ParleyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    News = asyncio.Queue[llm.Event | ParleyError | None]

_FIRST_TOKEN_SECONDS: Final = 3.0
# Between two pieces of a reply that has begun.
_STALL_SECONDS: Final = 10.0
# A little more than the LLM server waits for a result, so that it can tell its model.
_TOOL_SECONDS: Final = 35.0
# How long a function may take before the listener is told that there is something to wait for: before a word has been
# said, and after some.
_FILLER_SECONDS: Final = (0.7, 3.0)


@dataclass(slots=True)
class _Waiting:
    """A call that the listener has not answered yet."""

    what: tuple[str, str]
    """Its function and arguments."""
    calls: list[str]
    """The model's names for it: who wants the same twice gets one result twice."""


class ToolDesk:
    """Functions that a model wants called on their way to the listener, and their results on the way back."""

    def __init__(self, number: int, ask: Callable[[llm.ToolCall], Awaitable[None]]) -> None:
        """Serve the reply with this `number`; `ask` brings a call to the listener."""
        self._number = number
        self._ask = ask
        self._asked = 0
        self._waiting: dict[str, _Waiting] = {}
        self._results: asyncio.Queue[llm.ToolResult] = asyncio.Queue()
        self._known: dict[tuple[str, str], llm.ToolResult] = {}

    def begin(self) -> None:
        """The model is asked, perhaps once more: nobody waits any longer for what was asked before."""
        self._results = asyncio.Queue()
        for waiting in self._waiting.values():
            waiting.calls.clear()

    @property
    def waits(self) -> bool:
        """True while a result is missing."""
        return any(waiting.calls for waiting in self._waiting.values())

    async def ask(self, call: llm.ToolCall) -> None:
        """Have a function called, unless the same call was made, or is being made, for this reply."""
        what = (call.name, call.arguments_json)
        if (known := self._known.get(what)) is not None:
            self._results.put_nowait(replace(known, tool_call_id=call.id))
            return
        for waiting in self._waiting.values():
            if waiting.what == what:
                waiting.calls.append(call.id)
                return
        # The listener may have calls of several replies at hand, and models number those of each round from one.
        self._asked += 1
        name = f"{self._number}:{self._asked}"
        self._waiting[name] = _Waiting(what, [call.id])
        await self._ask(replace(call, id=name))

    def take(self, result: llm.ToolResult) -> bool:
        """Hand in a result; False when nothing was asked by that name."""
        waiting = self._waiting.pop(result.tool_call_id, None)
        if waiting is None:
            return False
        self._known[waiting.what] = result
        for call in waiting.calls:
            self._results.put_nowait(replace(result, tool_call_id=call))
        return True

    async def results(self) -> AsyncIterator[llm.ToolResult]:
        """The results for the LLM server; never ends by itself."""
        while True:
            yield await self._results.get()


@asynccontextmanager
async def asked(client: llm.LlmClient, chat: llm.Config, desk: ToolDesk) -> AsyncIterator[News]:
    """Ask for a reply; what comes of it is in the queue, None at its end, and an error where it failed."""
    news: News = asyncio.Queue()
    desk.begin()
    try:
        async with (
            client.chat(chat, desk.results() if chat.tools else None) as events,
            asyncio.TaskGroup() as tasks,
        ):
            pump = tasks.create_task(_pump(events, news), name="llm events")
            yield news
            pump.cancel()
    except BaseExceptionGroup as group:
        raise first_of(group) from None


async def _pump(events: AsyncIterator[llm.Event], news: News) -> None:
    try:
        async for event in events:
            await news.put(event)
        await news.put(None)
    except ParleyError as error:
        await news.put(error)


async def written(news: News, desk: ToolDesk, filler: str) -> AsyncIterator[llm.Delta | tts.SpeakNow | llm.Finished]:
    """The pieces of the text, what there is of it to be spoken at once, and the end.

    `filler` is said, once, when a function takes long; it may be empty.

    Raises:
        ParleyError: the LLM server failed, or wrote nothing for too long.
    """
    said = ""
    while True:
        event = await _next(news, desk, _FILLER_SECONDS[bool(said)] if filler else None, begun=bool(said))
        match event:
            case None if filler:
                # It is set apart from what was said, and from what will be.
                event, filler = llm.Delta(f" {filler} " if said else f"{filler} "), ""
                said += event.text
                yield event
                yield tts.SpeakNow()
            case llm.Delta():
                said += event.text
                yield event
            case llm.ToolCall():
                if said:
                    yield tts.SpeakNow()
                await desk.ask(event)
            case llm.Finished():
                yield event
                return
            case ParleyError():
                raise event
            case _:
                pass


async def _next(
    news: News, desk: ToolDesk, filler_seconds: float | None, *, begun: bool
) -> llm.Event | ParleyError | None:
    """What comes next; None when a function takes long.

    Raises:
        DeadlinePassed: the server writes nothing.
    """
    if desk.waits:
        limit = _TOOL_SECONDS if filler_seconds is None else filler_seconds
    else:
        limit = _STALL_SECONDS if begun else _FIRST_TOKEN_SECONDS
    try:
        async with asyncio.timeout(limit):
            event = await news.get()
    except TimeoutError:
        if desk.waits and filler_seconds is not None:
            return None
        raise DeadlinePassed("the llm server has not written anything in time") from None
    if event is None:
        return llm.Finished(llm.FinishReason.UNSPECIFIED, 0, 0, 0, 0, 0, 0)
    return event
