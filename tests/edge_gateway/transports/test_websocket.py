"""The browser's WebSocket, over a pair of sockets on a clock of the test: what comes in which order, and who left."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web

from edge_gateway.transports.websocket import WebSocketConnection, new_socket
from parley.conversation import AudioPacket, Encoding, EndUtterance, Request, pack_mic, request_to_json
from parley.errors import InvalidInput, ParleyError
from tests.virtual_time import now, on_virtual_time, passed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
HEARTBEAT_SECONDS: Final = 20
MASK: Final = b"\x5a\x01\x00\xff"
UPGRADE: Final = (
    "GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'a' * 22}==\r\n\r\n"
)


class Client:
    """The other end: says and reads frames, and answers nothing by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def open(self) -> None:
        self._writer.write(UPGRADE.encode())
        assert b" 101 " in await self._reader.readuntil(b"\r\n\r\n")

    def say(self, *frames: tuple[int, bytes]) -> None:
        """Send frames, all in one piece."""
        self._writer.write(b"".join(framed(opcode, payload) for opcode, payload in frames))

    async def read(self) -> int:
        """Opcode of the next frame."""
        opcode, size = await self._reader.readexactly(2)
        await self._reader.readexactly(size)
        return opcode & 15

    async def leave(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def framed(opcode: int, payload: bytes) -> bytes:
    masked = bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
    return struct.pack("!BB", 128 | opcode, 128 | len(payload)) + MASK + masked


def packet(sequence: int) -> tuple[int, bytes]:
    return BINARY, pack_mic(AudioPacket(b"sound", sequence), Encoding.OPUS)


class Gateway:
    """Reads a connection: keeps what came, in its order, and by which task each packet was heard."""

    def __init__(self) -> None:
        self.came: list[int | Request | ParleyError] = []
        self.heard_by: list[asyncio.Task[object] | None] = []
        self.refuses: dict[int, Exception] = {}
        self.goes_on = asyncio.Event()
        """Clear: a request is being looked at."""
        self.goes_on.set()
        self.failed_with: list[Exception] = []
        self.left_at: float | None = None
        self._changed = asyncio.Event()

    def hear(self, packet: AudioPacket) -> None:
        self.heard_by.append(asyncio.current_task())
        if packet.sequence in self.refuses:
            raise self.refuses[packet.sequence]
        self.keep(packet.sequence)

    def keep(self, what: int | Request | ParleyError) -> None:
        self.came.append(what)
        self._changed.set()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        opened = new_socket()
        await opened.prepare(request)
        try:
            async for each in WebSocketConnection(opened).received(self.hear):
                self.keep(each)
                await self.goes_on.wait()
        except RuntimeError as error:
            self.failed_with.append(error)
        self.left_at = now()
        self._changed.set()
        return opened

    async def until_came(self, count: int) -> None:
        await self.until(lambda: len(self.came) >= count)

    async def until(self, holds: Callable[[], object]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[Client]:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    app = web.Application()
    app.router.add_get("/", gateway.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    client = Client(*await asyncio.open_connection(sock=theirs))
    try:
        await loop.connect_accepted_socket(runner.server, ours)
        await client.open()
        yield client
    finally:
        await client.leave()
        await runner.cleanup()


@on_virtual_time
async def test_a_packet_is_heard_without_waking_whoever_reads_the_requests() -> None:
    gateway = Gateway()
    async with connected(gateway) as client:
        for sequence in range(3):
            client.say(packet(sequence))
            await gateway.until_came(sequence + 1)
    assert gateway.came == [0, 1, 2]
    assert gateway.heard_by == [None] * 3


@on_virtual_time
async def test_no_packet_overtakes_a_request() -> None:
    gateway = Gateway()
    request = EndUtterance()
    said = TEXT, request_to_json(request).encode()
    async with connected(gateway) as client:
        client.say(packet(0), said, packet(1), said, packet(2))
        await gateway.until(lambda: 2 in gateway.came)
        client.say(packet(3))
        await gateway.until(lambda: 3 in gateway.came)
    assert gateway.came == [0, request, 1, request, 2, 3]


@on_virtual_time
async def test_while_a_request_is_being_looked_at_sound_waits() -> None:
    gateway = Gateway()
    gateway.goes_on.clear()
    request = EndUtterance()
    async with connected(gateway) as client:
        client.say((TEXT, request_to_json(request).encode()))
        await gateway.until_came(1)
        client.say(packet(0), packet(1))
        await passed(1)
        assert gateway.came == [request]
        gateway.goes_on.set()
        await gateway.until_came(3)
    assert gateway.came == [request, 0, 1]


@pytest.mark.parametrize("after_request", [False, True])
@on_virtual_time
async def test_what_is_wrong_with_a_packet_comes_in_its_place(*, after_request: bool) -> None:
    gateway = Gateway()
    wrong = InvalidInput("no packet", field="packet")
    gateway.refuses[1] = wrong
    request = EndUtterance()
    before: list[tuple[int, bytes]] = [(TEXT, request_to_json(request).encode())] if after_request else []
    async with connected(gateway) as client:
        client.say(*before, packet(0), packet(1), packet(2), (BINARY, b"short"), packet(3))
        await gateway.until(lambda: 3 in gateway.came)
    short = gateway.came[-2]
    assert gateway.came == [*[request] * after_request, 0, wrong, 2, short, 3]
    assert isinstance(short, InvalidInput)
    assert "5 bytes" in str(short)


@on_virtual_time
async def test_a_failure_of_ours_ends_the_session_and_is_not_taken_for_a_frame() -> None:
    gateway = Gateway()
    gateway.refuses[1] = failure = RuntimeError("a fault in the gateway")
    async with connected(gateway) as client:
        client.say(packet(0), packet(1), packet(2))
        await gateway.until(lambda: gateway.left_at is not None)
    assert gateway.came == [0]
    assert gateway.failed_with == [failure]


@on_virtual_time
async def test_who_answers_no_ping_has_left() -> None:
    gateway = Gateway()
    async with connected(gateway) as client:
        began = now()
        assert await client.read() == PING
        assert now() - began == pytest.approx(HEARTBEAT_SECONDS, abs=1)
        await gateway.until(lambda: gateway.left_at is not None)
        assert gateway.left_at is not None
        assert gateway.left_at - began == pytest.approx(1.5 * HEARTBEAT_SECONDS, abs=1)


@pytest.mark.parametrize("sign", [(PONG, b""), packet(0), (TEXT, b"{}")])
@on_virtual_time
async def test_whatever_comes_after_a_ping_is_a_sign_of_life(sign: tuple[int, bytes]) -> None:
    gateway = Gateway()
    async with connected(gateway) as client:
        for _ in range(3):
            assert await client.read() in {PING, TEXT}
            await passed(HEARTBEAT_SECONDS / 2 - 2)
            client.say(sign)
        began = now()
        assert await client.read() in {PING, TEXT}
        assert now() - began > HEARTBEAT_SECONDS - 2
        assert gateway.left_at is None
        client.say((CLOSE, b"\x03\xe8"))


@on_virtual_time
async def test_a_client_that_closes_has_left_with_all_that_it_said() -> None:
    gateway = Gateway()
    async with connected(gateway) as client:
        client.say(packet(0), packet(1), (CLOSE, b"\x03\xe8"))
        assert await client.read() == CLOSE
    assert gateway.came == [0, 1]
