"""What the ASR server is sent in one session, in its order, from one stream to the next: sound, and what it is told.

What it is told while no stream is open is told to the next one. Knows nothing of what the server says.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_gateway.input.config_changes import ConfigChanges
from parley import asr
from parley._pushed import Pushed
from parley.audio import SAMPLE_BYTES

if TYPE_CHECKING:
    from edge_gateway.input.answer_watch import AnswerWatch
    from edge_gateway.input.uplink import Uplink


class StreamRequests:
    """The requests of one session's streams."""

    def __init__(self, config: asr.Config, uplink: Uplink) -> None:
        """Open the first stream with `config`, and send the sound of `uplink`."""
        self.changes = ConfigChanges(config)
        """What the streams are configured to."""
        self.next_turn = 1
        """Number of the turn that ends next."""
        self._uplink = uplink
        self._context: asr.TurnContext | None = None
        self._context_in_opening: asr.TurnContext | None = None
        self._stream: Pushed[asr.Request] | None = None
        self._queued_samples = 0
        self._watch: AnswerWatch | None = None
        """Of the stream that takes requests."""
        self.is_flushed = False
        """The stream that is open was asked for what was heard, and has not answered."""

    def begin_turn(self, traceparent: str, *, previous_ignored: bool) -> None:
        """Give the next turn a trace; `previous_ignored`: nothing is to be learnt from the one before."""
        # The server numbers its turns, and uses the number of one that came to nothing again.
        self._context = asr.TurnContext(self.next_turn, traceparent, previous_ignored)
        self._tell_later(self._context)

    def tell_assistant(self, state: asr.Assistant) -> None:
        """Tell what the assistant is doing."""
        self._uplink.assistant = state
        self._tell_later(state)

    def flush(self) -> None:
        """Have everything finalised that was heard until now."""
        self._uplink.flush()
        if self._watch is not None:
            self._watch.flushed()
            self.is_flushed = True
        self._tell(asr.Flush())

    def reconfigure(self, config: asr.Config) -> None:
        """Change hints and endpointing from now on."""
        self.changes.propose(config, self._queued_samples, asyncio.get_running_loop().time())
        self._tell(config)

    def of_stream(self, watch: AnswerWatch) -> Pushed[asr.Request]:
        """What a new stream is sent, behind its first request only after `begin`; `watch` sees its sound go."""

        def went(request: asr.Request) -> None:
            if isinstance(request, asr.Audio):
                samples = len(request.pcm) // SAMPLE_BYTES
                watch.sent(samples, request.first_sample + samples)

        self._stream = Pushed(self._opening(), went)
        return self._stream

    def begin(self, watch: AnswerWatch) -> None:
        """The server listens: it is sent all that it must have first in one go, so that no packet comes between."""
        if self._watch is not None:
            return
        self._watch, self._queued_samples = watch, 0
        self._uplink.pausing = False
        change = self.changes.ready()
        if change is not None:
            self._tell(change)
        if self._context is not None and self._context is not self._context_in_opening:
            self._tell(self._context)
        if self._uplink.assistant is not asr.Assistant.IDLE:
            self._tell(self._uplink.assistant)
        self._queued_samples = self._uplink.buffer.next_sample - self._uplink.buffer.first_sample
        kept = self._uplink.connect(self._send_sound, self._send_sound_later)
        if self._stream is not None:
            self._stream.put_all(kept)

    def close(self) -> bool:
        """The stream is over; True when it had taken sound."""
        watch, self._watch, self._stream = self._watch, None, None
        self.is_flushed = False
        self._uplink.disconnect()
        return watch is not None and watch.sent_samples > 0

    def _opening(self) -> asr.Config:
        config, self._context_in_opening = self.changes.opening(), self._context
        return replace(
            config,
            first_sample=self._uplink.buffer.first_sample,
            first_turn=self.next_turn,
            traceparent=self._context.traceparent if self._context else config.traceparent,
        )

    def _send_sound(self, audio: asr.Audio) -> None:
        self._queued_samples += len(audio.pcm) // SAMPLE_BYTES
        self._tell(audio)

    def _send_sound_later(self, audio: asr.Audio) -> None:
        self._queued_samples += len(audio.pcm) // SAMPLE_BYTES
        self._tell_later(audio)

    def _tell(self, request: asr.Request) -> None:
        if self._watch is not None and self._stream is not None:
            self._stream.put(request)

    def _tell_later(self, request: asr.Request) -> None:
        """Tell what nothing hangs on before the sound that follows."""
        if self._watch is not None and self._stream is not None:
            self._stream.put_later(request)
