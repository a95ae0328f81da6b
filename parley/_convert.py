"""Frozen dataclasses from messages and back, field by field of the same name.

Absent optional fields are None. Enums have the wire's numbers as values, and hold what is not known here for their
first member. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from _typeshed import DataclassInstance
    from google.protobuf.message import Message

MOST_ITEMS: Final = 1_000
"""Most values that a repeated field may have: a small message can have a hundred thousand."""

_PLAIN: Final = frozenset({bool, bytes, float, int, str})

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
    return kind(*[read(message) for read in _readers(cast("Hashable", kind))])


def member(kind: type[E], number: object) -> E:
    """The member of an enum with the wire's `number`; the first one for a number that is not known."""
    try:
        return kind(number)
    except ValueError:
        return next(iter(kind))


@cache
def _names(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cast("type[DataclassInstance]", kind)))


@cache
def _readers(kind: Hashable) -> tuple[Callable[[Message], object], ...]:
    """What reads each field of a dataclass, in their order; found out once, since words come so often."""
    hints = get_type_hints(cast("type[object]", kind))
    return tuple(_reader(hints[name], name) for name in _names(kind))


def _set(message: Message, name: str, value: object) -> None:
    if value is None:
        return
    if type(value) in _PLAIN:
        setattr(message, name, value)
    elif isinstance(value, enum.Enum):
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


def _reader(hint: type[object], name: str) -> Callable[[Message], object]:
    """What reads the field `name`, that the dataclass has as `hint`."""
    if get_origin(hint) in (types.UnionType, Union):
        read = _reader(next(part for part in get_args(hint) if part is not types.NoneType), name)
        return lambda message: read(message) if message.HasField(name) else None
    get = attrgetter(name)
    if get_origin(hint) is tuple:
        convert = _converter(get_args(hint)[0])
        return lambda message: _all(get(message), convert, name)
    if hint in _PLAIN:
        return get
    convert = _converter(hint)
    return lambda message: convert(get(message))


def _all(items: list[object], convert: Callable[[object], object], name: str) -> tuple[object, ...]:
    if len(items) > MOST_ITEMS:
        raise InvalidInput(f"{name} has {len(items)} entries: at most {MOST_ITEMS} are taken", field=name)
    return tuple(map(convert, items))


def _converter(hint: type[object]) -> Callable[[object], object]:
    """What makes a value of type `hint` of one that a message holds."""
    if dataclasses.is_dataclass(hint):
        return lambda raw: extract(hint, cast("Message", raw))
    return partial(member, hint) if issubclass(hint, enum.Enum) else lambda raw: raw
