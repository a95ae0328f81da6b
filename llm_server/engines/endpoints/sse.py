"""Server-sent events out of a stream of bytes that is cut anywhere. Knows nothing of HTTP.

https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as OpenAI-compatible endpoints use it: lines of
data, comments, and empty lines between events. Three things are read that the standard would drop: events without an
empty line between them, one that the end of the stream cuts off, and a body that is JSON and no stream at all. Pure.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final

from llm_server.engines.json_values import load

if TYPE_CHECKING:
    from collections.abc import Iterator

END: Final = "[DONE]"
"""What OpenAI-compatible endpoints send as their last event."""

LONGEST_EVENT: Final = 65_536
"""In characters; an answer that is no stream is one event."""

_LINE_END: Final = re.compile("\r\n|\r|\n")
# JSON, or the page of something else that answers there.
_NO_STREAM: Final = ("{", "[", "<")


class EventTooLongError(Exception):
    """An event is longer than any that is one."""


class EventReader:
    """The events of one response."""

    def __init__(self) -> None:
        """Nothing read yet."""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        # The line that has not ended, in pieces, and its length.
        self._line: list[str] = []
        self._length = 0
        self._ends_with_return = False
        self._data: list[str] = []
        self._data_length = 0
        self._is_stream: bool | None = None

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Take the next bytes; the data of the events that are whole now.

        Raises:
            EventTooLongError: one has no end.
        """
        yield from self._read(self._decoder.decode(chunk))

    def finish(self) -> Iterator[str]:
        """The stream has ended: what stands in it and has no end.

        Raises:
            EventTooLongError: it is too long.
        """
        yield from self._read(self._decoder.decode(b"", final=True))
        yield from self._end_line()
        if self._is_stream is False:
            lines = [line for line in self._data if line.strip()]
            yield from lines if _is_whole(lines[0]) else ["\n".join(self._data)]
        else:
            yield from self._dispatch()

    def _read(self, text: str) -> Iterator[str]:
        if self._ends_with_return and text:
            # It ended its line when it came.
            text = text.removeprefix("\n")
            self._ends_with_return = False
        if not text:
            return
        self._ends_with_return = text.endswith("\r")
        first, *others = _LINE_END.split(text)
        self._extend(first)
        for other in others:
            yield from self._end_line()
            self._extend(other)

    def _extend(self, text: str) -> None:
        self._line.append(text)
        self._length += len(text)
        _check(self._length)

    def _end_line(self) -> Iterator[str]:
        line, self._line, self._length = "".join(self._line), [], 0
        if self._is_stream is None and line.strip():
            self._is_stream = not line.lstrip().startswith(_NO_STREAM)
        if self._is_stream is False:
            self._add(line)
        elif not line:
            yield from self._dispatch()
        else:
            field, _, value = line.partition(":")
            if field == "data":
                # Two that are whole by themselves are two events, whether or not there is a line between them.
                if len(self._data) == 1 and _is_whole(self._data[0]):
                    yield from self._dispatch()
                self._add(value.removeprefix(" "))

    def _add(self, line: str) -> None:
        self._data.append(line)
        self._data_length += len(line) + 1
        _check(self._data_length)

    def _dispatch(self) -> Iterator[str]:
        if self._data:
            data, self._data, self._data_length = "\n".join(self._data), [], 0
            yield data


def _check(length: int) -> None:
    if length > LONGEST_EVENT:
        raise EventTooLongError(f"an event of more than {LONGEST_EVENT} characters")


def _is_whole(line: str) -> bool:
    """True for a line that is an event's whole data."""
    text = line.strip()
    if text == END:
        return True
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        load(text)
    except ValueError:
        return False
    return True
