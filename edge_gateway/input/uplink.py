"""What goes up to the ASR server in one session, from one stream to the next: sound, and what the server is told.

Whatever was not accounted for, or came while no stream was open, goes up on the next one. Knows nothing of what comes
down.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from edge_gateway.input.replay_buffer import HeardPacket, ReplayBuffer
from edge_gateway.input.stream_config import StreamConfig
from parley import asr
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from edge_gateway.input.answer_watch import AnswerWatch

# A gRPC message costs about 100 µs on each side whatever its size, so four packets of 20 ms share one, except where a
# decision hangs on the next sound: in a pause the end of the turn, and while a reply plays its interruption.
_MESSAGE_SAMPLES: Final = round(0.08 * LISTENING_RATE_HZ)


class Uplink:
    """The way up of one session."""

    def __init__(self, config: asr.Config, again: Callable[[], Callable[[bytes], bytes]]) -> None:
        """Open the first stream with `config`; `again` makes what decodes kept packets once more."""
        self.buffer = ReplayBuffer()
        """What may have to be heard again."""
        self.configs = StreamConfig(config)
        """What the streams are configured to."""
        self.assistant = asr.Assistant.IDLE
        """What the assistant is doing."""
        self.next_turn = 1
        """Number of the turn that ends next."""
        self.pausing = False
        """The user's voice has fallen silent within a turn."""
        self.lost_samples = 0
        """Sound that was forgotten while no stream was open."""
        self._again = again
        self._context: asr.TurnContext | None = None
        self._context_in_opening: asr.TurnContext | None = None
        self._outgoing: asyncio.Queue[asr.Request] = asyncio.Queue()
        self._queued_samples = 0
        self._batch: list[bytes] = []
        self._batch_samples = 0
        self._watch: AnswerWatch | None = None

    @property
    def is_open(self) -> bool:
        """True while a stream takes sound."""
        return self._watch is not None

    def add(self, pcm: bytes, packet: HeardPacket) -> None:
        """Keep sound, and send it on when there is enough for a message."""
        packet.first_sample, packet.samples = self.buffer.next_sample, len(pcm) // SAMPLE_BYTES
        self.buffer.add(packet)
        self._batch.append(pcm)
        self._batch_samples += packet.samples
        may_wait = self.assistant is asr.Assistant.IDLE and not self.pausing
        if self._batch_samples >= (_MESSAGE_SAMPLES if may_wait else 1):
            self.send_batch()
        forgotten = self.buffer.forget_what_is_too_old()
        # A server that listens has it, and lags behind a client that sends faster than time.
        self.lost_samples += 0 if self.is_open else forgotten

    def send_batch(self) -> None:
        """Send what waits for others to share a message."""
        if not self._batch:
            return
        pcm = b"".join(self._batch) if len(self._batch) > 1 else self._batch[0]
        self.buffer.forwarded(len(self._batch), clock_ns())
        self._batch, self._batch_samples = [], 0
        if self.is_open and pcm:
            self._send_sound(pcm, self.buffer.next_sample - len(pcm) // SAMPLE_BYTES)

    def flush(self) -> None:
        """Have everything finalised that was sent until now."""
        self.send_batch()
        if self._watch is not None:
            self._watch.flushed()
        self._tell(asr.Flush())

    def tell_turn(self, traceparent: str, *, previous_ignored: bool) -> None:
        """Give the next turn a trace."""
        # The server numbers its turns, and uses the number of one that came to nothing again.
        self._context = asr.TurnContext(self.next_turn, traceparent, previous_ignored)
        self._tell(self._context)

    def tell_assistant(self, state: asr.Assistant) -> None:
        """Tell what the assistant is doing."""
        self.assistant = state
        self._tell(state)

    def reconfigure(self, config: asr.Config) -> None:
        """Change hints and endpointing from now on."""
        self.configs.change(config, self._queued_samples, asyncio.get_running_loop().time())
        self._tell(config)

    async def requests(self, watch: AnswerWatch) -> AsyncIterator[asr.Request]:
        """What one stream is sent; behind the first request comes nothing before the server is ready."""
        yield self._opening()
        self._begin(watch)
        while True:
            request = await self._outgoing.get()
            yield request
            if isinstance(request, asr.Audio):
                samples = len(request.pcm) // SAMPLE_BYTES
                watch.sent(samples, request.first_sample + samples)

    def close(self) -> bool:
        """The stream is over; True when it had taken sound."""
        watch, self._watch = self._watch, None
        return watch is not None and watch.sent_samples > 0

    def _opening(self) -> asr.Config:
        config, self._context_in_opening = self.configs.opening(), self._context
        return replace(
            config,
            first_sample=self.buffer.first_sample,
            first_turn=self.next_turn,
            traceparent=self._context.traceparent if self._context else config.traceparent,
        )

    def _begin(self, watch: AnswerWatch) -> None:
        """The server listens. It is told all that it must know in one go: no packet comes between."""
        self._watch, self._outgoing, self._queued_samples = watch, asyncio.Queue(), 0
        self.pausing = False
        change = self.configs.opened()
        if change is not None:
            self._tell(change)
        if self._context is not None and self._context is not self._context_in_opening:
            self._tell(self._context)
        if self.assistant is not asr.Assistant.IDLE:
            self._tell(self.assistant)
        # What waits for its message is heard again with the rest.
        self._batch, self._batch_samples = [], 0
        for first_sample, pcm in self.buffer.replay(self._again()):
            if pcm:
                self._send_sound(pcm, first_sample)

    def _send_sound(self, pcm: bytes, first_sample: int) -> None:
        self._queued_samples += len(pcm) // SAMPLE_BYTES
        self._tell(asr.Audio(pcm, first_sample))

    def _tell(self, request: asr.Request) -> None:
        if self.is_open:
            self._outgoing.put_nowait(request)
