"""Gives every call of a conversation its result, right behind it: endpoints and templates refuse anything else. Pure.

- The results of a message's calls follow it at once, in the order of the calls, wherever after it they stood.
- A call without a result gets one that says so: the function may have been called, but nobody knows what came of it.
- A result without a call before it is left out, as is a second one of the same call.
- Where an id comes again in a later message, results that follow belong to the later call.
"""

from __future__ import annotations

from typing import Final

from llm_server.engine import Message, Role, ToolCall

NO_RESULT: Final = "Error: there is no result"


def with_results(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The same conversation, with one result for each call."""
    if not any(message.tool_calls or message.role is Role.TOOL for message in messages):
        return messages
    found: list[tuple[Message, list[Message | None]]] = []
    open_calls: dict[str, tuple[list[Message | None], int]] = {}
    for message in messages:
        if message.role is Role.TOOL:
            results, place = open_calls.pop(message.tool_call_id, (None, 0))
            if results is not None:
                results[place] = message
            continue
        results = [None] * len(message.tool_calls)
        open_calls |= {call.id: (results, place) for place, call in enumerate(message.tool_calls)}
        found.append((message, results))
    return tuple(each for message, results in found for each in (message, *_complete(message.tool_calls, results)))


def _complete(calls: tuple[ToolCall, ...], results: list[Message | None]) -> list[Message]:
    return [
        result or Message(Role.TOOL, NO_RESULT, tool_call_id=call.id)
        for call, result in zip(calls, results, strict=True)
    ]
