"""A person with a microphone and a loudspeaker, as the gateway meets one: sends a packet every 20 ms, plays what comes.

What the microphone hears is asked of a function, packet by packet, so that a recording, a composed scene and the turns
of a bench are spoken by the same code. Knows nothing of files, of the transport or of what is measured.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Final, TypeVar

from parley._duplex import first_of
from parley.audio import SAMPLE_BYTES
from parley.conversation import (
    PACKET_SECONDS,
    AudioPacket,
    ClientMark,
    Conversation,
    Duck,
    Encoding,
    ErrorEvent,
    Event,
    FlushPlayback,
    MarkKind,
    PacketTime,
    Played,
    ReplyAudioEnd,
    ReplyStarted,
    Request,
    SessionConfig,
    SessionReady,
    error_of,
)
from parley.errors import Unavailable, WrongState
from parley_cli.client.loudspeaker import Loudspeaker
from parley_cli.client.opus import MIC_RATE_HZ, PacketDecoder
from parley_cli.client.repacketizer import Repacketizer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from parley_cli.client.microphone import Microphone
    from parley_cli.client.repacketizer import Outgoing

    Observer = Callable[[float, Event], None]
    """Is told every event, packets of sound too, and when it came on the listener's clock; after the loudspeaker."""

_REPORT_SECONDS: Final = 0.25
# Until the first sound of a reply is told: it belongs in the waterfall of a turn whose times are waited for.
_LOOK_SECONDS: Final = 0.1

T = TypeVar("T")


