"""A person with a microphone and a loudspeaker, as the gateway meets one: sends a packet every 20 ms, plays what comes.

What the microphone hears is asked of a function, packet by packet, so that a recording and a composed scene are spoken
by the same code. Knows nothing of files or of what is measured.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeVar

from parley.conversation import (
    AudioPacket,
    ClientMark,
    Duck,
    ErrorEvent,
    Event,
    FlushPlayback,
    MarkKind,
    Ping,
    Played,
    Pong,
    ReplyAudioEnd,
    ReplyStarted,
    Request,
    SessionConfig,
    SessionReady,
)
from parley.errors import InvalidInput
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES, PacketDecoder, PacketEncoder
from parley_cli.client.playback import Playback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from parley_cli.client.socket import Conversation

PACKET_SECONDS: Final = PACKET_SAMPLES / MIC_RATE_HZ
REPLY_RATE_HZ: Final = 24_000
_REPORT_SECONDS: Final = 0.1

T = TypeVar("T")


class Listener:
    """One person in one conversation; their loudspeaker has no latency."""

    def __init__(
        self,
        conversation: Conversation,
        microphone: Callable[[int], bytes],
        config: SessionConfig,
        show: Callable[[float, Event], None],
    ) -> None:
        """Prepare for a session of `config`, which must say that playback is reported.

        `microphone` gives packet number n, s16le mono at 48 kHz; `show` gets every event but sound, and when it came,
        in seconds since the Unix epoch, after the loudspeaker has done what it says.
        """
        self._conversation = conversation
        self._microphone = microphone
        self._config = config
        self._show = show
        self._decoder = PacketDecoder(REPLY_RATE_HZ)
        self._reported: set[MarkKind] = set()
        self._final_sent = True
        self._ready = asyncio.Event()
        self.began = time.time()
        self.playback = Playback(REPLY_RATE_HZ, self.began)
        self.packets = 0
        """Packets that the microphone has sent."""

    async def during(self, scene: Callable[[], Awaitable[T]]) -> T:
        """Open the session, and listen and speak until `scene` is over; gives what it returns.

        Raises:
            InvalidInput: the gateway refuses the configuration.
            Unavailable: the gateway ended the session.
        """
        await self._conversation.send(self._config)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            await self._ready.wait()
            speaking = tasks.create_task(self._speak())
            reporting = tasks.create_task(self._report())
            result = await scene()
            for task in (listening, speaking, reporting):
                task.cancel()
        return result

    async def send(self, request: Request) -> None:
        """Send anything but sound."""
        await self._conversation.send(request)

    def captured_at(self, sample: int) -> float:
        """When the microphone takes up `sample` of the session, seconds since the Unix epoch."""
        return self._spoken_since + sample / MIC_RATE_HZ

    async def _speak(self) -> None:
        encoder = PacketEncoder()
        self._spoken_since = time.time()
        while True:
            captured = self._spoken_since + self.packets * PACKET_SECONDS
            await asyncio.sleep(max(0.0, captured + PACKET_SECONDS - time.time()))
            pcm = self._microphone(self.packets)
            await self._conversation.send(AudioPacket(encoder.encode(pcm), self.packets, round(captured * 1e6)))
            self.packets += 1

    async def _report(self) -> None:
        """Tell the gateway what has been played, ten times a second."""
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            self.playback.advance(time.time())
            if self.playback.reply and not self._final_sent:
                await self._tell_played()
                await self._tell_marks()

    async def _tell_played(self) -> None:
        playback = self.playback
        self._final_sent = playback.finished
        at = round(time.time() * 1e6)
        await self._conversation.send(
            Played(playback.reply, playback.played_samples, at, playback.underruns, final=playback.finished)
        )

    async def _tell_marks(self) -> None:
        playback = self.playback
        times = {
            MarkKind.FIRST_PACKET: playback.first_packet_seconds,
            MarkKind.FIRST_RENDERED: playback.first_rendered_seconds,
            # This loudspeaker has no latency: what leaves the buffer can be heard.
            MarkKind.FIRST_AUDIBLE: playback.first_rendered_seconds,
        }
        for kind, seconds in times.items():
            if seconds is not None and kind not in self._reported:
                self._reported.add(kind)
                await self._conversation.send(ClientMark(kind, playback.reply, round(seconds * 1e6)))

    async def _listen(self) -> None:
        async for event in self._conversation.events():
            now = time.time()
            await self._handle(event, now)
            if not isinstance(event, AudioPacket):
                self._show(now, event)

    async def _handle(self, event: Event, now: float) -> None:
        playback = self.playback
        match event:
            case SessionReady():
                self._ready.set()
            case Ping():
                await self._conversation.send(Pong(event.id, round(now * 1e6), round(time.time() * 1e6)))
            case ErrorEvent() if not self._ready.is_set() and not event.retryable:
                raise InvalidInput(event.message, field=event.field)
            case AudioPacket():
                playback.push(self._decoder.decode(event.data), now)
            case ReplyStarted():
                self._decoder = PacketDecoder(REPLY_RATE_HZ)
                playback.begin(event.reply)
                self._reported, self._final_sent = set(), False
            case ReplyAudioEnd():
                playback.end(now)
            case Duck():
                playback.gain(event.gain_db, now)
            case FlushPlayback():
                playback.flush(now)
                await self._tell_marks()
                await self._tell_played()
            case _:
                pass
