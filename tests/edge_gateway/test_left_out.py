"""Silence that a client leaves out: the same turns at the same places, and nothing is decoded."""

from __future__ import annotations

from parley.conversation import AudioPacket, ErrorEvent, TurnReport
from parley_cli.client import PacketEncoder
from tests.edge_gateway.rig import SILENCE, TONE, Listener, house, listening

# A room, a turn, and a turn after a longer silence: seconds, and what is heard; what may be left out is marked.
SCENE = [(5.0, SILENCE, True), (0.3, SILENCE, False), (0.8, TONE, False), (2.0, SILENCE, False)]
# As the page does it: of 48 packets of silence 4 are sent.
EVERY, SENT = 48, 4


class Microphone:
    """Sends scenes, all of them or without their silence."""

    def __init__(self, listener: Listener, *, leaves_out: bool) -> None:
        self._listener = listener
        self._leaves_out = leaves_out
        self._encoder = PacketEncoder()
        self._place = self._left_out = self.sent = 0

    async def send(self) -> None:
        for seconds, sound, is_silent in SCENE:
            for _ in range(round(seconds / 0.02)):
                data = self._encoder.encode(sound)
                if self._leaves_out and is_silent and self._place % EVERY >= SENT:
                    self._left_out += 1
                else:
                    packet = AudioPacket(data, self._place, self._listener.clock_us(), left_out=self._left_out)
                    await self._listener.send(packet)
                    self._left_out = 0
                    self.sent += 1
                self._place += 1


async def reports(*, leaves_out: bool) -> list[tuple[str, int | None]]:
    """What two turns were, and where each was found to be over."""
    async with house() as parley, listening(parley) as listener:
        microphone = Microphone(listener, leaves_out=leaves_out)
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
    left_out, whole = await reports(leaves_out=True), await reports(leaves_out=False)
    assert left_out == whole
    assert [transcript for transcript, _ in whole] == ["what time is it"] * 2
