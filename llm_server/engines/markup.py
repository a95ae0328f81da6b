"""What a model writes between its words: thoughts that nobody is to hear, and calls of functions. Pure.

Models of the Hermes and Qwen kind write `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` and
`<think>...</think>`; a template may have written the first mark of a thought itself. Text comes in pieces that are cut
anywhere, so what may be the beginning of a mark waits. `prose` knows what is meant as a mark.
"""

from __future__ import annotations

import re
from typing import Final

from llm_server.engine import Delta, Progress, ProgressKind, ToolCall
from llm_server.engines.characters import whole
from llm_server.engines.json_values import as_list, as_object, dump, load_all, load_object
from llm_server.engines.prose import Prose

_CALL: Final = "<tool_call>"
_CLOSING: Final = {
    "<tool_call>": "</tool_call>",
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
}
_OPENING: Final = {closing: opening for opening, closing in _CLOSING.items()}
_MARKS: Final = (*_CLOSING, *_OPENING)
_MARK: Final = re.compile("|".join(map(re.escape, _MARKS)))
_BEGUN_MARK: Final = re.compile(r"[<\[][A-Za-z_:/]{0,12}\Z")
_FENCE: Final = re.compile(r"\s*```\w*")
# What is longer is no reply, and no call.
_MOST_KEPT: Final = 16_384
_LONGEST_CALL: Final = 65_536
_MOST_CALLS: Final = 64

Event = Delta | ToolCall | Progress


def opened_by(prompt: str) -> str:
    """The mark of a thought with which a prompt ends, so that the reply begins within it; empty: there is none."""
    end = prompt.rstrip()
    return next((opening for opening in _CLOSING if opening != _CALL and end.endswith(opening)), "")


