"""Writes `parley/v1/conversation_json.py`: functions that make and read the JSON text frames of frequent messages.

They make what protobuf's own `MessageToJson` makes, without a message and without reflection: of anything whose
attributes have the names of the fields. `python protos/json_code.py DESCRIPTORS MODULE` takes a `FileDescriptorSet` as
protoc writes it. Knows what fields are made of, and nothing of what they mean.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FieldDescriptor as Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, EnumDescriptor

EVENTS: Final = "parley.v1.ConverseResponse"
REQUESTS: Final = "parley.v1.ConverseRequest"
# A client sends these all the time, as numbers and nothing else.
READ: Final = ("played", "pong", "mark")

_HEAD = '''"""JSON text frames of conversations, generated from protos/parley/v1 by protos/json_code.py. Never edit.

Each `write_` function takes anything whose attributes have the names and types of the message's fields, enums as
members with the wire's numbers, and gives the message as `MessageToJson` does with `preserving_proto_field_name` and
`always_print_fields_with_no_presence`, except that the fields stand in the order of their numbers. Each `read_`
function takes the text of one whole request and gives its fields in that order; None: this is not the plain form of
one, and `Parse` may understand it or say what is wrong with it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from ctypes import c_float
from json.encoder import encode_basestring_ascii as _text
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _bytes(value: bytes) -> str:
    return f'"{b64encode(value).decode()}"'


def _float(value: float) -> str:
    # The fewest digits, six or more, that give the same number of 32 bits.
    single = c_float(value).value
    if not isfinite(single):
        return '"NaN"' if single != single else '"Infinity"' if single > 0 else '"-Infinity"'
    short = float("%.6g" % single)
    for form in ("%.7g", "%.8g", "%.9g"):
        if c_float(short).value == single:
            break
        short = float(form % single)
    return repr(short)
