"""Values keep what they say on their way over the wire, and their numbers are the wire's."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import re
import types
from typing import TYPE_CHECKING, Union, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley import asr, conversation, llm, tts
from parley.errors import InvalidInput
from parley.v1 import asr_pb2, audio_pb2, conversation_pb2, llm_pb2, tts_pb2

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

WIRE_ENUMS: dict[type[enum.Enum], object] = {
    asr.Assistant: asr_pb2.AssistantState,
    asr.DiscardReason: asr_pb2.DiscardReason,
    asr.EndReason: asr_pb2.EndReason,
    conversation.Encoding: audio_pb2.AudioEncoding,
    conversation.ErrorCode: conversation_pb2.ErrorCode,
    conversation.MarkKind: conversation_pb2.ClientMarkKind,
    conversation.Outcome: conversation_pb2.ReplyOutcome,
    conversation.ReminderState: conversation_pb2.ReminderState,
    conversation.SpeechSetting: conversation_pb2.SpeechSetting,
    llm.FinishReason: llm_pb2.FinishReason,
    llm.ProgressKind: llm_pb2.ProgressKind,
    llm.Role: llm_pb2.ChatRole,
}
# Where a value stands for a state that always is, the wire's "not said" has no member.
ALWAYS_SAID = {asr.Assistant, llm.Role}
VALUES = [f"parley.{package}.{module}" for package in ("asr", "llm", "tts") for module in ("requests", "events")] + [
    f"parley.conversation.{module}" for module in ("audio", "requests", "events")
]


def name_of(kind: type[object]) -> str:
    return kind.__name__


@pytest.mark.parametrize("kind", WIRE_ENUMS, ids=name_of)
def test_an_enum_has_every_member_of_the_wire_with_its_number(kind: type[enum.Enum]) -> None:
    wire = cast("EnumTypeWrapper", WIRE_ENUMS[kind])
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", wire.DESCRIPTOR.name).upper() + "_"
    numbers = {name.removeprefix(prefix): number for name, number in wire.items()}
    if kind in ALWAYS_SAID:
        assert numbers.pop("UNSPECIFIED") == 0
    assert {member.name: member.value for member in kind} == numbers


def test_every_enum_among_the_values_is_held_to_the_wire() -> None:
    found = {
        value
        for module in VALUES
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, type) and issubclass(value, enum.Enum)
    }
    assert found == set(WIRE_ENUMS)


def values(hint: object) -> st.SearchStrategy[object]:
    """Any value that a field with this type may have on the wire."""
    parts = [part for part in get_args(hint) if part is not types.NoneType]
    if get_origin(hint) in (types.UnionType, Union):
        rest = st.one_of(*map(values, parts))
        return st.none() | rest if types.NoneType in get_args(hint) else rest
    if get_origin(hint) is tuple:
        return st.lists(values(parts[0]), max_size=2).map(tuple)
    assert isinstance(hint, type)
    if dataclasses.is_dataclass(hint):
        return st.builds(hint, **{name: values(kind) for name, kind in get_type_hints(hint).items()})
    if issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    return PLAIN[hint]


PLAIN: dict[type[object], st.SearchStrategy[object]] = {
    bool: st.booleans(),
    # Nothing of what is counted is 0 where it is said.
    int: st.integers(1, 2**31 - 1),
    float: st.floats(-1e6, 1e6, width=32),
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    bytes: st.binary(max_size=8),
}


few = settings(max_examples=20, deadline=None)


@pytest.mark.parametrize("kind", get_args(asr.Request), ids=name_of)
@few
@given(st.data())
def test_what_is_said_to_the_asr_server_arrives(kind: type[asr.Request], data: st.DataObject) -> None:
    request = cast("asr.Request", data.draw(values(kind)))
    assert asr.request_from_proto(asr.request_to_proto(request)) == request


@pytest.mark.parametrize("kind", get_args(asr.Event), ids=name_of)
@few
@given(st.data())
def test_what_the_asr_server_says_arrives(kind: type[asr.Event], data: st.DataObject) -> None:
    event = cast("asr.Event", data.draw(values(kind)))
    assert asr.event_from_proto(asr.event_to_proto(event)) == event


@pytest.mark.parametrize("kind", get_args(conversation.Request), ids=name_of)
@few
@given(st.data())
def test_what_is_said_to_the_gateway_arrives_as_message_and_as_json(
    kind: type[conversation.Request], data: st.DataObject
) -> None:
    request = cast("conversation.Request", data.draw(values(kind)))
    assert conversation.request_from_proto(conversation.request_to_proto(request)) == request
    assert conversation.request_from_json(conversation.request_to_json(request)) == request


@pytest.mark.parametrize("kind", get_args(conversation.Event), ids=name_of)
@few
@given(st.data())
def test_what_the_gateway_says_arrives_as_message_and_as_json(
    kind: type[conversation.Event], data: st.DataObject
) -> None:
    event = cast("conversation.Event", data.draw(values(kind)))
    assert conversation.event_from_proto(conversation.event_to_proto(event)) == event
    assert conversation.event_from_json(conversation.event_to_json(event)) == event


def test_what_a_newer_peer_says_is_left_out_and_its_numbers_stand_for_nothing_known() -> None:
    assert conversation.event_from_json('{"of_tomorrow": {}}') is None
    assert asr.event_from_proto(asr_pb2.TranscribeResponse()) is None
    assert llm.event_from_proto(llm_pb2.ChatResponse()) is None
    assert tts.event_from_proto(tts_pb2.SynthesizeResponse()) is None
    finished = llm_pb2.ChatResponse(finished=llm_pb2.ChatFinished(reason=cast("llm_pb2.FinishReason.ValueType", 99)))
    event = llm.event_from_proto(finished)
    assert isinstance(event, llm.Finished)
    assert event.reason is llm.FinishReason.UNSPECIFIED


@pytest.mark.parametrize("text", ["no JSON", '{"of_tomorrow": {}}', '{"user_text": 1}', "{}"])
def test_a_text_frame_that_is_no_request_is_named(text: str) -> None:
    with pytest.raises(InvalidInput):
        conversation.request_from_json(text)


@few
@given(values(conversation.AudioPacket), st.sampled_from([conversation.Encoding.OPUS, conversation.Encoding.PCM_S16LE]))
def test_a_packet_arrives_in_a_binary_frame(packet: conversation.AudioPacket, encoding: conversation.Encoding) -> None:
    joined = packet.packets % 15
    packet = dataclasses.replace(packet, data=packet.data + b"x", reply=packet.reply % 2**16, packets=joined)
    frame = conversation.pack_mic(packet, encoding)
    packets = joined if joined > 1 else 0
    said = dataclasses.replace(packet, reply=0, first_sample=0, left_out=packet.left_out % 2**16, packets=packets)
    assert conversation.unpack_mic(frame, encoding) == said
    frame = conversation.pack_reply(packet, encoding)
    heard = dataclasses.replace(packet, captured_unix_us=0, left_out=0, packets=0)
    assert conversation.unpack_reply(frame) == (heard, encoding)


def test_an_older_client_that_lost_packets_has_left_none_out() -> None:
    frame = bytearray(conversation.pack_mic(conversation.AudioPacket(b"x", left_out=7), conversation.Encoding.OPUS))
    assert frame[1] == 4
    frame[1] = 0
    assert conversation.unpack_mic(bytes(frame), conversation.Encoding.OPUS).left_out == 0


def test_packets_that_were_put_together_are_counted_in_the_upper_bits_of_the_flags() -> None:
    packet = conversation.AudioPacket(b"x", 7, left_out=3, packets=4)
    assert conversation.pack_mic(packet, conversation.Encoding.OPUS)[1] == 3 << 4 | 4


def test_a_client_names_nothing_that_it_does_not_use() -> None:
    assert conversation.request_to_json(conversation.SessionConfig()) == '{"configure": {}}'