class Listener:
    """One person in one conversation; their loudspeaker has no latency.

    Example:
        async with converse(url) as conversation:
            await Listener(conversation, encoded(sound), observe).during(scene)
    """

    def __init__(
        self,
        conversation: Conversation,
        microphone: Microphone,
        observe: Observer,
        config: SessionConfig | None = None,
        *,
        records: bool = True,
    ) -> None:
        """Prepare for a session of `config`, which must say that playback is reported.

        Without `records` replies are not decoded: the loudspeaker only counts what it would play, and many listeners
        fit into one process.
        """
        self._conversation = conversation
        self._microphone = microphone
        self._observe = observe
        self._config = config or SessionConfig(reports_playback=True, adaptive_ptime=True)
        self._repacketizer = Repacketizer(self._config.input.encoding if self._config.input else Encoding.OPUS)
        self._records = records
        self._speaker: Loudspeaker | None = None
        self._is_opus = True
        self._decoder: PacketDecoder | None = None
        self._reported: set[MarkKind] = set()
        self._final_sent = True
        self._spoken_since = 0.0
        self.packets = 0
        """Packets that the microphone has captured: sent, held back or left out."""

    @property
    def loudspeaker(self) -> Loudspeaker:
        """What plays the replies.

        Raises:
            WrongState: the session is not ready yet.
        """
        if self._speaker is None:
            raise WrongState("the session is not ready yet")
        return self._speaker

    def now(self) -> float:
        """The listener's clock: seconds since the Unix epoch; it never jumps."""
        return self._conversation.now()

    def captured_at(self, sample: int) -> float:
        """When the microphone takes up `sample` of the session (48 kHz), on the listener's clock."""
        return self._spoken_since + sample / MIC_RATE_HZ

    async def send(self, request: Request) -> None:
        """Send anything but sound.

        Raises:
            Unavailable: the conversation is over.
        """
        await self._conversation.send(request)

    async def open(self) -> SessionReady:
        """Begin the session, and wait until it is ready.

        Raises:
            ParleyError: the gateway refuses, or ends the session.
        """
        await self._conversation.send(self._config)
        async for event in self._conversation:
            if self._config.adaptive_ptime and isinstance(event, ErrorEvent) and "adaptive_ptime" in event.message:
                # An older gateway, which does not know of it.
                self._config = dataclasses.replace(self._config, adaptive_ptime=False)
                await self._conversation.send(self._config)
                continue
            if isinstance(event, SessionReady):
                self._speaker = Loudspeaker(event.output.sample_rate_hz, self.now(), records=self._records)
                self._is_opus = event.output.encoding is Encoding.OPUS
            self._observe(self.now(), event)
            if isinstance(event, SessionReady):
                return event
            # What may be better later is worth waiting for.
            if isinstance(event, ErrorEvent) and not event.retryable:
                raise error_of(event)
        raise Unavailable("the gateway ended the session before it was ready")

    async def during(self, scene: Callable[[], Awaitable[T]]) -> T:
        """Listen and speak until `scene` is over, which opens the session if that was not done; gives what it returns.

        Raises:
            ParleyError: the gateway refuses, or ends the session.
            Exception: what `scene` or the observer raised, never wrapped in a group.
        """
        if self._speaker is None:
            await self.open()
        self._spoken_since = self.now()
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(work()) for work in (self._listen, self._speak, self._report)]
                result = await scene()
                for task in others:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise first_of(group) from None
        return result

    async def _speak(self) -> None:
        """Send what the microphone hears, each packet when its last sample has been captured."""
        while True:
            due = self._spoken_since + (self.packets + 1) * PACKET_SECONDS
            await asyncio.sleep(max(0.0, due - self.now()))
            outgoing = self._microphone(self.packets)
            self.packets += 1
            if not await self._send_packets(self._repacketizer.take(outgoing)):
                return

    async def _send_packets(self, outgoing: Sequence[Outgoing]) -> bool:
        """Send them; False when the conversation is over."""
        for number, data, left_out, _, packets in outgoing:
            captured_us = round(self._spoken_since * 1e6) + number * round(PACKET_SECONDS * 1e6)
            joined = packets if packets > 1 else 0
            if not await self._tell(AudioPacket(data, number, captured_us, left_out=left_out, packets=joined)):
                return False
        return True

    async def _report(self) -> None:
        """Tell the gateway what has been played: at the beginning, four times a second, and at the end of a reply."""
        while True:
            left = self.loudspeaker.seconds_left
            pause = _REPORT_SECONDS if MarkKind.FIRST_RENDERED in self._reported else _LOOK_SECONDS
            await asyncio.sleep(pause if left is None or self._final_sent else min(pause, left))
            self.loudspeaker.advance(self.now())
            if not self._final_sent:
                await self._tell_played()

    async def _tell_played(self) -> None:
        speaker = self.loudspeaker
        await self._mark(MarkKind.FIRST_PACKET, speaker.first_packet_seconds)
        await self._mark(MarkKind.FIRST_RENDERED, speaker.first_rendered_seconds)
        # This loudspeaker has no latency: what leaves the buffer can be heard.
        await self._mark(MarkKind.FIRST_AUDIBLE, speaker.first_rendered_seconds)
        self._final_sent = speaker.finished
        at = round(self.now() * 1e6)
        await self._tell(Played(speaker.reply, speaker.played_samples, at, speaker.underruns, final=speaker.finished))

    async def _mark(self, kind: MarkKind, at: float | None) -> None:
        if at is not None and kind not in self._reported:
            self._reported.add(kind)
            await self._tell(ClientMark(kind, self.loudspeaker.reply, round(at * 1e6)))

    async def _listen(self) -> None:
        async for event in self._conversation:
            now = self.now()
            await self._take(event, now)
            self._observe(now, event)
        raise Unavailable("the gateway ended the session")

    async def _take(self, event: Event, now: float) -> None:
        speaker = self.loudspeaker
        match event:
            case AudioPacket():
                self._push(event, now)
            case PacketTime():
                await self._send_packets(self._repacketizer.allow(event))
            case ReplyStarted():
                self._decoder = PacketDecoder(speaker.sample_rate_hz) if self._records and self._is_opus else None
                speaker.begin(event.reply)
                self._reported, self._final_sent = set(), False
            case ReplyAudioEnd():
                if self._decoder is not None:
                    self._play(self._decoder.finish(), now)
                speaker.end(now)
            case Duck():
                speaker.gain(event.gain_db, now)
            case FlushPlayback():
                speaker.flush(now)
                await self._tell_played()
            case _:
                pass

    def _push(self, packet: AudioPacket, now: float) -> None:
        speaker = self.loudspeaker
        if self._is_opus and not self._records:
            speaker.push(round(PACKET_SECONDS * speaker.sample_rate_hz), now)
        else:
            self._play(self._decoder.decode(packet.data) if self._decoder else packet.data, now)

    def _play(self, pcm: bytes, now: float) -> None:
        self.loudspeaker.push(len(pcm) // SAMPLE_BYTES, now, pcm if self._records else b"")

    async def _tell(self, request: Request) -> bool:
        """Send; False when the conversation is over, of which the events say why."""
        try:
            await self._conversation.send(request)
        except Unavailable:
            return False
        return True