'''

_INTEGERS: Final = frozenset({Field.TYPE_INT32, Field.TYPE_UINT32})
_LONG_INTEGERS: Final = frozenset({Field.TYPE_INT64, Field.TYPE_UINT64})
_WRITERS: Final = {
    Field.TYPE_BOOL: "_bool",
    Field.TYPE_BYTES: "_bytes",
    Field.TYPE_FLOAT: "_float",
    Field.TYPE_STRING: "_text",
}

# Fewer digits than their types have, so that nothing that matches is out of range.
_NUMBER: Final = "(0|[1-9][0-9]{0,8})"
_LONG_NUMBER: Final = "(0|[1-9][0-9]{0,17})"


def json_module(descriptors: bytes) -> str:
    """The module's text, for the protos in a serialised `FileDescriptorSet`.

    Raises:
        NotImplementedError: a message has a field of a type that nothing is known of here.
    """
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        pool.Add(file)
    events = pool.FindMessageTypeByName(EVENTS).fields
    requests = pool.FindMessageTypeByName(REQUESTS).fields_by_name
    messages = list(_reachable(map(_held, events)))
    read = [requests[name] for name in READ]
    written_enums = _enums(messages)
    read_enums = _enums(map(_held, read))
    names = "\n".join(f'    "{field.name}": write_{_name(_held(field))},' for field in events)
    table = f'WRITERS: Final[dict[str, Callable[[Any], str]]] = {{\n{names}\n}}\n"""By the name of the event."""\n'
    return "\n\n".join(
        [
            _HEAD,
            *map(_names, written_enums),
            *map(_numbers, read_enums),
            *(f"\n{_writer(message)}" for message in messages),
            f"\n{table}",
            *map(_reader, read),
        ]
    )


def _reachable(messages: Iterable[Descriptor]) -> dict[Descriptor, None]:
    """The messages and all that they hold, each once, the held ones first."""
    found: dict[Descriptor, None] = {}
    for message in messages:
        held = [_held(field) for field in message.fields if field.message_type]
        found |= _reachable(held) | {message: None}
    return found


def _enums(messages: Iterable[Descriptor]) -> list[EnumDescriptor]:
    """The enums of their fields, each once."""
    found = (_enum(field) for message in messages for field in message.fields if field.enum_type)
    return list({enum.full_name: enum for enum in found}.values())


def _held(field: Field) -> Descriptor:
    return cast("Descriptor", field.message_type)


def _enum(field: Field) -> EnumDescriptor:
    return cast("EnumDescriptor", field.enum_type)


def _name(kind: Descriptor | EnumDescriptor) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in kind.name).lstrip("_")


def _names(enum: EnumDescriptor) -> str:
    names = ", ".join(f"{value.number}: '\"{value.name}\"'" for value in enum.values)
    return f"_{_name(enum).upper()}: Final = {{{names}}}"


def _numbers(enum: EnumDescriptor) -> str:
    # What is not there is the first one, as everywhere on the wire.
    numbers = ", ".join(f'"{name}": {number}' for name, number in [("", 0), *((e.name, e.number) for e in enum.values)])
    return f"_{_name(enum).upper()}: Final = {{{numbers}}}"


def _writer(message: Descriptor) -> str:
    lines = [f"def write_{_name(message)}(value: Any) -> str:"]
    parts: list[str] = []
    for field in sorted(message.fields, key=lambda field: field.number):
        name, value = field.name, f"value.{field.name}"
        if field.is_repeated:
            lines.append(f"    {name} = ', '.join([f'{_written(field, 'each')}' for each in {value}])")
            parts.append(f', "{name}": [{{{name}}}]')
        elif field.has_presence:
            lines.append(f"    {name} = '' if {value} is None else f', \"{name}\": {_written(field, value)}'")
            parts.append(f"{{{name}}}")
        else:
            parts.append(f', "{name}": {_written(field, value)}')
    if parts and parts[0].startswith("{"):
        lines.append(f"    fields = f'{''.join(parts)}'\n    return f'{{{{{{fields[2:]}}}}}}'")
    else:
        lines.append(f"    return f'{{{{{''.join(parts)[2:]}}}}}'")
    return "\n".join(lines)


def _written(field: Field, value: str) -> str:
    """What stands in an f-string for the JSON of one `value` of a field."""
    if field.containing_oneof and len(field.containing_oneof.fields) > 1:
        raise NotImplementedError(f"{field.full_name}: nothing is known of a oneof within an event; teach _writer")
    if field.type == Field.TYPE_MESSAGE and not _held(field).GetOptions().map_entry:
        return f"{{write_{_name(_held(field))}({value})}}"
    if field.type == Field.TYPE_ENUM:
        return f"{{_{_name(_enum(field)).upper()}[{value}.value]}}"
    if field.type in _INTEGERS:
        return f"{{{value}}}"
    if field.type in _LONG_INTEGERS:
        return f'"{{{value}}}"'
    if field.type in _WRITERS:
        return f"{{{_WRITERS[field.type]}({value})}}"
    raise NotImplementedError(f"{field.full_name}: nothing is known of fields of type {field.type}; teach _written")


def _reader(field: Field) -> str:
    """A function that reads the request of a oneof's `field`: numbers, truth values and names of enums, in order."""
    fields = sorted(_held(field).fields, key=lambda each: each.number)
    # A comma is followed by another field, so nothing matches that is no JSON.
    each = "".join(rf'(?:"{each.name}": ?{_form(each)}(?:, ?(?=")|(?=\}})))?' for each in fields)
    pattern = rf'\{{"{field.name}": ?\{{{each}\}}\}}'
    names = ", ".join(each.name for each in fields)
    return "\n".join(
        [
            f"_{field.name.upper()}: Final = re.compile(\n    r'{pattern}'\n).fullmatch",
            f"\n\ndef read_{field.name}(text: str) -> tuple[{', '.join(map(_python_type, fields))}] | None:",
            f"    found = _{field.name.upper()}(text)",
            "    if found is None:\n        return None",
            f"    {names} = found.groups('')",
            f"    return {', '.join(map(_read, fields))}\n",
        ]
    )


def _form(field: Field) -> str:
    if field.type in _INTEGERS:
        return _NUMBER
    if field.type in _LONG_INTEGERS:
        # Whoever writes JSON has these as text, since JavaScript's numbers are no longer exact there.
        return f'"{_LONG_NUMBER}"'
    if field.type == Field.TYPE_BOOL:
        return "(true|false)"
    if field.type == Field.TYPE_ENUM:
        return f'"({"|".join(value.name for value in _enum(field).values)})"'
    raise NotImplementedError(f"{field.full_name}: nothing is known of reading its type {field.type}; teach _form")


def _python_type(field: Field) -> str:
    return "bool" if field.type == Field.TYPE_BOOL else "int"


def _read(field: Field) -> str:
    if field.type == Field.TYPE_BOOL:
        return f"{field.name} == 'true'"
    if field.type == Field.TYPE_ENUM:
        return f"_{_name(_enum(field)).upper()}[{field.name}]"
    return f"int({field.name} or 0)"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json_module(Path(sys.argv[1]).read_bytes()), encoding="utf-8")
