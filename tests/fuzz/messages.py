"""Messages with anything in their fields that a field can have, and bytes that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, cast

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

from tests.fuzz.common import chances, odd_text

if TYPE_CHECKING:
    from random import Random

    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

_LONGEST_TEXT: Final = 3_000
_DEEPEST: Final = 4
_TIMES: Final = (0, 0, 1, 3, 150, 1_200)
# No server takes more in one message, and it takes long to make.
_MOST_BYTES: Final = 300_000
_WHOLE: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-1, 12),
}


def messages(kind: type[M]) -> st.SearchStrategy[M]:
    """Messages of `kind`."""
    return chances().map(lambda chance: _message(kind, chance))


def broken(kind: type[Message]) -> st.SearchStrategy[bytes]:
    """A message on the wire, mostly whole, else cut off or with a byte changed; or bytes that are none."""
    return chances().map(lambda chance: _broken(kind, chance)) | st.binary(max_size=60)


def _message(kind: type[M], chance: Random) -> M:
    message = kind()
    _fill(message, chance, _DEEPEST)
    return message


def _broken(kind: type[Message], chance: Random) -> bytes:
    data = bytearray(_message(kind, chance).SerializeToString())
    if data and not chance.randrange(4):
        data[chance.randrange(len(data))] = chance.randrange(256)
    if data and not chance.randrange(6):
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def _fill(message: Message, chance: Random, depth: int) -> None:
    fields = cast("list[FieldDescriptor]", list(message.DESCRIPTOR.fields))
    for field in chance.sample(fields, min(len(fields), chance.choice((0, 1, 1, 1, 2, 3, 5)))):
        if field.message_type is not None:
            _fill_nested(message, field, chance, depth)
        elif field.is_repeated:
            getattr(message, field.name).extend([_scalar(field, chance)] * chance.choice(_TIMES))
        else:
            setattr(message, field.name, _scalar(field, chance))


def _fill_nested(message: Message, field: FieldDescriptor, chance: Random, depth: int) -> None:
    nested = getattr(message, field.name)
    if not field.is_repeated:
        nested.SetInParent()
        if depth:
            _fill(nested, chance, depth - 1)
        return
    for _ in range(chance.randrange(4)):
        _fill(nested.add(), chance, max(0, depth - 1))
    times = chance.choice(_TIMES)
    if nested and nested[0].ByteSize() * times <= _MOST_BYTES:
        nested.extend([nested[0]] * times)


def _scalar(field: FieldDescriptor, chance: Random) -> object:
    kind = field.cpp_type
    if kind in _WHOLE:
        least, most = _WHOLE[kind]
        likely = [each for each in (0, 1, least, most, 16_000, 48_000) if least <= each <= most]
        return chance.choice((*likely, chance.randint(least, most)))
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return chance.choice((0.0, 1.0, -1.0, 0.5, 1e30, -1e-30, float("nan"), float("inf"), chance.uniform(0, 2)))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if field.type == FieldDescriptor.TYPE_BYTES:
        return chance.choice((chance.randbytes(chance.randrange(200)), bytes(chance.randrange(30_000))))
    return odd_text(chance, chance.choice((20, 300, _LONGEST_TEXT)))
