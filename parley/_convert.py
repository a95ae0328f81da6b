"""Frozen dataclasses from messages and back, field by field of the same name.

Absent optional fields are None. Enums have the wire's numbers as values, and hold what is not known here for their
first member. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Hashable

    from _typeshed import DataclassInstance
    from google.protobuf.message import Message

MOST_ITEMS: Final = 1_000
"""Most values that a repeated field may have: a small message can have a hundred thousand."""

D = TypeVar("D")
E = TypeVar("E", bound=enum.Enum)
M = TypeVar("M", bound="Message")


def fill(message: M, value: object) -> M:
    """Set the fields of `message` from the dataclass `value`, and give `message` back."""
    for name in _names(cast("Hashable", type(value))):
        _set(message, name, getattr(value, name))
    return message


def extract(kind: type[D], message: Message) -> D:
    """A dataclass of `kind` with the fields of `message`. An enum number that is not known becomes its first member.

    Raises:
        InvalidInput: a list is too long; the error names it.
    """
    hints = _hints(cast("Hashable", kind))
    return kind(**{name: _value(hint, message, name) for name, hint in hints.items()})


def member(kind: type[E], number: object) -> E:
    """The member of an enum with the wire's `number`; the first one for a number that is not known."""
    return next((each for each in kind if each.value == number), next(iter(kind)))


@cache
def _names(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cast("type[DataclassInstance]", kind)))


@cache
def _hints(kind: Hashable) -> dict[str, type[object]]:
    return get_type_hints(cast("type[object]", kind))


def _set(message: Message, name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, enum.Enum):
        setattr(message, name, value.value)
    elif isinstance(value, tuple):
        repeated = getattr(message, name)
        for item in value:
            if dataclasses.is_dataclass(item):
                fill(repeated.add(), item)
            else:
                repeated.append(item)
    elif dataclasses.is_dataclass(value):
        nested = getattr(message, name)
        nested.SetInParent()
        fill(nested, value)
    else:
        setattr(message, name, value)


def _value(hint: type[object], message: Message, name: str) -> object:
    if get_origin(hint) in (types.UnionType, Union):
        if not message.HasField(name):
            return None
        hint = next(part for part in get_args(hint) if part is not types.NoneType)
    raw: object = getattr(message, name)
    if get_origin(hint) is tuple:
        items = cast("list[object]", raw)
        if len(items) > MOST_ITEMS:
            raise InvalidInput(f"{name} has {len(items)} entries: at most {MOST_ITEMS} are taken", field=name)
        return tuple(_item(get_args(hint)[0], item) for item in items)
    return _item(hint, raw)


def _item(hint: type[object], raw: object) -> object:
    if dataclasses.is_dataclass(hint):
        return extract(hint, cast("Message", raw))
    return member(hint, raw) if issubclass(hint, enum.Enum) else raw
