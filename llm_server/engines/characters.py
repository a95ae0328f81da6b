"""Text that is cut anywhere, in whole characters. Pure.

JSON can write a character as two halves (UTF-16 surrogates), which UTF-8, and so the wire, cannot.
"""

from __future__ import annotations

import re
from typing import Final

_HALF: Final = re.compile("[\ud800-\udfff]")
_FIRST_HALF: Final = re.compile("[\ud800-\udbff]\\Z")
_UNKNOWN: Final = "\ufffd"


def whole(text: str) -> str:
    """`text` with halves joined, and those that have no other half replaced."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Characters:
    """Joins halves that come in two pieces."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._half = ""

    def feed(self, piece: str) -> str:
        """Take the next piece; what is whole now."""
        if not piece:
            return ""
        text, self._half = self._half + piece, ""
        if _FIRST_HALF.search(text):
            text, self._half = text[:-1], text[-1]
        return whole(text)

    def finish(self) -> str:
        """What waited for its other half."""
        half, self._half = self._half, ""
        return _UNKNOWN if half else ""
