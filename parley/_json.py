"""JSON that a stranger wrote, read within bounds: how deep it goes, how much is in it, how long its numbers are.

Python's reader has none: brackets in brackets end in a RecursionError, a number of 5,000 digits in an error that is not
JSON's own, NaN is taken although JSON has none, and a list of a hundred thousand values holds a loop up for everyone.
The bounds are looked at first, in time that grows with the text's length and no faster. Knows nothing of messages.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final, NoReturn

DEEPEST: Final = 32
"""Brackets within brackets."""

MOST_VALUES: Final = 4_000
"""Values in all, those within others counted too."""

_LONGEST_NUMBER: Final = 64
# Nothing here can match in two ways, so nothing is tried twice. A string that is not closed goes to the end.
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")
_LONG_NUMBER: Final = re.compile(rf"[0-9.eE+-]{{{_LONGEST_NUMBER + 1}}}")


def check_json(text: str, *, deepest: int = DEEPEST, most_values: int = MOST_VALUES) -> int:
    """See whether `text` stays within the bounds; gives about how many values it has. It may be no JSON all the same.

    Raises:
        ValueError: it does not; the message says which bound.
    """
    bones = _STRING.sub("", text)
    values = 1 + bones.count(",") + bones.count("[") + bones.count("{")
    if values > most_values:
        raise ValueError(f"JSON of about {values} values: at most {most_values} are read")
    if _LONG_NUMBER.search(bones):
        raise ValueError(f"a number of more than {_LONGEST_NUMBER} characters in JSON")
    depth = 0
    for bracket in _BRACKET.findall(bones):
        depth += 1 if bracket in "[{" else -1
        if depth > deepest:
            raise ValueError(f"JSON with more than {deepest} brackets within each other")
    return values


def read_json(text: str, *, deepest: int = DEEPEST, most_values: int = MOST_VALUES) -> object:
    """The value of `text`.

    Raises:
        ValueError: it is no JSON, goes over a bound, names a key twice, or has a number or text that nobody can write.
    """
    check_json(text, deepest=deepest, most_values=most_values)
    value: object = json.loads(text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_each_once)
    if "\\u" in text:
        # Half of a surrogate pair is found here, where it has a name, and not where the text is sent on.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"the number {written} is too large")
    return number


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in {each for each, _ in pairs[:place]})
        raise ValueError(f"the key {twice!r} comes twice in one JSON object")
    return found