class Markup:
    """Reads one reply."""

    def __init__(self, calls: int = 0, opened: str = "") -> None:
        """Nothing read yet.

        `calls` functions have been called before, so that each call has a name of its own; `opened` is the mark of a
        thought in which the reply begins.
        """
        self._text = ""
        self._prose = Prose()
        self._begun = self._spaced = self._thought = False
        self._skips_space = True
        self._calls = calls
        self._most_calls = calls + _MOST_CALLS
        self._tells = bool(opened)
        self._inside = _Inside(opened, keeps=bool(opened)) if opened else None
        self.unopened = ""
        """The mark of a thought that was closed in a reply in which none had been opened."""

    @property
    def thinks(self) -> bool:
        """The text stands within a thought."""
        return self._inside is not None and self._inside.opening != _CALL

    def feed(self, piece: str) -> list[Event]:
        """Take the next piece; what is certain now."""
        found: list[Event] = []
        if self._tells and piece:
            found.append(Progress(ProgressKind.REASONING))
            self._tells = False
        self._text += piece
        while (step := self._outside() if self._inside is None else self._within(self._inside)) is not None:
            found += step
        return found

    def finish(self, *, is_whole: bool = True) -> list[Event]:
        """The reply is over: what waited is text after all, and a call may lack its last mark.

        A thought that was begun by a template, or in the middle of a text, and never ended was no thought, if the reply
        `is_whole`.
        """
        found: list[Event] = []
        while (inside := self._inside) is not None and inside.opening != _CALL:
            kept, self._inside = inside.take(self._text), None
            self._text = kept or ""
            if kept is None or not is_whole:
                return found
            found += self._words(inside.spoken_of)
            found += self.feed("")
        rest, self._text, self._inside = self._text, "", None
        return [*found, *(self._words(rest) if inside is None else self._read(inside, rest, ""))]

    def _within(self, inside: _Inside) -> list[Event] | None:
        """Look for the end of what was opened; None: it has not come."""
        closing = _CLOSING[inside.opening]
        at = self._text.find(closing)
        if at < 0:
            certain = len(self._text) - len(closing)
            if certain > 0:
                inside.add(self._text[:certain])
                self._text = self._text[certain:]
            return None
        rest, self._text = self._text[:at], self._text[at + len(closing) :]
        found = self._read(inside, rest, closing) if inside.opening == _CALL else []
        self._close()
        return found

    def _close(self) -> None:
        self._inside = None
        # What stands around marks is only there to set them apart.
        self._skips_space = not self._begun or self._spaced
        self._prose.rest()

    def _outside(self) -> list[Event] | None:
        """Use up some of the text; None: there is nothing to be done with it yet."""
        mark = _MARK.search(self._text)
        if mark is None:
            begun = _BEGUN_MARK.search(self._text)
            certain = begun.start() if begun and _may_be_a_mark(begun[0]) else len(self._text)
            text, self._text = self._text[:certain], self._text[certain:]
            return self._words(text) or None
        words = self._words(self._text[: mark.start()])
        self._text = self._text[mark.end() :]
        return [*words, *(self._close_unopened(mark[0]) if mark[0] in _OPENING else self._open(mark[0]))]

    def _open(self, mark: str) -> list[Event]:
        """What a mark opens; it may also be spoken of."""
        is_a_break = self._prose.at_a_break
        if mark == _CALL:
            if self._prose.in_quotes:
                return self._words(mark)
            self._inside = _Inside(mark, "" if is_a_break else mark, _LONGEST_CALL)
            return []
        if not is_a_break:
            return self._words(mark)
        self._inside, self._thought = _Inside(mark, mark, keeps=self._begun), True
        return [Progress(ProgressKind.REASONING)]

    def _close_unopened(self, mark: str) -> list[Event]:
        opening = _OPENING[mark]
        if self._prose.in_quotes if opening == _CALL else not self._prose.at_a_break:
            return self._words(mark)
        if opening != _CALL and not self._thought:
            self.unopened = opening
        self._close()
        return []

    def _words(self, text: str) -> list[Event]:
        text = text.lstrip() if self._skips_space else text
        if not text:
            return []
        self._begun, self._skips_space, self._spaced = True, False, text[-1].isspace()
        self._prose.add(text)
        return [Delta(text)]

    def _read(self, inside: _Inside, rest: str, closing: str) -> list[Event]:
        """The calls within a mark; what only looks like one is nothing that anybody should hear, but for prose."""
        written = inside.take(rest)
        if written is None:
            return []
        values = [each for value in load_all(_unfenced(written)) for each in as_list(value)]
        found: list[Event] = []
        for name, arguments in list(filter(None, map(_call, values)))[: self._most_calls - self._calls]:
            self._calls += 1
            arguments_json = whole(dump(arguments))
            found.append(ToolCall(f"call-{self._calls}", whole(name), arguments_json))
        return found or (self._words(f"{inside.spoken_of}{written}{closing}") if inside.spoken_of else [])


class _Inside:
    """What stands within a mark that has not been closed."""

    def __init__(self, opening: str, spoken_of: str = "", longest: int = _MOST_KEPT, *, keeps: bool = True) -> None:
        """Behind `opening`; `spoken_of` is what it is, should it be text after all.

        What is longer than `longest` is certainly no text, and forgotten; nothing is kept unless it `keeps` it.
        """
        self.opening = opening
        self.spoken_of = spoken_of
        self._longest = longest
        self._kept: list[str] | None = [] if keeps else None
        self._length = 0

    def add(self, text: str) -> None:
        """The next piece."""
        self._length += len(text)
        if self._kept is not None:
            self._kept.append(text)
        if self._length > self._longest:
            self._kept = None

    def take(self, rest: str) -> str | None:
        """All of it, with the last piece; None: it was not kept."""
        self.add(rest)
        return None if self._kept is None else "".join(self._kept)


def _call(value: object) -> tuple[str, dict[str, object]] | None:
    """Name and arguments, if `value` is a call in any of the forms that models give it."""
    call = as_object(value)
    function = as_object(call.get("function")) or call
    name = function.get("name") or call.get("function")
    given = function.get("arguments") or function.get("parameters") or {}
    arguments = load_object(given) if isinstance(given, str) else given
    return (name, arguments) if name and isinstance(name, str) and isinstance(arguments, dict) else None


def _unfenced(text: str) -> str:
    """Without the line that begins a block of code; what follows the values is not read anyway."""
    fence = _FENCE.match(text)
    return text[fence.end() :] if fence else text


def _may_be_a_mark(text: str) -> bool:
    return any(mark.startswith(text) for mark in _MARKS)
