"""Text and binary frames that are anything, read alone and over a real socket of a real gateway."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import aiohttp
from google.protobuf import json_format
from hypothesis import strategies as st

from parley.conversation import ErrorEvent, SessionConfig, event_from_json, request_from_json, request_to_json
from parley.errors import InvalidInput
from parley.v1 import conversation_pb2
from tests.edge_gateway.rig import Script, forgetful, house
from tests.fuzz.common import FUZZER, fuzz, served, texts
from tests.fuzz.messages import messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.edge_gateway.rig import Gateway

pytestmark = FUZZER

_PATIENCE_SECONDS: Final = 20
# Its error says that all frames before it were looked at.
_LAST: Final = '{"the_last_frame": {}}'

_NAMES: Final = st.sampled_from(
    [field.name for field in conversation_pb2.ConverseRequest.DESCRIPTOR.fields]
    + [field.name for field in conversation_pb2.SessionConfig.DESCRIPTOR.fields]
)
_VALUES: Final[st.SearchStrategy[object]] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts(300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | texts(40), inner, max_size=4),
    max_leaves=20,
)


def _written(message: conversation_pb2.ConverseRequest) -> str:
    return json_format.MessageToJson(message, preserving_proto_field_name=True, indent=None)


def _with(text: str, at: int, more: str) -> str:
    place = at % (len(text) + 1)
    return text[:place] + more + text[place:]


_REQUESTS: Final = messages(conversation_pb2.ConverseRequest).map(_written)
_TEXTS: Final = st.one_of(
    _REQUESTS,
    st.builds(_with, _REQUESTS, st.integers(0, 4_000), texts(300)),
    st.dictionaries(_NAMES, _VALUES, max_size=2).map(json.dumps),
    st.builds(lambda name, value: f'{{"{name}": {{"id": {value}}}}}', _NAMES, texts(6_000)),
    texts(70_000),
)
_PACKETS: Final = st.binary(max_size=60) | st.builds(
    lambda kind, rest, size: bytes([kind, 0, 0, 0]) + rest + bytes(size),
    st.sampled_from((1, 2, 16, 255)),
    st.binary(min_size=12, max_size=40),
    st.integers(0, 14_000),
)


def test_no_text_frame_is_read_as_anything_but_a_request_or_an_error() -> None:
    def check(text: str) -> None:
        with suppress(InvalidInput):
            request_from_json(request_to_json(request_from_json(text)))

    fuzz("text frames", _TEXTS, check)


@asynccontextmanager
async def _gateway() -> AsyncIterator[tuple[Gateway, aiohttp.ClientSession]]:
    # Each opens a session, and those before need a moment to end.
    async with house(Script(max_sessions=1_000, recorded=forgetful())) as parley, aiohttp.ClientSession() as http:
        yield parley, http


async def _last_answer(thing: tuple[Gateway, aiohttp.ClientSession], frames: list[str | bytes]) -> str:
    """The error that the last frame gets, when the session has gone through all; else what it ended with."""
    parley, http = thing
    said = "nothing"
    async with asyncio.timeout(_PATIENCE_SECONDS), http.ws_connect(f"{parley.url}/v1/conversation") as socket:
        for frame in (*frames, _LAST):
            await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
        async for message in socket:
            event = event_from_json(message.data) if message.type is aiohttp.WSMsgType.TEXT else None
            if isinstance(event, ErrorEvent):
                said = event.message
                if "the_last_frame" in said:
                    return said
        return f"{socket.close_code}: {said}"


def test_no_frame_ends_a_session() -> None:
    beginnings = st.sampled_from(([], [request_to_json(SessionConfig())]))
    frames = st.builds(lambda first, more: [*first, *more], beginnings, st.lists(_TEXTS | _PACKETS, max_size=5))
    with served(_gateway) as gateway:

        def check(given: list[str | bytes]) -> None:
            assert "the_last_frame" in gateway.call(_last_answer(gateway.thing, given))

        fuzz("frames over a socket", frames, check, gateway.watch)
