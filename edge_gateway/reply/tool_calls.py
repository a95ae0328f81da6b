"""The functions that a model wants called: on their way to the client, their results on the way back, and a record.

Knows nothing of speech, nor of who answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from parley import llm
from parley._flag import Flag
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

# A client that answers later than this many calls is not known any more.
_REMEMBERED: Final = 1_000


@dataclass(slots=True, eq=False)
class CallRecord:
    """A function that a model wanted called."""

    call: llm.ToolCall
    """What is asked, under the name that the client knows; no other call of the session has it."""
    asked: bool = False
    """The client was asked: it may have been called."""
    result: llm.ToolResult | None = None
    """What it gave; None: no answer yet."""


class CallLedger:
    """Every call of a session by its name."""

    def __init__(self) -> None:
        """Nothing was called yet."""
        self._records: dict[str, CallRecord] = {}

    def enter(self, call: llm.ToolCall, reply: int) -> CallRecord:
        """Give a call of `reply` a name of its own: models number those of each round from one."""
        of_reply = sum(name.startswith(f"{reply}:") for name in self._records)
        record = CallRecord(replace(call, id=f"{reply}:{of_reply + 1}"))
        self._records[record.call.id] = record
        while len(self._records) > _REMEMBERED:
            del self._records[next(iter(self._records))]
        return record

    def answer(self, result: llm.ToolResult) -> CallRecord:
        """Take what a function gave; a second answer changes nothing.

        Raises:
            InvalidInput: no function was called by that name.
        """
        record = self._records.get(result.tool_call_id)
        if record is None or not record.asked:
            raise InvalidInput(f"no function was called as {result.tool_call_id!r}", field="tool_result.tool_call_id")
        record.result = record.result or result
        return record


class ToolCalls:
    """The functions called for one reply, and those that were called for the same words before.

    The same function with the same arguments is called once: a model that is asked anew, because the user added a word,
    gets the result that there is, or waits for the one that is on its way.
    """

    def __init__(
        self,
        reply: int,
        ledger: CallLedger,
        certain: Callable[[], Awaitable[None]],
        ask: Callable[[llm.ToolCall], Awaitable[None]],
        carried: tuple[CallRecord, ...] = (),
    ) -> None:
        """Serve reply number `reply`; `carried` were called for the same words before.

        `certain` is awaited before `ask` brings a call to the client: it may change something, and is not undone.
        """
        self._reply = reply
        self._ledger = ledger
        self._certain = certain
        self._ask = ask
        self._records = list(carried)
        self._waiting: dict[CallRecord, list[str]] = {}
        """The model's own names for a call: who wants the same twice gets one result twice."""
        # A queue has three deques and an event, of 760 bytes each, and few replies call a function.
        self._results: list[llm.ToolResult] = []
        self._given = Flag()

    @property
    def asked(self) -> tuple[CallRecord, ...]:
        """The calls that the client was asked for, oldest first."""
        return tuple(record for record in self._records if record.asked)

    @property
    def waits(self) -> bool:
        """True while the model waits for a result, or has one before it that it has not taken yet."""
        return bool(self._waiting) or bool(self._results)

    def enter(self, call: llm.ToolCall) -> CallRecord | None:
        """Note that the model waits for a function; gives what the client is to be asked, None: it was already."""
        for record in self._records:
            if (record.call.name, record.call.arguments_json) == (call.name, call.arguments_json):
                self._waiting.setdefault(record, []).append(call.id)
                self.deliver(record)
                return None
        record = self._ledger.enter(call, self._reply)
        self._records.append(record)
        self._waiting[record] = [call.id]
        return record

    async def ask(self, record: CallRecord) -> None:
        """Have a function called that was entered, when it is certain that the reply is wanted."""
        await self._certain()
        record.asked = True
        await self._ask(record.call)

    def note(self, use: llm.ToolUse) -> CallRecord:
        """Keep what a function of the LLM server's own has done to the session, like a call of the client's."""
        record = self._ledger.enter(llm.ToolCall("", use.name, use.arguments_json), self._reply)
        record.asked, record.result = True, llm.ToolResult(record.call.id, use.content)
        self._records.append(record)
        return record

    def deliver(self, record: CallRecord) -> None:
        """Hand the result of a call on, if it is there and the model waits for it."""
        if record.result is not None:
            for name in self._waiting.pop(record, ()):
                self._results.append(replace(record.result, tool_call_id=name))
                self._given.set()

    async def results(self) -> AsyncIterator[llm.ToolResult]:
        """The results as they come, under the model's own names."""
        while True:
            while not self._results:
                self._given.clear()
                await self._given.wait()
            yield self._results.pop(0)
