"""The sound of one reply on its way to the listener: cut into packets, encoded, and sent at the listener's pace.

Knows nothing of words.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from edge_gateway.reply.pacing import Pacer, PacingConfig
from parley._flag import Flag
from parley.audio import SAMPLE_BYTES
from parley.conversation import PACKET_SECONDS, AudioPacket

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_gateway.connection import ClientConnection

# The longest wait for the listener at once; it only makes the next look come.
_LOOK_SECONDS: Final = 10.0
# uvloop's timers may be half a millisecond early, and its clock stands still until the next one: who looks then looks
# 20 to 100 times more.
_TICK_SECONDS: Final = 0.001
# With more ahead of a listener the next packets can wait until the gateway is idle: a page plays from 60 ms on, and a
# network may be as late again. They are encoded in short pieces, since what is urgent waits for the end of one.
_ENOUGH_SECONDS: Final = 0.12
_MOST_AT_ONCE: Final = 5
# What a listener's reports may lag behind the clock before a reply counts as heard without them.
_PATIENCE_SECONDS: Final = 2.0


class PacketEncoder(Protocol):
    """Makes packets of exactly 20 ms of PCM."""

    @property
    def lookahead_samples(self) -> int:
        """How late the listener's decoder is: so much silence pushes the end of a reply out."""
        ...

    def encode(self, pcm: bytes) -> bytes:
        """One packet."""
        ...


class Stage(Protocol):
    """What surrounds the sound of a reply."""

    async def may_begin(self) -> None:
        """Return when the first packet may go; it goes right after that."""
        ...

    async def has_begun(self) -> None:
        """The first packet has gone."""
        ...

    async def may_go_on(self, spare_seconds: float) -> None:
        """Return when more packets may go: within `spare_seconds`, as the listener has enough for so long."""
        ...


class Playout:
    """Sends one reply's sound."""

    def __init__(
        self,
        number: int,
        connection: ClientConnection,
        make_encoder: Callable[[], PacketEncoder],
        pacing: PacingConfig,
        stage: Stage,
    ) -> None:
        """Send reply `number`, when `stage` lets it begin."""
        self._number = number
        self._connection = connection
        self._make_encoder = make_encoder
        self._encoder: PacketEncoder | None = None
        self._pacing = pacing
        self._pacer = Pacer(pacing)
        self._stage = stage
        self._pcm = bytearray()
        self._sequence = 0
        self._reported = Flag()
        self.played_samples = 0
        """What the listener has reported."""
        self.played_final = False
        """The listener will play no more of it."""

    @property
    def started(self) -> bool:
        """True once a packet has gone to the listener."""
        return self._sequence > 0

    @property
    def sent_samples(self) -> int:
        """Samples sent so far."""
        return self._pacer.sent_samples

    @property
    def position(self) -> int:
        """Samples that the listener has heard by now, as far as is known."""
        if self.played_final:
            return self.played_samples
        return max(0, min(self._pacer.position(self._now()), self._pacer.sent_samples))

    @property
    def _ahead_seconds(self) -> float:
        return (self.sent_samples - self.position) / self._pacing.sample_rate_hz

    def played(self, samples: int, round_trip_seconds: float, *, final: bool) -> None:
        """Take the listener's report."""
        self._pacer.played(samples, self._now(), round_trip_seconds=round_trip_seconds)
        self.played_samples = max(self.played_samples, min(samples, self._pacer.sent_samples))
        self.played_final = self.played_final or final
        self._reported.set()

    async def send(self, pcm: bytes) -> None:
        """Send what makes whole packets, as soon as the listener has room for them."""
        self._pcm += pcm
        size = self._pacing.packet_samples * SAMPLE_BYTES
        while len(self._pcm) >= size:
            first = not self.started
            if first:
                await self._stage.may_begin()
            allowed = await self._room()
            if (spare_seconds := self._ahead_seconds - _ENOUGH_SECONDS) > 0:
                await self._stage.may_go_on(spare_seconds)
            # The first packet goes alone: the listener need not wait until the others are encoded.
            packets = self._encode(1 if first else min(allowed, len(self._pcm) // size, _MOST_AT_ONCE))
            await self._connection.send_audio(packets)
            self._pacer.sent(len(packets), self._now())
            if first:
                await self._stage.has_begun()

    async def finish(self) -> None:
        """Send the end, padded to a whole packet and pushed out of the listener's decoder."""
        if not self._pcm and not self.started:
            return
        size = self._pacing.packet_samples * SAMPLE_BYTES
        lookahead = self._encoder.lookahead_samples if self._encoder else 0
        rest = bytes(lookahead * SAMPLE_BYTES)
        await self.send(rest + bytes(-(len(self._pcm) + len(rest)) % size))

    async def until_heard(self) -> None:
        """Wait until the listener has played everything, as they report or as the clock says."""
        by_clock = self._now() + self._ahead_seconds
        while not self.played_final and self.played_samples < self._pacer.sent_samples:
            limit = by_clock + (_PATIENCE_SECONDS if self.played_samples else 0)
            self._reported.clear()
            try:
                async with asyncio.timeout_at(limit):
                    await self._reported.wait()
            except TimeoutError:
                return

    def _encode(self, count: int) -> list[AudioPacket]:
        samples = self._pacing.packet_samples
        size = samples * SAMPLE_BYTES
        if self._encoder is None:
            self._encoder = self._make_encoder()
        packets = []
        for place in range(count):
            data = self._encoder.encode(bytes(self._pcm[place * size : (place + 1) * size]))
            packets.append(AudioPacket(data, self._sequence, reply=self._number, first_sample=self._sequence * samples))
            self._sequence += 1
        del self._pcm[: count * size]
        return packets

    async def _room(self) -> int:
        while not (allowed := self._pacer.allowed(self._now())):
            self._reported.clear()
            try:
                async with asyncio.timeout(min(self._pacer.hold(self._now()) + _TICK_SECONDS, _LOOK_SECONDS)):
                    await self._reported.wait()
            except TimeoutError:
                continue
        return allowed

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def pacing(sample_rate_hz: int, lead_seconds: float) -> PacingConfig:
    """How a reply at `sample_rate_hz` is paced."""
    return PacingConfig(sample_rate_hz, round(sample_rate_hz * PACKET_SECONDS), lead_seconds)
