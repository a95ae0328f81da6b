"""Cuts a text that is known whole into the pieces in which a model would have written it."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\s*\S+")


def pieces(text: str) -> list[str]:
    """Words, each with the space before it; they join to `text`."""
    found = _PIECE.findall(text)
    rest = text[sum(map(len, found)) :]
    return [*found, rest] if rest else found
