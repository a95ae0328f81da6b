"""Fields of JSON that others wrote: what has another type than it should counts as absent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

FAILED: Final = "failed"
"""The error of a span of which no more is known than that."""

_NOTHING: Final[Mapping[str, object]] = {}
_LONGEST_WHOLE: Final = 20
# No time in a trace is longer, and a whole number may be too long for a float.
_LARGEST: Final = 1e15


def mapping(value: object) -> Mapping[str, object]:
    """`value`, where it is an object; else an empty one."""
    return value if isinstance(value, Mapping) else _NOTHING


def mappings(value: object) -> list[Mapping[str, object]]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def text(value: object) -> str:
    """`value`, where it is text; else none."""
    return value if isinstance(value, str) else ""


def number(value: object) -> float | None:
    """`value`, where it is a number that can be computed with."""
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _LARGEST:
        return None
    return float(value) if math.isfinite(value) else None


def whole(value: object) -> int:
    """A whole number, which JSON of protobuf writes as text where it may be long; 0: there is none."""
    if isinstance(value, str) and len(value) <= _LONGEST_WHOLE and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
