"""In which order packets are heard when some of them wait, and what becomes of their errors."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from edge_gateway.idle_callbacks import IdleCallbacks
from edge_gateway.input.held_packets import HeldPackets
from parley.conversation import AudioPacket, CancelReply, EndUtterance
from parley.errors import InvalidInput, ParleyError
from tests.edge_gateway.in_memory import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from parley.conversation import Request

BAD = b"bad"


class Client(Connection):
    """A listener who sends what a test says, and leaves after that."""

    def __init__(self) -> None:
        super().__init__()
        self.sends: asyncio.Queue[AudioPacket | Request | None] = asyncio.Queue()
        self.raised: list[str] = []
        """What hearing a packet has raised, which a transport passes on."""

    async def received(self, hear: Callable[[AudioPacket], None]) -> AsyncIterator[Request | ParleyError]:
        while (said := await self.sends.get()) is not None:
            if not isinstance(said, AudioPacket):
                yield said
                continue
            try:
                hear(said)
            except ParleyError as error:
                self.raised.append(str(error))


class Rig:
    """A microphone on a gateway whose loop takes as long for a turn as a test says."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.now_ns = 0
        self.log: list[int | str] = []
        """Sequences of packets as they are heard, and what else came."""
        self.times: list[int] = []
        """When each packet had come."""
        self.reading: asyncio.Task[None]
        self.client = Client()
        self.packets = HeldPackets(self._hear, IdleCallbacks(lambda: self.seconds), lambda: self.now_ns)

    def _hear(self, packet: AudioPacket, received_ns: int) -> None:
        self.log.append(packet.sequence)
        self.times.append(received_ns)
        if packet.data == BAD:
            raise InvalidInput(f"packet {packet.sequence} is none")

    async def read(self) -> None:
        async for request in self.packets.received(self.client):
            self.log.append(str(request) if isinstance(request, ParleyError) else type(request).__name__)

    async def take(self, sequence: int, packets: int = 0, data: bytes = b"") -> None:
        """Have a packet come, in a turn of the loop in which much is done."""
        self.now_ns = sequence * 10
        await self.send(AudioPacket(data, sequence, packets=packets))

    async def send(self, said: AudioPacket | Request | None) -> None:
        self.client.sends.put_nowait(said)
        await self.turns(0.005, 2)

    async def turns(self, seconds: float, times: int) -> None:
        for _ in range(times):
            self.seconds += seconds
            await asyncio.sleep(0)


@asynccontextmanager
async def reading() -> AsyncGenerator[Rig, None]:
    """A rig that reads until the listener leaves, which they do behind the block."""
    rig = Rig()
    async with asyncio.TaskGroup() as tasks:
        rig.reading = tasks.create_task(rig.read())
        await asyncio.sleep(0)
        yield rig
        await rig.send(None)


async def test_packets_put_together_are_heard_when_the_loop_is_idle_with_the_time_at_which_they_came() -> None:
    async with reading() as rig:
        await rig.take(1, 4)
        await rig.take(5, 4)
        assert rig.log == []
        await rig.turns(0.0001, 2)
        assert (rig.log, rig.times) == ([1, 5], [10, 50])
        await rig.take(9, 4)
        await rig.turns(0.0001, 2)
        assert rig.log == [1, 5, 9]


async def test_a_loop_that_is_never_idle_hears_them_within_160_ms() -> None:
    async with reading() as rig:
        await rig.take(1, 4)
        await rig.turns(0.005, 32)
        assert rig.log == [1]


@pytest.mark.parametrize("packets", [0, 1])
async def test_a_packet_alone_is_heard_at_once_and_behind_all_that_wait(packets: int) -> None:
    async with reading() as rig:
        await rig.take(1, 4)
        await rig.take(5, 4)
        await rig.take(9, packets)
        assert (rig.log, rig.times) == ([1, 5, 9], [10, 50, 90])
        await rig.turns(0.0001, 3)
        assert rig.log == [1, 5, 9]


async def test_who_sends_faster_than_time_has_them_heard_as_they_come() -> None:
    async with reading() as rig:
        for place in range(4):
            await rig.take(1 + 4 * place, 4)
        assert rig.log == []
        await rig.take(17, 4)
        assert rig.log == [1, 5, 9, 13, 17]


async def test_what_was_said_before_a_request_is_heard_before_it_and_before_the_end() -> None:
    async with reading() as rig:
        await rig.take(1, 4)
        await rig.send(EndUtterance())
        await rig.take(5, 4)
    assert rig.log == [1, "EndUtterance", 5]


async def test_who_has_stopped_reading_hears_no_more() -> None:
    async with reading() as rig:
        await rig.take(1, 4)
        rig.reading.cancel()
        await rig.turns(0.005, 2)
        await rig.turns(0.0001, 3)
    assert rig.log == []


async def test_the_error_of_a_packet_that_waited_comes_with_the_next_packets_one_for_each() -> None:
    async with reading() as rig:
        await rig.take(1, 4, BAD)
        await rig.take(5, 4, BAD)
        await rig.take(9)
        assert rig.client.raised == ["packet 1 is none"]
        await rig.take(10, 4)
        assert rig.client.raised == ["packet 1 is none", "packet 5 is none"]


async def test_the_error_of_a_packet_that_waited_keeps_no_request_from_being_taken() -> None:
    async with reading() as rig:
        await rig.take(1, 4, BAD)
        await rig.take(5, 4, BAD)
        await rig.send(CancelReply())
        await rig.take(9, 4, BAD)
    assert rig.log == [1, 5, "packet 1 is none", "packet 5 is none", "CancelReply", 9, "packet 9 is none"]
    assert rig.client.raised == []


async def test_a_packet_alone_that_cannot_be_heard_says_so_itself() -> None:
    async with reading() as rig:
        await rig.take(3, 0, BAD)
        assert rig.client.raised == ["packet 3 is none"]
