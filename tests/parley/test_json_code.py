"""The generated JSON code makes and reads what protobuf's own does, for every event and every value of its fields."""

from __future__ import annotations

import dataclasses
import enum
import json
import random
import struct
import types
from typing import TYPE_CHECKING, cast, get_args, get_origin, get_type_hints

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import given, settings
from hypothesis import strategies as st

from parley import conversation
from parley.conversation import ClientMark, Duck, MarkKind, Played, Pong
from parley.errors import InvalidInput
from parley.v1 import conversation_json, conversation_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

SCALARS: dict[int, st.SearchStrategy[object]] = {
    Field.TYPE_BOOL: st.booleans(),
    Field.TYPE_BYTES: st.binary(max_size=8),
    Field.TYPE_FLOAT: st.floats(),
    Field.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    Field.TYPE_STRING: st.text(st.characters(exclude_categories=["Cs"])),
    Field.TYPE_UINT32: st.integers(0, 2**32 - 1),
}
EVENTS = conversation_pb2.ConverseResponse.DESCRIPTOR.fields
MESSAGES = {field.message_type.name: field.message_type for field in EVENTS if field.message_type is not None}
READERS = {
    "played": conversation_json.read_played,
    "pong": conversation_json.read_pong,
    "mark": conversation_json.read_mark,
}
PLAIN = [
    '{"played":{"reply":1,"samples":48000,"unix_us":"1763000000000000","underruns":0,"final":false}}',
    '{"pong":{"id":3,"received_unix_us":"1763000000000000","sent_unix_us":"1763000000000100"}}',
    '{"mark":{"kind":"CLIENT_MARK_KIND_FIRST_PACKET","reply":1,"unix_us":"1763000000000000"}}',
]
# What may stand for a value, in the plain form or not.
WRITTEN = ["0", "7", "-7", "007", "1.0", "1e3", "null", "true", "false", '"true"', "[]", "{}", '""', '"MARK"']
WRITTEN += [written for count in (9, 10, 18, 19, 20) for written in ("9" * count, f'"{"9" * count}"')]
WRITTEN += [f'"CLIENT_MARK_KIND_{kind.name}"' for kind in MarkKind]


def name_of(kind: type[object]) -> str:
    return kind.__name__


def values(kind: type[object], message: Descriptor) -> st.SearchStrategy[object]:
    """Any dataclass of `kind` that `message` can hold."""
    fields = message.fields_by_name
    hints = get_type_hints(kind)
    assert set(hints) == set(fields)
    return st.builds(kind, **{name: field_values(hint, fields[name]) for name, hint in hints.items()})


def field_values(hint: type[object], field: Field) -> st.SearchStrategy[object]:
    parts = [part for part in get_args(hint) if part is not types.NoneType]
    if get_origin(hint) is tuple:
        return st.lists(one_value(parts[0], field), max_size=3).map(tuple)
    return st.none() | one_value(parts[0], field) if parts else one_value(hint, field)


def one_value(hint: type[object], field: Field) -> st.SearchStrategy[object]:
    if dataclasses.is_dataclass(hint):
        return values(hint, cast("Descriptor", field.message_type))
    return st.sampled_from(hint) if issubclass(hint, enum.Enum) else SCALARS[field.type]


def tokens(text: str) -> object:
    """What JSON says, with every number as it is written; the order of an object's keys says nothing."""

    def each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(
        text, parse_float=lambda w: ("float", w), parse_int=lambda w: ("int", w), object_pairs_hook=each_once
    )


def by_protobuf(event: conversation.Event) -> str:
    return json_format.MessageToJson(
        conversation.event_to_proto(event),
        preserving_proto_field_name=True,
        indent=None,
        always_print_fields_with_no_presence=True,
    )


@pytest.mark.parametrize("kind", get_args(conversation.Event), ids=name_of)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_an_event_is_written_as_protobuf_writes_it(kind: type[conversation.Event], data: st.DataObject) -> None:
    message = MESSAGES[kind.__name__]
    event = cast("conversation.Event", data.draw(values(kind, message)))
    assert tokens(conversation.event_to_json(event)) == tokens(by_protobuf(event))


def test_a_float_has_the_digits_that_it_needs() -> None:
    # Hypothesis likes floats that are short.
    bits = random.Random(1).choices(range(2**32), k=2_000)  # noqa: S311 - the same ones each time
    for (number,) in struct.iter_unpack("<f", struct.pack(f"<{len(bits)}I", *bits)):
        event = Duck(1, number)
        assert tokens(conversation.event_to_json(event)) == tokens(by_protobuf(event))


def test_every_event_of_the_wire_has_its_code() -> None:
    assert conversation_json.WRITERS.keys() == {field.name for field in EVENTS}


def slowly(text: str) -> object:
    """What the text says where the generated code does not look at it: it knows no space at the end."""
    try:
        return conversation.request_from_json(f"{text} ")
    except InvalidInput:
        return InvalidInput


@pytest.mark.parametrize("text", PLAIN)
def test_what_a_page_and_a_program_say_all_the_time_takes_the_short_way(text: str) -> None:
    name = text.split('"')[1]
    assert READERS[name](text) is not None
    assert READERS[name](conversation.request_to_json(conversation.request_from_json(text))) is not None


@settings(max_examples=200, deadline=None)
@given(
    st.builds(
        Played, *[st.integers(0, 2**32 - 1)] * 2, st.integers(-(2**63), 2**63 - 1), st.integers(0, 9), st.booleans()
    )
    | st.builds(Pong, st.integers(0, 2**32 - 1), *[st.integers(-(2**63), 2**63 - 1)] * 2)
    | st.builds(ClientMark, st.sampled_from(MarkKind), st.integers(0, 9), st.integers(0, 2**63 - 1))
)
def test_any_value_of_a_frequent_request_arrives(request: Played | Pong | ClientMark) -> None:
    text = conversation.request_to_json(request)
    assert conversation.request_from_json(text) == request == slowly(text)


@st.composite
def nearly_plain(draw: st.DrawFn) -> str:
    """A request of numbers, with its fields in any order, some missing or there twice, and commas too many or few."""
    name = draw(st.sampled_from(list(READERS)))
    message = cast("Descriptor", conversation_pb2.ConverseRequest.DESCRIPTOR.fields_by_name[name].message_type)
    fields = [field.name for field in message.fields if draw(st.integers(0, 3))]
    if draw(st.integers(0, 3)) == 0:
        fields = draw(st.lists(st.sampled_from([*fields, "unknown"]), max_size=4))
    space = st.sampled_from(["", "", " ", "  "])
    comma = st.sampled_from([*[","] * 8, ", ", "", ",,", " ,"])
    said = "".join(f'"{each}":{draw(space)}{draw(st.sampled_from(WRITTEN))}{draw(comma)}' for each in fields)
    end = said if draw(st.integers(0, 3)) == 0 else said.rstrip(", ")
    return f'{{"{name}":{draw(space)}{{{end}{draw(space)}}}}}'


@settings(max_examples=1_000, deadline=None)
@given(nearly_plain())
def test_the_short_way_takes_nothing_that_protobuf_does_not_read_in_the_same_way(text: str) -> None:
    if any(read(text) is not None for read in READERS.values()):
        assert conversation.request_from_json(text) == slowly(text)
