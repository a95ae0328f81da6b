"""JSON that a model or an endpoint has written: any value may stand anywhere. Pure.

What is of no use where it stands counts as absent, and what strangers may not send (`parley._json`) is taken where it
can be used: keys that come twice, NaN, halves of characters. A reply is at stake.
"""

from __future__ import annotations

import json
from typing import Any, Final

# What the wire has for a number of tokens is larger; no model reads as many.
_LARGEST_COUNT: Final = 2**31 - 1
_DEEPEST: Final = 100
_TOO_DEEP: Final = f"nested deeper than {_DEEPEST} levels"


def load(text: str) -> object:
    """The value that `text` is.

    Raises:
        ValueError: it is no JSON, has a number of thousands of digits, or is nested so deep that only a prank is.
    """
    try:
        return _shallow(json.loads(text), text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def load_object(text: str) -> dict[str, Any] | None:
    """The object that `text` is, also where somebody has written it as a JSON string; None: it is something else."""
    try:
        found = load(text)
        found = load(found) if isinstance(found, str) else found
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def load_all(text: str) -> list[object]:
    """The values that stand one after the other in `text`, up to what is no JSON."""
    decoder, found, place = json.JSONDecoder(), list[object](), 0
    while True:
        while place < len(text) and (text[place].isspace() or text[place] in ",;"):
            place += 1
        try:
            value, end = decoder.raw_decode(text, place)
            found.append(_shallow(value, text[place:end]))
            place = end
        except (ValueError, RecursionError):
            return found


def _shallow(value: object, text: str) -> object:
    """`value`, if it is not nested too deep for whoever goes through it; `text` is what it was read from."""
    if text.count("{") + text.count("[") <= _DEEPEST:
        return value
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


def as_object(value: object) -> dict[str, Any]:
    """An object; empty where there is none."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """A list; one value stands for a list of it, and null for none."""
    return value if isinstance(value, list) else [] if value is None else [value]


def as_text(value: object) -> str:
    """A text, or the digits of a whole number; empty where there is neither."""
    return value if isinstance(value, str) else str(value) if type(value) is int else ""


def as_count(value: object) -> int:
    """A number of things; 0 where there is none."""
    return min(max(0, value), _LARGEST_COUNT) if type(value) is int else 0


def dump(value: dict[str, Any]) -> str:
    """An object as text."""
    return json.dumps(value, ensure_ascii=False)
