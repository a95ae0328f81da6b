"""One stream to the ASR server while it is open: what is still to be sent on it, and what the server owes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from parley import asr
from parley.audio import SAMPLE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edge_gateway.input.answer_watch import AnswerWatch
    from edge_gateway.input.uplink import Uplink


class OpenStream:
    """What goes to the ASR server."""

    def __init__(self, watch: AnswerWatch) -> None:
        """Tell `watch` what is sent."""
        self.watch = watch
        """What the server owes."""
        self.takes_sound = False
        """The server has taken the configuration."""
        self._outgoing: asyncio.Queue[asr.Request] = asyncio.Queue()

    def put(self, request: asr.Request) -> None:
        """Send a request when those before it are gone; nothing, before the stream takes sound."""
        if self.takes_sound:
            self._outgoing.put_nowait(request)

    async def requests(self, opening: asr.Config, uplink: Uplink) -> AsyncIterator[asr.Request]:
        """Everything that is sent: the configuration, what the assistant is doing, the sound from `uplink`."""
        yield opening
        self.takes_sound = True
        uplink.pausing = False
        if uplink.assistant is not asr.Assistant.IDLE:
            yield uplink.assistant
        uplink.connect(self.put)
        while True:
            request = await self._outgoing.get()
            yield request
            if isinstance(request, asr.Audio):
                samples = len(request.pcm) // SAMPLE_BYTES
                self.watch.sent(samples, request.first_sample + samples)
