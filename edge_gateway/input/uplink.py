"""The sound of a session on its way to the ASR server: decoded, kept for as long as it may be needed again, and sent.

Knows nothing of streams, nor of what the server says.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from edge_gateway.input.microphone import Microphone, PacketDecoder
from edge_gateway.input.replay_buffer import KEPT_SECONDS, HeardPacket, ReplayBuffer
from edge_gateway.input.silence_gate import SilenceGate
from parley import asr
from parley._flag import Flag
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES, level_db
from parley.conversation import PacketTime
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_gateway.turn_taking.echo import MicrophoneLevels
    from parley.conversation import AudioPacket

_log = logging.getLogger("parley.gateway")

# A message costs about 100 µs on each side whatever its size, so four packets of 20 ms share one, except where a
# decision hangs on the next sound. What fills a gap is long, and fills a message too.
_MESSAGE_SAMPLES: Final = round(0.08 * LISTENING_RATE_HZ)
# Before a turn nothing hangs on silence: sound that follows it takes it along.
_SILENT_MESSAGE_SAMPLES: Final = round(0.2 * LISTENING_RATE_HZ)
# Clients are let put as many together, and of silence no more: so much of it is sent in one piece.
_LONG_PACKET_MS: Final = _MESSAGE_SAMPLES * 1000 // LISTENING_RATE_HZ
_PACKET_MS: Final = 20
# A server looks at sound in windows of its own; what is left over of the last one is never accounted for.
_LEFT_OVER_SAMPLES: Final = LISTENING_RATE_HZ // 10

# Levels are counted by packets of 20 ms.
_LEVEL_SAMPLES: Final = LISTENING_RATE_HZ // 50


class Uplink:
    """The sound of one session's microphone, and what of it the ASR server may have to hear again."""

    def __init__(
        self, make_decoder: Callable[[], PacketDecoder], levels: MicrophoneLevels, clock: Callable[[], int] = clock_ns
    ) -> None:
        """Hear nothing yet; `levels` hears along while a reply plays, `clock` gives Unix time in nanoseconds."""
        self.buffer = ReplayBuffer()
        """What the server has not accounted for."""
        self._assistant = asr.Assistant.IDLE
        self._pausing = self._is_turn_open = False
        self._sound_limit, self._silence_limit = _MESSAGE_SAMPLES, _SILENT_MESSAGE_SAMPLES
        """Samples from which on a message with sound in it goes, and one with silence only."""
        self._gate = SilenceGate()
        self._is_silent = True
        """What waits for its message is."""
        self.heard_seconds = 0.0
        """When the last packet came, loop time."""
        self._microphone = Microphone(make_decoder)
        self._levels = levels
        self._clock = clock
        self._batch: list[bytes] = []
        self._batch_samples = 0
        self._send: Callable[[asr.Audio], None] | None = None
        self._send_later: Callable[[asr.Audio], None] | None = None
        self._lost_samples = 0
        self._accounted = Flag()
        self._accounted_sample = 0

    @property
    def is_connected(self) -> bool:
        """True while a stream takes sound."""
        return self._send is not None

    @property
    def assistant(self) -> asr.Assistant:
        """What the assistant is doing."""
        return self._assistant

    @assistant.setter
    def assistant(self, state: asr.Assistant) -> None:
        self._assistant = state
        self._weigh()

    @property
    def pausing(self) -> bool:
        """The user's voice has fallen silent, for now."""
        return self._pausing

    @pausing.setter
    def pausing(self, pausing: bool) -> None:
        self._pausing = pausing
        self._weigh()

    @property
    def is_turn_open(self) -> bool:
        """A voice was heard whose turn is not over."""
        return self._is_turn_open

    @is_turn_open.setter
    def is_turn_open(self, is_open: bool) -> None:
        self._is_turn_open = is_open
        self._weigh()

    @property
    def packet_time(self) -> PacketTime:
        """How long packets may last: no longer than they would wait here for others to share a message."""
        limits = self._sound_limit, self._silence_limit
        return PacketTime(*(_PACKET_MS if limit == 1 else _LONG_PACKET_MS for limit in limits))

    def hear(self, packet: AudioPacket, received_ns: int) -> int:
        """Take a packet from the microphone; gives the samples that it brought.

        Raises:
            InvalidInput: it cannot be decoded; the session goes on without it.
        """
        sound = self._microphone.take(packet)
        # What waits for others to share a message has been decoded: its wait is one for the end of the turn.
        decoded_ns = self._clock()
        self.heard_seconds = asyncio.get_running_loop().time()
        pcm = sound.pcm
        if sound.left_out_samples:
            # A message is sound without a gap.
            self.flush()
            self.buffer.skip(sound.left_out_samples)
        speaks = self._assistant is asr.Assistant.SPEAKING
        if speaks or self._silence_limit > self._sound_limit:
            levels = _levels_db(pcm, packet.packets)
            if speaks:
                # What was left out was as loud as what is sent of the silence around it: the room.
                for level in (*levels[:1] * (sound.left_out_samples // _LEVEL_SAMPLES), *levels):
                    self._levels.hear(level)
            for level in levels:
                if not self._gate.is_silent(level):
                    self._is_silent = False
        samples = len(pcm) // SAMPLE_BYTES
        times = packet.captured_unix_us, received_ns, decoded_ns
        self._add(pcm, HeardPacket(self.buffer.next_sample, samples, sound.gap_samples, sound.kept, *times))
        return samples

    def be_silent(self, seconds: float) -> None:
        """Let sound that did not come count as silence."""
        samples, now_ns = round(seconds * LISTENING_RATE_HZ), self._clock()
        silence = HeardPacket(self.buffer.next_sample, samples, 0, b"", 0, now_ns, now_ns)
        self._add(bytes(samples * SAMPLE_BYTES), silence)
        self.flush()

    def connect(
        self, send: Callable[[asr.Audio], None], send_later: Callable[[asr.Audio], None]
    ) -> Iterator[asr.Audio]:
        """Send what is heard from now on to a new stream; gives what is kept, which comes before that.

        `send_later` takes sound on which no decision hangs.
        """
        # What waits for its message is sent with the rest.
        self._batch, self._batch_samples = [], 0
        self._send, self._send_later = send, send_later
        return _messages(self.buffer.replay(self._microphone.again()))

    def disconnect(self) -> None:
        """Keep what is heard, for the next stream."""
        self._send = self._send_later = None

    def flush(self) -> None:
        """Send what waits for its message."""
        self._flush(self._send)

    def _flush(self, send: Callable[[asr.Audio], None] | None) -> None:
        if not self._batch:
            return
        pcm = b"".join(self._batch) if len(self._batch) > 1 else self._batch[0]
        self._batch, self._batch_samples, self._is_silent = [], 0, True
        if send is not None and pcm:
            send(asr.Audio(pcm, self.buffer.next_sample - len(pcm) // SAMPLE_BYTES))

    def account_for(self, end_sample: int) -> None:
        """The server has accounted for everything before `end_sample`."""
        self.buffer.accounted(end_sample)
        self._accounted_sample = max(self._accounted_sample, end_sample)
        self._accounted.set()

    async def accounted_for(self) -> None:
        """Return when the server has accounted for everything that was heard."""
        while self.buffer.next_sample - self._accounted_sample > _LEFT_OVER_SAMPLES:
            self._accounted.clear()
            await self._accounted.wait()

    def take_lost(self) -> int:
        """Samples that were forgotten since this was asked last: no server had heard them."""
        lost, self._lost_samples = self._lost_samples, 0
        return lost

    def _weigh(self) -> None:
        """Let nothing wait in a pause, where the end of the turn hangs on it, nor sound that may interrupt a reply."""
        is_idle = self._assistant is asr.Assistant.IDLE
        self._sound_limit = _MESSAGE_SAMPLES if is_idle and not self._pausing else 1
        if self._pausing:
            self._silence_limit = 1
        elif is_idle and not self._is_turn_open:
            self._silence_limit = _SILENT_MESSAGE_SAMPLES
        else:
            self._silence_limit = _MESSAGE_SAMPLES
        if self._sound_limit == 1:
            self.flush()

    def _add(self, pcm: bytes, packet: HeardPacket) -> None:
        """Keep sound, and send it on when there is enough for a message."""
        self.buffer.add(packet)
        self._batch.append(pcm)
        self._batch_samples += packet.samples
        limit = self._silence_limit if self._is_silent else self._sound_limit
        if self._batch_samples >= limit:
            self._flush(self._send if limit == 1 else self._send_later)
            self._forget()

    def _forget(self) -> None:
        forgotten = self.buffer.forget_what_is_too_old()
        # A server that listens has it, and lags behind a client that sends faster than time.
        if forgotten and self._send is None:
            if not self._lost_samples:
                _log.warning("sound is lost: the asr server has been away for more than %d s", KEPT_SECONDS)
            self._lost_samples += forgotten


def _levels_db(pcm: bytes, packets: int) -> tuple[float, ...]:
    """How loud each of the packets is that were put together in one."""
    if packets <= 1:
        return (level_db(pcm),)
    size = len(pcm) // SAMPLE_BYTES // packets * SAMPLE_BYTES
    return tuple(level_db(pcm[place * size : (place + 1) * size]) for place in range(packets))


def _messages(sound: Iterator[tuple[int, bytes]]) -> Iterator[asr.Audio]:
    """Sound that is kept, with its places, as messages; it is asked for as they are."""
    message, first_sample = bytearray(), 0
    for sample, pcm in sound:
        if message and sample != first_sample + len(message) // SAMPLE_BYTES:
            # Something was left out between them.
            yield asr.Audio(bytes(message), first_sample)
            message.clear()
        if not message:
            first_sample = sample
        message += pcm
        if len(message) >= _MESSAGE_SAMPLES * SAMPLE_BYTES:
            yield asr.Audio(bytes(message), first_sample)
            message.clear()
    if message:
        yield asr.Audio(bytes(message), first_sample)
