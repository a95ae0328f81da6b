"""Server-sent events out of a stream of bytes that is cut anywhere. Knows nothing of HTTP or of what they say.

https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as OpenAI-compatible endpoints use it: lines of
data, comments, and empty lines between events.
"""

from __future__ import annotations


class EventReader:
    """The events of one response."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """Take the next bytes; the data of the events that are whole now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        found = []
        for raw in lines:
            line = raw.rstrip(b"\r").decode(errors="replace")
            if line.startswith("data:"):
                self._data.append(line.removeprefix("data:").removeprefix(" "))
            elif not line and self._data:
                found.append("\n".join(self._data))
                self._data = []
        return found
