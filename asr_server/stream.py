"""One session's stream: its requests are gone through in order, and its sound is acknowledged as it comes in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from asr_server.backlog import Backlog
from asr_server.engine import RATE_HZ
from asr_server.recognition import Recognition
from asr_server.stream_config import checked_update
from parley import asr
from parley.audio import SAMPLE_BYTES
from parley.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from asr_server.transcriber import Models
    from asr_server.turn_telemetry import TurnTelemetry

ACK_SAMPLES: Final = RATE_HZ
"""Sound received after which the client is told how far it is accounted for."""

_MAX_CHUNK_BYTES: Final = 60 * 1024
# While the engine works: what a gateway resends at most to a server that takes over (90 s), and half a minute more.
_MOST_WAITING_SAMPLES: Final = 120 * RATE_HZ
# As much as a request without sound weighs there.
_LEAST_SAMPLES: Final = RATE_HZ // 50
# A client that resends what a broken stream had not accounted for is ahead by that much, and a file by all of it.
_FASTER_THAN_LIVE_SECONDS: Final = 0.5


class Stream:
    """What one session sends, and what it is told."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        models: Models,
        config: asr.Config,
        telemetry: TurnTelemetry,
        write: Callable[[asr.Event], Awaitable[None]],
    ) -> None:
        """Recognise as `config` says, transcribing in `tasks`; `write` sends one event at a time to the client."""
        self._config = config
        self._telemetry = telemetry
        self._write = write
        # Words come from other tasks than voice.
        self._turn_to_write = asyncio.Lock()
        self._backlog: Backlog[asr.Request] = Backlog(_MOST_WAITING_SAMPLES)
        self._recognition = Recognition(tasks, models, config, telemetry, self)
        self._began = asyncio.get_running_loop().time()
        self._end_sample = config.first_sample
        self._received = self._acknowledged = 0
        self._acknowledged_end = config.first_sample

    async def take(self, request: asr.Request) -> None:
        """Take a request as it comes in; returns when the next one may come."""
        samples = 0
        if isinstance(request, asr.Audio):
            samples = len(request.pcm) // SAMPLE_BYTES
            self._received += samples
            self._end_sample = max(self._end_sample, request.first_sample + samples)
            self._telemetry.arrived(self._end_sample)
        is_live = not self._is_ahead(self._end_sample)
        if self._backlog.is_idle and self._recognition.goes_on(request, is_live=is_live):
            # Not by way of another task: that costs two turns of the event loop a message, one before a turn's end.
            await self._go_through(request, is_live=is_live)
        else:
            await self._backlog.put(request, max(samples, _LEAST_SAMPLES))
        # Silence that the client left out is not received, and passes all the same.
        if max(self._received - self._acknowledged, self._end_sample - self._acknowledged_end) >= ACK_SAMPLES:
            await self._acknowledge()

    def close(self) -> None:
        """Nothing more will come."""
        self._backlog.close()

    async def run(self) -> None:
        """Go through the requests, and finalise what was said when there are no more.

        Raises:
            ParleyError: a request cannot be served.
        """
        async for request in self._backlog.requests():
            await self._go_through(request, is_live=False)
        await self._recognition.flush(asr.EndReason.STREAM_END)
        await self._acknowledge()

    async def emit(self, event: asr.Event) -> None:
        """Send an event to the client."""
        async with self._turn_to_write:
            await self._write(event)

    def engine_works(self) -> AbstractContextManager[None]:
        """A block in which nothing goes on before the engine has answered; sound comes in all the same."""
        return self._backlog.engine_works()

    async def _go_through(self, request: asr.Request, *, is_live: bool) -> None:
        """Do what a request asks for; one that is not known to be live may have waited until it is."""
        match request:
            case asr.Audio(pcm=pcm):
                if len(pcm) > _MAX_CHUNK_BYTES:
                    raise TooLarge(f"a chunk of {len(pcm)} bytes: at most {_MAX_CHUNK_BYTES}", field="audio.pcm")
                await self._recognition.hear(request)
                if not is_live:
                    await self._keep_pace(request.first_sample + len(pcm) // SAMPLE_BYTES)
            case asr.TurnContext():
                self._telemetry.context(request.turn, request.traceparent)
                if request.previous_ignored:
                    self._recognition.forget_turn()
            case asr.Flush():
                await self._recognition.flush(asr.EndReason.FLUSH)
                await self._acknowledge()
            case asr.Assistant():
                self._recognition.assistant(request)
            case asr.Config():
                self._recognition.update(checked_update(self._config, request))

    async def _keep_pace(self, end_sample: int) -> None:
        """Let the engine answer what it was asked in a pause before a file goes on, as it could with a microphone."""
        if self._is_ahead(end_sample):
            await self._recognition.settled()

    def _is_ahead(self, end_sample: int) -> bool:
        """Whether the sound up to there cannot come from a microphone by now."""
        sent_seconds = (end_sample - self._config.first_sample) / RATE_HZ
        return sent_seconds - (asyncio.get_running_loop().time() - self._began) > _FASTER_THAN_LIVE_SECONDS

    async def _acknowledge(self) -> None:
        self._acknowledged, self._acknowledged_end = self._received, self._end_sample
        await self.emit(asr.AudioAck(self._recognition.accounted, self._received))
