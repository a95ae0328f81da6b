"""A session's way to the ASR server: packets in, events out, and no word lost when the server goes away.

The packets of everything that the server has not yet accounted for are kept (as Opus: 3 KB a second), so when its
stream breaks, a new one is opened and hears them again. Knows nothing of replies or of who has the floor.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from parley import asr
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES, level_db
from parley.errors import DeadlinePassed, InvalidInput, NotFound, ParleyError, Unavailable
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from edge_gateway.turn_taking.echo import DuckProbe
    from parley.conversation import AudioPacket

_log = logging.getLogger("parley.gateway")

# A gRPC message costs about 100 µs on each side whatever its size, so packets of 20 ms share one, except where a
# decision hangs on the next sound: in a pause the end of the turn, and while a reply plays its interruption.
_PACKETS_A_MESSAGE: Final = 4
# Longer than the longest turn (60 s) and its pre-roll and pauses.
_KEPT_SAMPLES: Final = 90 * LISTENING_RATE_HZ
# The server acknowledges about every second of sound; silence three times as long is a broken hop.
_SILENT_SECONDS: Final = 3.0
# After the voice stops: the longest pause within a turn (2 s) and 3 s for the words.
_FINAL_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.25
_SLOWEST_RETRY_SECONDS: Final = 2.0
# A longer gap in the sequence is a client that paused, not packets that were lost.
_MOST_CONCEALED_PACKETS: Final = 10


class PacketDecoder(Protocol):
    """Makes PCM at the listening rate of packets."""

    def decode(self, packet: bytes) -> bytes:
        """PCM of one packet; InvalidInput for what is none."""
        ...

    def conceal(self, samples: int) -> bytes:
        """Plausible PCM in place of lost packets."""
        ...


@dataclass(slots=True)
class HeardPacket:
    """A packet that the ASR server has not accounted for yet."""

    first_sample: int
    """Its place on the session's audio clock."""
    samples: int
    """Its length."""
    packet: AudioPacket
    """The packet."""
    received_ns: int
    """When it arrived."""
    forwarded_ns: int = 0
    """When its PCM was handed to the ASR stream; 0: it waits for others to share a message."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The end of a turn, with the packet that held its last voiced sample."""

    end: asr.EndOfTurn
    """What the server said."""
    last_voiced: HeardPacket | None
    """The packet; None when it is not kept any more."""


@dataclass(frozen=True, slots=True)
class HopFailed:
    """The ASR server could not be used."""

    error: ParleyError
    """Why."""
    final: bool
    """True when trying again is of no use until the session is configured anew."""


EarEvent = asr.Event | TurnEnded | HopFailed


