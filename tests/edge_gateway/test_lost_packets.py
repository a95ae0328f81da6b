"""Packets that never arrive: the session lives, and what was said around the gap is answered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest

from parley.conversation import AudioFormat, AudioPacket, Encoding, Outcome, SessionConfig, TurnReport, pack_mic
from parley_cli.client import PacketEncoder
from tests.edge_gateway.rig import SILENCE, TONE, Listener, house, listening

if TYPE_CHECKING:
    from collections.abc import Callable

PACKET_SECONDS: Final = 0.02


class Microphone:
    """Sends packets of some length, with gaps in their numbers."""

    def __init__(self, listener: Listener, encoding: Encoding, packets_in_one: int = 1) -> None:
        self._listener = listener
        self._encoding = encoding
        self._encoder = PacketEncoder()
        self._in_one = packets_in_one
        self._sequence = 0

    async def send(self, seconds: float, sound: bytes) -> None:
        for _ in range(round(seconds / PACKET_SECONDS / self._in_one)):
            pieces = [self._piece(sound) for _ in range(self._in_one)]
            data = _in_one_packet(pieces) if self._encoding is Encoding.OPUS else b"".join(pieces)
            packet = AudioPacket(data, self._sequence % 2**32, round(time.time() * 1e6))
            self._sequence += 1
            await self._listener.socket.send_bytes(pack_mic(packet, self._encoding))

    @property
    def seconds(self) -> float:
        """How long it has been on, with what was lost."""
        return self._sequence * self._in_one * PACKET_SECONDS

    def lose(self, packets: int) -> None:
        self._sequence += packets

    def _piece(self, sound: bytes) -> bytes:
        return self._encoder.encode(sound) if self._encoding is Encoding.OPUS else sound


def _in_one_packet(packets: list[bytes]) -> bytes:
    """One Opus packet of several frames, each of a length of its own (RFC 6716, section 3.2.5)."""
    if len(packets) == 1:
        return packets[0]
    frames = [packet[1:] for packet in packets]
    lengths = b"".join(_length(len(frame)) for frame in frames[:-1])
    several, variable = 0b11, 0b1000_0000
    assert packets[0][0] & several == 0, "one frame in each"
    return bytes((packets[0][0] | several, variable | len(frames))) + lengths + b"".join(frames)


def _length(size: int) -> bytes:
    """How a frame's length is written (RFC 6716, section 3.2.1)."""
    longest_in_one = 251
    if size <= longest_in_one:
        return bytes((size,))
    first = 252 + (size & 3)
    return bytes((first, (size - first) // 4))


OPUS, PCM = AudioFormat(Encoding.OPUS, 48_000), AudioFormat(Encoding.PCM_S16LE, 48_000)


@pytest.mark.parametrize(
    ("form", "packets_in_one", "sound", "longest"),
    [
        pytest.param(OPUS, 1, SILENCE, 50, id="opus-20ms-in silence"),
        pytest.param(OPUS, 3, SILENCE, 16, id="opus-60ms-in silence"),
        pytest.param(PCM, 1, SILENCE, 50, id="pcm-20ms-in silence"),
        # More would be a pause that ends the turn.
        pytest.param(OPUS, 1, TONE, 14, id="opus-20ms-in speech"),
        pytest.param(OPUS, 3, TONE, 5, id="opus-60ms-in speech"),
        pytest.param(PCM, 1, TONE, 10, id="pcm-20ms-in speech"),
    ],
)
async def test_a_session_lives_through_gaps_of_any_length_and_answers(
    form: AudioFormat, packets_in_one: int, sound: bytes, longest: int
) -> None:
    async with house() as parley, listening(parley, SessionConfig(input=form)) as listener:
        microphone = Microphone(listener, form.encoding, packets_in_one)
        await microphone.send(0.24, SILENCE)
        for gap in range(1, longest + 1):
            await microphone.send(0.06 if sound is SILENCE else 0.12, sound)
            microphone.lose(gap)
        await microphone.send(0.6, TONE)
        await microphone.send(2.4, SILENCE)
        report = await listener.until(TurnReport)
    heard = parley.telemetry.registry.get_sample_value("parley_audio_samples_received_total")
    # What is lost has its place in time all the same; a resampler holds back a little of what it has.
    assert heard == pytest.approx(microphone.seconds * 16_000, rel=0.001 if form is OPUS else 0.03)
    assert (report.turn, report.transcript, report.outcome) == (1, "what time is it", Outcome.COMPLETED)
    assert "ErrorEvent" not in {type(event).__name__ for event in listener.events}


@pytest.mark.parametrize(
    "renumber",
    [
        pytest.param(lambda _: 0, id="begins anew"),
        pytest.param(lambda sequence: sequence + 100_000, id="jumps ahead"),
        pytest.param(lambda _: 2**32 - 5, id="runs over its end"),
    ],
)
async def test_a_client_that_counts_anew_is_heard(renumber: Callable[[int], int]) -> None:
    async with house() as parley, listening(parley) as listener:
        microphone = Microphone(listener, Encoding.OPUS)
        await microphone.send(0.3, SILENCE)
        microphone.lose(renumber(15) - 15)
        await microphone.send(0.1, SILENCE)
        await microphone.send(0.8, TONE)
        await microphone.send(1.4, SILENCE)
        report = await listener.until(TurnReport)
    assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)
