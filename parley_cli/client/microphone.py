"""What a listener's microphone gives: packets of 20 ms, asked for one by one. Knows nothing of wires or clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from parley.audio import SAMPLE_BYTES
from parley.conversation import UserDiscarded, UserSpeechStarted, UserUtterance
from parley_cli.client.opus import PACKET_SAMPLES, PacketEncoder
from parley_cli.client.repacketizer import Outgoing
from parley_cli.client.silence import SilenceGate, level_db

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from parley.conversation import Event

    Capture = Callable[[int], "Captured"]
    """Gives packet number n, in the form that the session asked for."""
    Microphone = Callable[[int], "Sequence[Outgoing]"]
    """Gives what is to be sent when the time of packet number n has come: mostly that one."""

PACKET_BYTES: Final = PACKET_SAMPLES * SAMPLE_BYTES
"""Length of a packet as s16le at 48 kHz."""


class Captured(NamedTuple):
    """A packet of a microphone."""

    data: bytes
    """Opus or PCM."""
    level_db: float
    """How loud it is: RMS in dB of full scale."""


def every_packet(captured: Capture) -> Microphone:
    """A microphone for one session that sends all that it hears."""
    gate: SilenceGate[object] = SilenceGate()

    def heard(number: int) -> tuple[Outgoing]:
        data, level = captured(number)
        return (Outgoing(number, data, silent=gate.is_silent(level)),)

    return heard


class WithoutSilence:
    """A microphone for one session that holds silent packets back and leaves them out, as the page's does."""

    def __init__(self, captured: Capture) -> None:
        """Hear what `captured` gives."""
        self._captured = captured
        self._gate: SilenceGate[tuple[int, bytes]] = SilenceGate()

    def __call__(self, number: int) -> list[Outgoing]:
        """What is to be sent when the time of packet `number` has come."""
        data, level = self._captured(number)
        passed = self._gate.take((number, data), level)
        return [Outgoing(*packet, left_out, silent) for packet, left_out, silent in passed]

    def take(self, event: Event) -> None:
        """Learn from what the gateway says whether anything hangs on silence."""
        match event:
            case UserSpeechStarted():
                self._gate.hear_voice()
            # Who has typed may be speaking.
            case UserUtterance(typed=False) | UserDiscarded():
                self._gate.end_turn()
            case _:
                pass


def encoded(sound: Callable[[int], bytes]) -> Microphone:
    """A microphone for one session, whose packet n is what `sound` gives for it: 960 samples, s16le at 48 kHz."""
    return every_packet(capture(sound))


def capture(sound: Callable[[int], bytes]) -> Capture:
    """Captures, for one session, what `sound` gives for packet n: 960 samples, s16le at 48 kHz."""
    encoder = PacketEncoder()

    def captured(number: int) -> Captured:
        pcm = sound(number)
        return Captured(encoder.encode(pcm), level_db(pcm))

    return captured


def packet_of(pcm: bytes, number: int) -> bytes:
    """Packet `number` of a recording, s16le at 48 kHz; silence after its end."""
    return pcm[number * PACKET_BYTES : (number + 1) * PACKET_BYTES].ljust(PACKET_BYTES, b"\0")
