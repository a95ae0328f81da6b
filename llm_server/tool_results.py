"""What functions gave: results that the caller sends, on their way to whoever waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.errors import InvalidInput, WrongState

if TYPE_CHECKING:
    from llm_server.engine import ToolCall

RESULT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a function gave."""

    content: str
    """Text or JSON."""
    failed: bool = False
    """It failed, and `content` says why."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One of the server's own functions was called."""

    call: ToolCall
    """What the model wanted."""
    result: ToolResult
    """What the function gave."""


class PendingResults:
    """The results of one reply's calls.

    A caller that closes its half after it has answered something only says that it answers no more: later calls fail,
    and the model is told so. One that closes before any result leaves the reply without a way to go on.
    """

    def __init__(self, seconds: float = RESULT_SECONDS) -> None:
        """Nothing is expected yet; each result may take so many seconds."""
        self._seconds = seconds
        self._expected: dict[str, asyncio.Future[ToolResult | None]] = {}
        self._answered = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """The caller has closed its half: no result comes any more."""
        return self._closed

    def expect(self, call: ToolCall) -> None:
        """A result of `call` may come from now on. Must be said before the caller hears of the call."""
        expected = self._expected[call.id] = asyncio.get_running_loop().create_future()
        if self._closed:
            expected.set_result(self._nothing())

    def take(self, call_id: str, result: ToolResult) -> None:
        """Hand over a result; one that comes too late, or a second time, changes nothing.

        Raises:
            InvalidInput: there is no call with this id.
        """
        expected = self._expected.get(call_id)
        if expected is None:
            raise InvalidInput(f"no call {call_id!r} waits for a result", field="tool_result.tool_call_id")
        self._answered = True
        if not expected.done():
            expected.set_result(result)

    def close(self) -> None:
        """The caller sends no more."""
        self._closed = True
        for expected in self._expected.values():
            if not expected.done():
                expected.set_result(self._nothing())

    async def result(self, call: ToolCall) -> ToolResult:
        """The caller's result of `call`, or that it has not come in time.

        Raises:
            WrongState: the caller has closed its half before any result.
        """
        expected = self._expected[call.id]
        await asyncio.wait([expected], timeout=self._seconds)
        if not expected.done():
            expected.set_result(ToolResult(f"{call.name} has not answered for {self._seconds:g} seconds", failed=True))
        result = expected.result()
        if result is None:
            raise WrongState("the call's requests ended before the result of a function", field="tool_result")
        return result

    def _nothing(self) -> ToolResult | None:
        return ToolResult("functions can no longer be called", failed=True) if self._answered else None
