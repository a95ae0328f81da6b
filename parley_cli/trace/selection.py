"""Which turn is meant: the last one, one by its number, or a trace by its id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.errors import InvalidInput

if TYPE_CHECKING:
    from parley_cli.trace.turn import Turn

_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{16,32}")
_LONGEST_NUMBER: Final = 6
_TRACE_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Last:
    """The turn that ended last."""

    query: str = '{ name = "parley.turn" }'
    """What finds it in Tempo, newest first."""

    def __str__(self) -> str:
        return "last turn"

    def fits(self, _turn: Turn) -> bool:
        """Any turn is the last, where the newest is looked at first."""
        return True


@dataclass(frozen=True, slots=True)
class Number:
    """The newest turn of a number; every session counts its own."""

    number: int

    @property
    def query(self) -> str:
        """What finds it in Tempo."""
        return f'{{ name = "parley.turn" && span.parley.turn = {self.number} }}'

    def __str__(self) -> str:
        return f"turn {self.number}"

    def fits(self, turn: Turn) -> bool:
        """The turn has this number."""
        return turn.turn == self.number


@dataclass(frozen=True, slots=True)
class TraceId:
    """A trace."""

    id: str
    """32 hexadecimal digits."""

    def __str__(self) -> str:
        return f"trace {self.id}"

    def fits(self, turn: Turn) -> bool:
        """The turn has this trace."""
        return turn.trace_id == self.id


Wanted = Last | Number | TraceId


def wanted(text: str) -> Wanted:
    """What `text` means: `last`, a turn's number, or a trace's id.

    Raises:
        InvalidInput: it means none of them.
    """
    if text == "last":
        return Last()
    if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER:
        return Number(int(text))
    if _TRACE_ID.fullmatch(text):
        return TraceId(text.lower().zfill(_TRACE_DIGITS))
    raise InvalidInput(
        f"{text!r} names no turn: last does, a turn's number, or a trace's id of 32 hexadecimal digits", field="turn"
    )
