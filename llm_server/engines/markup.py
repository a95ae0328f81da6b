"""What a model writes between its words: thoughts that nobody is to hear, and calls of functions. Pure.

Models of the Hermes and Qwen kind write `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` and
`<think>...</think>`. Text comes in pieces that are cut anywhere, so what may be the beginning of a mark waits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from llm_server.engine import Delta, Progress, ProgressKind, ToolCall

_CALL: Final = ("<tool_call>", "</tool_call>")
_THOUGHT: Final = ("<think>", "</think>")
_BY_OPENING: Final = dict([_CALL, _THOUGHT])


class Markup:
    """Reads one reply."""

    def __init__(self, calls: int = 0) -> None:
        """Nothing read yet; `calls` functions have been called before, so that each call has a name of its own."""
        self._text = ""
        self._closing = ""
        self._begun = False
        self._calls = calls

    def feed(self, piece: str) -> list[Delta | ToolCall | Progress]:
        """Take the next piece; what is certain now."""
        self._text += piece
        found: list[Delta | ToolCall | Progress] = []
        while (step := self._step()) is not None:
            found += step.found
        return found

    def finish(self) -> list[Delta | ToolCall | Progress]:
        """The reply is over: what waited is text after all, unless it stands within a mark."""
        rest, self._text = self._text, ""
        if self._closing == _CALL[1]:
            return self._call(rest)
        return [] if self._closing or not rest else [Delta(rest)]

    def _step(self) -> _Step | None:
        """Use up some of the text; None: there is nothing to be done with it yet."""
        if self._closing:
            inside, mark, after = self._text.partition(self._closing)
            if not mark:
                return None
            found = self._call(inside) if self._closing == _CALL[1] else []
            # What stands around marks is only there to set them apart.
            self._text, self._closing = after.lstrip() if not self._begun else after, ""
            return _Step(found)
        at, opening = min(
            ((self._text.find(each), each) for each in _BY_OPENING if each in self._text), default=(-1, "")
        )
        if opening:
            text, self._text = self._text[:at], self._text[at + len(opening) :]
            self._closing = _BY_OPENING[opening]
            thoughts = [Progress(ProgressKind.REASONING)] if opening == _THOUGHT[0] else []
            return _Step([*self._words(text.rstrip()), *thoughts])
        certain = len(self._text) - _beginning_of_a_mark(self._text)
        text, self._text = self._text[:certain], self._text[certain:]
        words = self._words(text)
        return _Step(words) if words else None

    def _words(self, text: str) -> list[Delta | ToolCall | Progress]:
        text = text if self._begun else text.lstrip()
        self._begun = self._begun or bool(text)
        return [Delta(text)] if text else []

    def _call(self, written: str) -> list[Delta | ToolCall | Progress]:
        """A call, if it is one; what only looks like one is nothing that anybody should hear."""
        try:
            call = json.loads(written)
            name, arguments = call["name"], call.get("arguments") or call.get("parameters") or {}
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
            return []
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return []
        self._calls += 1
        return [ToolCall(f"call-{self._calls}", name, json.dumps(arguments, ensure_ascii=False))]


@dataclass(frozen=True, slots=True)
class _Step:
    """What one step has found; it may be nothing, and there may still be more to do."""

    found: list[Delta | ToolCall | Progress]


def _beginning_of_a_mark(text: str) -> int:
    """How many of the last characters may be the beginning of a mark, with the space before it."""
    longest = max(map(len, _BY_OPENING))
    for length in range(min(len(text), longest - 1), 0, -1):
        if any(opening.startswith(text[-length:]) for opening in _BY_OPENING):
            return length
    return 0
