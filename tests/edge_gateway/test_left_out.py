"""Silence that a client leaves out, and packets that it puts together: the same turns at the same places."""

from __future__ import annotations

from itertools import pairwise

from parley.conversation import AudioPacket, Encoding, ErrorEvent, PacketTime, SessionConfig, SessionReady, TurnReport
from parley_cli.client import Outgoing, PacketEncoder, Repacketizer
from tests.edge_gateway.rig import SILENCE, TONE, Listener, house, listening

# A room, a turn, and a turn after a longer silence: seconds, and what is heard; what may be left out is marked.
SCENE = [(5.0, SILENCE, True), (0.3, SILENCE, False), (0.8, TONE, False), (2.0, SILENCE, False)]
# As the page does it: of 48 packets of silence 4 are sent.
EVERY, SENT = 48, 4


class Microphone:
    """Sends scenes, all of them or without their silence."""

    def __init__(self, listener: Listener, *, leaves_out: bool, packet_ms: int) -> None:
        self._listener = listener
        self._leaves_out = leaves_out
        self._repacketizer = Repacketizer(Encoding.OPUS)
        self._packet_time = PacketTime(packet_ms, packet_ms)
        self._encoder = PacketEncoder()
        self._place = self._left_out = self.sent = 0

    async def send(self) -> None:
        self._repacketizer.allow(self._packet_time)
        for seconds, sound, is_silent in SCENE:
            for _ in range(round(seconds / 0.02)):
                data = self._encoder.encode(sound)
                if self._leaves_out and is_silent and self._place % EVERY >= SENT:
                    self._left_out += 1
                else:
                    for packet in self._repacketizer.take([Outgoing(self._place, data, self._left_out)]):
                        await self._send(packet)
                    self._left_out = 0
                    self.sent += 1
                self._place += 1
        for packet in self._repacketizer.allow(PacketTime(20, 20)):
            await self._send(packet)

    async def _send(self, packet: Outgoing) -> None:
        now_us, packets = self._listener.clock_us(), packet.packets
        await self._listener.send(
            AudioPacket(packet.data, packet.number, now_us, left_out=packet.left_out, packets=packets)
        )


async def reports(*, leaves_out: bool = False, packet_ms: int = 20) -> list[tuple[str, int | None]]:
    """What two turns were, and where each was found to be over."""
    async with house() as parley, listening(parley) as listener:
        microphone = Microphone(listener, leaves_out=leaves_out, packet_ms=packet_ms)
        found = []
        for _ in range(2):
            await microphone.send()
            report = await listener.until(TurnReport)
            found.append((report.transcript, report.decided_sample))
        assert not [event for event in listener.events if isinstance(event, ErrorEvent)]
        received = parley.telemetry.registry.get_sample_value("parley_audio_samples_received_total")
        assert received == microphone.sent * 320
    return found


async def test_turns_are_the_same_and_end_at_the_same_sample() -> None:
    left_out, whole = await reports(leaves_out=True), await reports()
    assert left_out == whole
    assert [transcript for transcript, _ in whole] == ["what time is it"] * 2


async def test_turns_of_packets_that_were_put_together_are_the_same() -> None:
    assert await reports(packet_ms=80) == await reports(leaves_out=True, packet_ms=120) == await reports()


async def test_a_client_is_told_how_long_its_packets_may_last_if_it_asks_for_that() -> None:
    async with house() as parley, listening(parley, SessionConfig(adaptive_ptime=True)) as listener:
        await listener.say_something()
        await listener.until(TurnReport)
        # What is said at the end of a turn comes after its report.
        await listener.until(PacketTime)
        told = [event for event in listener.events if isinstance(event, PacketTime)]
    assert isinstance(listener.events[0], SessionReady)
    assert told[0] == told[-1] == PacketTime(80, 80)
    assert told.index(PacketTime(20, 20)) < told.index(PacketTime(20, 80)), "a pause, and then a reply"
    assert all(one != other for one, other in pairwise(told))


async def test_a_client_that_does_not_ask_is_told_nothing_of_packets() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.say_something()
        await listener.until(TurnReport)
        assert not [event for event in listener.events if isinstance(event, PacketTime)]
