"""One session of a bench: what its listener says, and what becomes of each turn. Knows nothing of the others."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley import asr
from parley.conversation import (
    PACKET_SECONDS,
    AudioFormat,
    AudioPacket,
    Conversation,
    Duck,
    Encoding,
    ErrorEvent,
    Event,
    FlushPlayback,
    ReplyAudioEnd,
    SessionConfig,
    TurnReport,
    TurnTaking,
    UserDiscarded,
)
from parley.errors import Overloaded, ParleyError, Unavailable
from parley_cli.bench.barge_in import BargeIn
from parley_cli.bench.ledger import Ledger, Reason, Tally
from parley_cli.client import PACKET_SAMPLES, PREBUFFER_SECONDS, Listener, WithoutSilence, every_packet

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from parley.conversation import Request
    from parley_cli.bench.utterances import Utterance
    from parley_cli.client import Captured, WebSocket

_START_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = (0.3, 0.9)
_READY_SECONDS: Final = 30.0
# How much of a reply is heard before somebody speaks into it.
_HEARD_SECONDS: Final = (0.2, 0.6)
_PCM: Final = (AudioFormat(Encoding.PCM_S16LE, 16_000), AudioFormat(Encoding.PCM_S16LE, 24_000))


@dataclass(frozen=True, slots=True)
class Manner:
    """How all listeners behave."""

    utterances: tuple[Utterance, ...]
    """What they say, in any order."""
    silence: Captured
    """A packet of silence, to begin with."""
    silence_ms: int
    """The silence that is to end every turn."""
    head_start: bool
    """Replies may begin before a turn is certain to be over."""
    patience_seconds: float
    """How long the end of a turn is waited for, from the end of speech."""
    interrupts: float = 0.0
    """Share of the replies that are spoken into, 0 to 1."""
    pcm: bool = False
    """Sound is PCM in both directions, at 16 and 24 kHz; Opus otherwise."""
    leaves_out: bool = False
    """Silent packets are left out, as the page does it."""


def session_config(config: Manner) -> SessionConfig:
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
    heard, said = _PCM if config.pcm else (None, None)
    return SessionConfig(
        input=heard,
        output=said,
        endpointing=endpointing,
        turn_taking=taking,
        reports_playback=True,
        adaptive_ptime=True,
    )


class Session:
    """One conversation."""

    def __init__(
        self, socket: WebSocket, manner: Manner, tally: Tally, chance: random.Random, *, silent: bool = False
    ) -> None:
        """Speak over `socket` as `manner` says; what is seen goes to `tally`. One that is `silent` only listens."""
        self._socket = socket
        conversation = Conversation(self._send, socket)
        self._microphone = WithoutSilence(self._packet)
        microphone = self._microphone if manner.leaves_out else every_packet(self._packet)
        self._listener = Listener(conversation, microphone, self._take, session_config(manner), records=False)
        self._manner = manner
        self._tally = tally
        self._chance = chance
        self._ledger = Ledger(tally)
        self._barge_in = BargeIn(self._ledger, tally)
        self._silence = manner.silence
        self._silent = silent
        self._said = self._listen() if silent else self._speak()
        self._until = 0.0
        self._finished = asyncio.Event()
        self._told = ""

    async def open(self) -> None:
        """Wait until the session is ready.

        Raises:
            Overloaded: the gateway has no room for it.
            ParleyError: it is not let in, or does not become ready; the message says why.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._listener.open()
        except TimeoutError as error:
            why = f" ({self._told})" if self._told else ""
            raise Unavailable(f"a session is not ready after {_READY_SECONDS:.0f} s{why}") from error

    async def talk(self, seconds: float, ramp_seconds: float = 0.0) -> None:
        """Hold turns for so long, one at least, and hear the last one out; or be silent for so long.

        Who speaks begins at some moment within `ramp_seconds`, and a second at least, which is added to the time.
        """
        self._until = self._listener.now() + ramp_seconds + seconds
        # Who only listens has done so for a while, so that it is no longer the silence after a last word.
        await asyncio.sleep(
            self._chance.uniform(0, _START_SECONDS if self._silent else max(_START_SECONDS, ramp_seconds))
        )
        try:
            await self._listener.during(self._finished.wait)
        except ParleyError as error:
            if isinstance(error, Overloaded):
                self._tally.refused += 1
            else:
                self._tally.errors[str(error)] += 1
            self._ledger.give_up(Reason.CONNECTION_LOST)

    def _packet(self, number: int) -> Captured:
        """What the microphone gives; it is sent at once, unless it is silent."""
        packet, now = next(self._said), self._listener.now()
        due = self._listener.captured_at((number + 1) * PACKET_SAMPLES)
        self._ledger.captured()
        self._tally.send_late_ms.append((now - due) * 1000)
        return packet

    async def _send(self, request: Request) -> None:
        self._tally.sent += 1
        if isinstance(request, AudioPacket):
            packets = max(1, request.packets)
            self._tally.packets += packets
            self._ledger.sent(request.sequence + packets - 1, self._listener.now())
        await self._socket.send(request)

    def _speak(self) -> Iterator[Captured]:
        yield from self._pause()
        while not self._finished.is_set():
            yield from self._turn()
            yield from self._pause()
            if self._listener.now() >= self._until:
                self._finished.set()
        while True:
            yield self._silence

    def _listen(self) -> Iterator[Captured]:
        while True:
            yield self._silence
            if self._listener.now() >= self._until:
                self._finished.set()

    def _turn(self) -> Iterator[Captured]:
        yield from self._said_aloud(self._chance.choice(self._manner.utterances))
        ledger, heard = self._ledger, self._listener.loudspeaker.reply
        interrupts_after = self._interrupts_after()
        give_up_at = self._listener.now() + self._manner.patience_seconds
        while ledger.open and self._listener.now() < give_up_at:
            if self._hears_a_reply_since(heard, interrupts_after):
                heard, interrupts_after = self._listener.loudspeaker.reply, math.inf
                self._barge_in.begin(heard)
                yield from self._said_aloud(self._chance.choice(self._manner.utterances))
            else:
                yield self._silence
        ledger.give_up(Reason.TIMED_OUT)

    def _said_aloud(self, utterance: Utterance) -> Iterator[Captured]:
        self._ledger.begin(utterance.end_sample)
        yield from utterance.packets
        self._silence = utterance.packets[-1]

    def _interrupts_after(self) -> float:
        """How much of the reply is heard before it is spoken into, in seconds; infinite: all of it."""
        interrupts = self._chance.random() < self._manner.interrupts
        return self._chance.uniform(*_HEARD_SECONDS) if interrupts else math.inf

    def _hears_a_reply_since(self, reply: int, seconds: float) -> bool:
        """Whether the reply after `reply` has been coming for so long."""
        speaker = self._listener.loudspeaker
        if speaker.reply == reply or speaker.first_packet_seconds is None:
            return False
        return self._listener.now() - speaker.first_packet_seconds >= seconds and not speaker.finished

    def _pause(self) -> Iterator[Captured]:
        for _ in range(round(self._chance.uniform(*_PAUSE_SECONDS) / PACKET_SECONDS)):
            yield self._silence

    def _take(self, now: float, event: Event) -> None:
        self._tally.received += 1
        self._microphone.take(event)
        match event:
            case AudioPacket():
                self._ledger.arrived(self._listener.loudspeaker.reply, now)
                self._barge_in.arrived(self._listener.loudspeaker.reply, now)
                self._tally.late_ms.append(self._late_seconds(event.first_sample, now) * 1000)
            case ReplyAudioEnd():
                self._tally.underruns += self._listener.loudspeaker.underruns > 0
            case Duck():
                self._barge_in.ducked(event, now)
            case FlushPlayback():
                self._barge_in.flushed(event.reply)
            case UserDiscarded():
                self._ledger.discarded()
            case ErrorEvent():
                self._told = event.message
                self._ledger.failed(event)
            case TurnReport():
                self._ledger.reported(event)
            case _:
                pass

    def _late_seconds(self, first_sample: int, now: float) -> float:
        """How late a packet is for who began to play when the buffer should have been full."""
        speaker = self._listener.loudspeaker
        first = now if speaker.first_packet_seconds is None else speaker.first_packet_seconds
        return max(0.0, now - first - PREBUFFER_SECONDS - first_sample / speaker.sample_rate_hz)
