"""Phrases that have an answer of their own; they stand in `phrases.toml`. Pure."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llm_server.engines.rules.asked import Asked

_FILE: Final = Path(__file__).with_name("phrases.toml")
_PHRASES: Final = tuple(
    (re.compile("|".join(row["patterns"])), str(row["reply"]))
    for row in tomllib.loads(_FILE.read_text(encoding="utf-8"))["phrase"]
)


def phrase(asked: Asked) -> str | None:
    """The answer to the first phrase that was said."""
    folded = asked.folded
    return next((reply for pattern, reply in _PHRASES if pattern.search(folded)), None)