class Ear:
    """Listens for one session."""

    def __init__(
        self,
        client: asr.AsrClient,
        config: asr.Config,
        make_decoder: Callable[[], PacketDecoder],
        probe: DuckProbe,
        emit: Callable[[EarEvent], Awaitable[None]],
    ) -> None:
        """Prepare; nothing is opened before `run`. `probe` hears along while a reply plays; `emit` takes events."""
        self._client = client
        self._config = config
        self._make_decoder = make_decoder
        self._decoder: PacketDecoder | None = None
        self._probe = probe
        self._emit = emit
        self._outgoing: asyncio.Queue[asr.Request] = asyncio.Queue()
        self._kept: deque[HeardPacket] = deque()
        self._batch: list[bytes] = []
        self._next_sample = 0
        self._next_turn = 1
        self._next_sequence = -1
        self._context: asr.TurnContext | None = None
        self._connected = False
        self._watch: asyncio.Timeout | None = None
        self._final_at: float | None = None
        self._failing = False
        self._losing = False
        self._pausing = False
        self._assistant = asr.Assistant.IDLE
        self._retry_seconds = _RETRY_SECONDS

    def hear(self, packet: AudioPacket, received_ns: int) -> int:
        """Take a packet from the microphone; gives the samples that it brought.

        Raises:
            InvalidInput: it cannot be decoded; the session goes on without it.
        """
        if self._decoder is None:
            self._decoder = self._make_decoder()
        lost = packet.sequence - self._next_sequence if self._next_sequence >= 0 else 0
        pcm = self._decoder.decode(packet.data)
        if 0 < lost <= _MOST_CONCEALED_PACKETS:
            pcm = self._decoder.conceal(lost * len(pcm) // SAMPLE_BYTES) + pcm
        self._next_sequence = packet.sequence + 1
        if self._assistant is asr.Assistant.SPEAKING:
            self._probe.hear(level_db(pcm))
        samples = len(pcm) // SAMPLE_BYTES
        self._batch.append(pcm)
        self._kept.append(HeardPacket(self._next_sample, samples, packet, received_ns))
        self._next_sample += samples
        if len(self._batch) >= self._packets_a_message:
            self._send_batch()
        self._forget_what_is_too_old()
        return samples

    def tell(self, request: asr.TurnContext | asr.Flush | asr.Assistant) -> None:
        """Tell the server something else; a `Flush` comes after all the sound before it."""
        if isinstance(request, asr.TurnContext):
            self._context = request
        elif isinstance(request, asr.Assistant):
            self._assistant = request
        if not self._connected:
            return
        if isinstance(request, asr.Flush):
            self._send_batch()
        self._outgoing.put_nowait(request)

    def reconfigure(self, config: asr.Config) -> None:
        """Change hints and endpointing from now on."""
        self._config = config
        if self._connected:
            self._outgoing.put_nowait(config)

    async def run(self) -> None:
        """Keep a stream open until cancelled; a failure is told as `HopFailed` once, and mended."""
        while True:
            try:
                await self._listen()
                error: ParleyError = DeadlinePassed("the asr server ended the stream")
            except ParleyError as raised:
                error = raised
            except TimeoutError:
                error = DeadlinePassed(f"the asr server has not answered for {_SILENT_SECONDS:g} s")
            finally:
                self._connected = False
            final = isinstance(error, InvalidInput | NotFound)
            if final or not self._failing:
                self._failing = True
                await self._emit(HopFailed(error, final))
            if final:
                return
            await asyncio.sleep(self._retry_seconds)
            self._retry_seconds = min(2 * self._retry_seconds, _SLOWEST_RETRY_SECONDS)

    async def _listen(self) -> None:
        """One stream, from its opening to its end."""
        self._outgoing = asyncio.Queue()
        self._final_at = None
        async with asyncio.timeout(_SILENT_SECONDS) as self._watch, self._client.transcribe(self._requests()) as events:
            async for event in events:
                self._rest()
                if isinstance(event, asr.Ready):
                    await self._tell_of_loss()
                elif isinstance(event, asr.AudioAck):
                    # It takes sound again, and not only calls.
                    self._failing, self._retry_seconds = False, _RETRY_SECONDS
                await self._handle(event)

    async def _tell_of_loss(self) -> None:
        if self._losing:
            self._losing = False
            seconds = _KEPT_SAMPLES // LISTENING_RATE_HZ
            lost = Unavailable(f"what was said more than {seconds} s before the asr server came back is lost")
            await self._emit(HopFailed(lost, final=False))

    async def _requests(self) -> AsyncIterator[asr.Request]:
        yield self._opening()
        self._hear_again()
        while True:
            yield await self._outgoing.get()
            self._watch_closely()

    def _opening(self) -> asr.Config:
        first_sample = self._kept[0].first_sample if self._kept else self._next_sample
        traceparent = self._context.traceparent if self._context else self._config.traceparent
        return replace(self._config, first_sample=first_sample, first_turn=self._next_turn, traceparent=traceparent)

    def _hear_again(self) -> None:
        """Send what a server before this one did not account for, with a decoder of its own."""
        self._connected = True
        self._batch = []
        if not self._kept:
            return
        decoder = self._make_decoder()
        for heard in self._kept:
            pcm = decoder.decode(heard.packet.data)
            missing = heard.samples * SAMPLE_BYTES - len(pcm)
            self._outgoing.put_nowait(asr.Audio(bytes(missing) + pcm, heard.first_sample))

    @property
    def _packets_a_message(self) -> int:
        return _PACKETS_A_MESSAGE if self._assistant is asr.Assistant.IDLE and not self._pausing else 1

    def _send_batch(self) -> None:
        if not self._batch:
            return
        pcm = b"".join(self._batch) if len(self._batch) > 1 else self._batch[0]
        now = clock_ns()
        for heard in islice(reversed(self._kept), len(self._batch)):
            heard.forwarded_ns = now
        self._batch = []
        if self._connected:
            self._outgoing.put_nowait(asr.Audio(pcm, self._next_sample - len(pcm) // SAMPLE_BYTES))

    async def _handle(self, event: asr.Event) -> None:
        match event:
            case asr.VoiceStopped():
                self._pausing = True
                self._final_at = asyncio.get_running_loop().time() + _FINAL_SECONDS
            case asr.VoiceOnset() | asr.TurnResumed():
                self._pausing, self._final_at = False, None
            case asr.EndOfTurn():
                self._pausing, self._final_at = False, None
                self._next_turn = event.turn + 1
                await self._emit(TurnEnded(event, self._packet_with(event.speech_end_sample - 1)))
                self._accounted(event.end_sample)
                return
            case asr.TurnDiscarded():
                self._pausing, self._final_at = False, None
                self._accounted(event.end_sample)
            case asr.AudioAck():
                self._accounted(event.end_sample)
            case _:
                pass
        await self._emit(event)

    def _watch_closely(self) -> None:
        """Sound is on its way: the server has so long to say anything at all, or the words it owes."""
        if self._watch is not None and self._watch.when() is None:
            at = asyncio.get_running_loop().time() + _SILENT_SECONDS
            self._watch.reschedule(min(at, self._final_at) if self._final_at else at)

    def _rest(self) -> None:
        if self._watch is not None:
            self._watch.reschedule(None)

    def _packet_with(self, sample: int) -> HeardPacket | None:
        for heard in reversed(self._kept):
            if heard.first_sample <= sample:
                return heard if sample < heard.first_sample + heard.samples else None
        return None

    def _accounted(self, end_sample: int) -> None:
        while self._kept and self._kept[0].first_sample + self._kept[0].samples <= end_sample:
            self._kept.popleft()

    def _forget_what_is_too_old(self) -> None:
        while self._next_sample - self._kept[0].first_sample > _KEPT_SAMPLES:
            gone = self._kept.popleft()
            if not self._losing:
                self._losing = True
                second = gone.first_sample // LISTENING_RATE_HZ
                _log.warning("sound is lost from second %d on: the asr server has been away too long", second)
