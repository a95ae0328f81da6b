"""One listener of a bench, who speaks and hears at the pace of time. Knows nothing of the others, nor of figures."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley import asr
from parley.conversation import (
    AudioPacket,
    ClientMark,
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
    TurnReport,
    TurnTaking,
    UserDiscarded,
)
from parley.errors import Unavailable
from parley_cli.bench.ledger import Ledger, Reason, Tally
from parley_cli.bench.loudspeaker import Loudspeaker
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES

if TYPE_CHECKING:
    import random

    from parley_cli.bench.utterances import Utterance
    from parley_cli.client.websocket import WebSocket

_PACKET_SECONDS: Final = PACKET_SAMPLES / MIC_RATE_HZ
_START_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = (0.3, 0.9)
_READY_SECONDS: Final = 30.0
_FAREWELL_SECONDS: Final = 1.0
_STALE_SECONDS: Final = 0.1
"""How long nothing is to be told of a loudspeaker that is silent; it only makes the next look come."""


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """How all listeners behave."""

    utterances: tuple[Utterance, ...]
    """What they say, in any order."""
    silence: bytes
    """A packet of silence, to begin with."""
    silence_ms: int
    """The silence that is to end every turn."""
    head_start: bool
    """Replies may begin before a turn is certain to be over."""
    patience_seconds: float
    """How long the end of a turn is waited for, from the end of speech."""


def session_config(config: ListenerConfig) -> SessionConfig:
    """One silence that ends every turn, whatever its words or its speaker's habits."""
    silence = config.silence_ms
    endpointing = asr.Endpointing(
        eager_silence_ms=None if config.head_start else 0,
        finished_silence_ms=silence,
        default_silence_ms=silence,
        hesitant_silence_ms=silence,
        unfinished_silence_ms=silence,
        dictation_silence_ms=silence,
        patient_silence_ms=silence,
        patience_limit_ms=silence,
    )
    taking = TurnTaking(head_start=config.head_start)
    return SessionConfig(endpointing=endpointing, turn_taking=taking, reports_playback=True)


