"""Frames that are anything, over real sockets: of calls of a shared stream, and of calls that are not there."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import grpc
from hypothesis import strategies as st

from parley.v1 import llm_pb2
from parley.v1.multiplex_pb2 import CallFrame, ConnectRequest
from tests.fuzz.common import FUZZER, chances, fuzz, odd_text, served
from tests.fuzz.messages import broken, messages
from tests.fuzz.test_services import EXPECTED, outcome, start_llm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

pytestmark = FUZZER

_CHAT: Final = "/parley.v1.LlmService/Chat"
_CONNECT: Final = "/parley.v1.MultiplexService/Connect"
_MOST_FRAMES: Final = 12


def _frame(chance: Random, request: bytes) -> CallFrame:
    """A frame of one of a few calls, mostly one that means something."""
    call = chance.choice((1, 1, 1, 2, 3, 2**32 - 1))
    match chance.randrange(8):
        case 0 | 1:
            return CallFrame(call=call, begin=chance.choice((_CHAT, _CHAT, _CHAT, odd_text(chance, 40))))
        case 2 | 3:
            return CallFrame(call=call, message=request)
        case 4:
            counted = chance.choice((0, 1, 16, 2**32 - 1))
            return CallFrame(read=counted) if chance.random() < 0.5 else CallFrame(call=call, credit=counted)
        case 5:
            return CallFrame(call=call, half_close=chance.random() < 0.8)
        case 6:
            return CallFrame(call=call, cancel=True)
        case _:
            return CallFrame(call=call, status=request[:20])


def _requests(given: tuple[Random, bytes, llm_pb2.ChatRequest]) -> bytes:
    chance, strange, chat = given
    config = chat if chance.random() < 0.3 else llm_pb2.ChatRequest(config=llm_pb2.ChatConfig())
    frames = [
        _frame(chance, strange if chance.random() < 0.4 else config.SerializeToString())
        for _ in range(chance.randrange(_MOST_FRAMES))
    ]
    return ConnectRequest(frames=frames).SerializeToString()


def test_no_frame_makes_a_server_fail() -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        async with AsyncExitStack() as stack:
            yield await start_llm(stack)

    frames = st.tuples(chances(), broken(llm_pb2.ChatRequest), messages(llm_pb2.ChatRequest)).map(_requests)
    requests = st.lists(frames | broken(ConnectRequest), min_size=1, max_size=5)
    with served(opened) as server, grpc.insecure_channel(server.thing) as channel:

        def check(given: list[bytes]) -> None:
            code = server.during(lambda: outcome(channel, _CONNECT, given))
            assert code in EXPECTED, (code, given)

        fuzz(_CONNECT, requests, check, server.watch)