class Listener:
    """One conversation."""

    def __init__(self, socket: WebSocket, config: ListenerConfig, tally: Tally, chance: random.Random) -> None:
        """Hold a conversation over `socket` as `config` says; what is seen goes to `tally`."""
        self._socket = socket
        self._config = config
        self._tally = tally
        self._chance = chance
        self._ledger = Ledger(tally)
        self._silence = config.silence
        self._rate_hz = 0
        self._loudspeaker: Loudspeaker | None = None
        self._marked = False
        self._lost = False
        self._unix_offset = time.time() - time.monotonic()

    async def open(self) -> None:
        """Wait until the session is ready.

        Raises:
            Unavailable: it is not let in, or does not become ready; the message says why.
        """
        await self._socket.send(session_config(self._config))
        told = ""
        try:
            async with asyncio.timeout(_READY_SECONDS):
                async for event in self._socket:
                    if isinstance(event, SessionReady):
                        self._rate_hz = event.output.sample_rate_hz
                        return
                    if isinstance(event, ErrorEvent):
                        told = event.message
        except Unavailable as error:
            raise Unavailable(told or str(error)) from error
        except TimeoutError as error:
            why = f" ({told})" if told else ""
            raise Unavailable(f"a session is not ready after {_READY_SECONDS:.0f} s{why}") from error

    async def talk(self, until: float) -> None:
        """Hold turns until the time has come, one at least, and hear the last one out."""
        async with asyncio.TaskGroup() as tasks:
            hearing, playing = tasks.create_task(self._hear()), tasks.create_task(self._play())
            await self._speak(until)
            if self._lost:
                # Sending may fail before the reason has been read.
                await asyncio.wait([hearing], timeout=_FAREWELL_SECONDS)
            hearing.cancel()
            playing.cancel()
        self._ledger.give_up(Reason.CONNECTION_LOST)

    async def _speak(self, until: float) -> None:
        await asyncio.sleep(self._chance.uniform(0, _START_SECONDS))
        self._next_at = time.monotonic()
        await self._pause()
        while not self._lost:
            await self._turn()
            await self._pause()
            if time.monotonic() >= until:
                return

    async def _turn(self) -> None:
        utterance, ledger = self._chance.choice(self._config.utterances), self._ledger
        ledger.begin(utterance.end_sample)
        for packet in utterance.packets:
            await self._send(packet)
        self._silence = utterance.packets[-1]
        give_up_at = time.monotonic() + self._config.patience_seconds
        while ledger.open and not self._lost and time.monotonic() < give_up_at:
            await self._send(self._silence)
        ledger.give_up(Reason.CONNECTION_LOST if self._lost else Reason.TIMED_OUT)

    async def _pause(self) -> None:
        for _ in range(round(self._chance.uniform(*_PAUSE_SECONDS) / _PACKET_SECONDS)):
            await self._send(self._silence)

    async def _send(self, packet: bytes) -> None:
        delay = self._next_at - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        now = time.monotonic()
        captured_us = self._unix_us(now - _PACKET_SECONDS)
        number = self._ledger.packets
        self._ledger.sent(now)
        self._tally.send_late_ms.append((now - self._next_at) * 1000)
        self._next_at += _PACKET_SECONDS
        await self._tell(AudioPacket(packet, number, captured_us))

    async def _hear(self) -> None:
        try:
            async for event in self._socket:
                await self._handle(event, time.monotonic())
        except Unavailable as error:
            self._tally.errors[str(error)] += 1
            self._lost = True

    async def _handle(self, event: Event, now: float) -> None:
        ledger, loudspeaker = self._ledger, self._loudspeaker
        match event:
            case AudioPacket() if loudspeaker is not None:
                ledger.arrived(loudspeaker.reply, now)
                self._tally.late_ms.append(loudspeaker.packet(event.first_sample, now) * 1000)
            case ReplyStarted():
                self._loudspeaker, self._marked = Loudspeaker(event.reply, self._rate_hz), False
            case ReplyAudioEnd() if loudspeaker is not None:
                loudspeaker.end(event.samples)
                self._tally.underruns += loudspeaker.ran_dry
            case FlushPlayback() if loudspeaker is not None:
                loudspeaker.flush(now)
                await self._report(loudspeaker)
            case Ping():
                at = self._unix_us(now)
                await self._tell(Pong(event.id, at, self._unix_us(time.monotonic())))
            case UserDiscarded():
                ledger.discarded()
            case ErrorEvent():
                ledger.failed(event)
            case TurnReport():
                ledger.reported(event)
            case _:
                pass

    async def _play(self) -> None:
        """Tell the gateway what has been played, ten times a second and at the end of a reply."""
        while not self._lost:
            loudspeaker = self._loudspeaker
            at = loudspeaker.report_at if loudspeaker is not None else None
            now = time.monotonic()
            if loudspeaker is None or at is None or at > now:
                await asyncio.sleep(_STALE_SECONDS if at is None else at - now)
            else:
                await self._report(loudspeaker)

    async def _report(self, loudspeaker: Loudspeaker) -> None:
        now = time.monotonic()
        samples = loudspeaker.report(now)
        reply, underruns = loudspeaker.reply, int(loudspeaker.ran_dry)
        await self._tell(Played(reply, samples, self._unix_us(now), underruns, final=loudspeaker.finished))
        if not self._marked and loudspeaker.first_packet is not None and loudspeaker.began is not None:
            self._marked = True
            first, heard = self._unix_us(loudspeaker.first_packet), self._unix_us(loudspeaker.began)
            for kind, at in (
                (MarkKind.FIRST_PACKET, first),
                (MarkKind.FIRST_RENDERED, heard),
                (MarkKind.FIRST_AUDIBLE, heard),
            ):
                await self._tell(ClientMark(kind, reply, at))

    async def _tell(self, request: Request) -> None:
        try:
            await self._socket.send(request)
        except Unavailable:
            # Why it broke off is told where the events are read.
            self._lost = True

    def _unix_us(self, at: float) -> int:
        return round((at + self._unix_offset) * 1e6)
