"""A session's way to the ASR server: packets in, events out, and no word lost when the server goes away.

A stream is open from the first sound on; one that is opened before only asks whether the server takes the session.
When it breaks, a new one is opened and hears again what was not accounted for. Knows nothing of replies or of who has
the floor.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_gateway.input.absent_sound import AbsentSound
from edge_gateway.input.answer_watch import ANSWER_SECONDS, AnswerWatch
from edge_gateway.input.demand import Demand
from edge_gateway.input.reading import Reading
from edge_gateway.input.relocation import Relocation
from edge_gateway.input.retries import Retries
from edge_gateway.input.stream_requests import StreamRequests
from edge_gateway.turn_taking.events import TurnLost
from parley import asr
from parley.audio import LISTENING_RATE_HZ
from parley.errors import AudioLost, DeadlinePassed, InvalidInput, NotFound, Overloaded, ParleyError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge_gateway.input.replay_buffer import HeardPacket
    from edge_gateway.input.uplink import Uplink
    from edge_gateway.servers.hops import Listens

_log = logging.getLogger("parley.gateway")

# What was said before a client closed its half is transcribed within this time, or not at all.
_LAST_WORDS_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the ASR server says."""

    event: asr.Event
    """In its own words."""
    packet: HeardPacket | None = None
    """The packet with the sample that it is about: a voice's first, a turn's last. None: none, or not kept any more."""


@dataclass(frozen=True, slots=True)
class HopFailed:
    """The ASR server could not be used, or lost what was said."""

    error: ParleyError
    """Why."""
    refused: bool = False
    """It refused what it was asked for."""
    in_force: asr.Config | None = None
    """What holds again in place of a change that was refused; None: nothing does, until the session is configured."""


@dataclass(frozen=True, slots=True)
class HopRecovered:
    """The ASR server, of which a failure was told, takes sound again."""

    engine: str
    """Its engine and model."""


RecognitionEvent = Heard | TurnLost | HopFailed | HopRecovered


class Recognition:
    """Has one session's sound transcribed."""

    def __init__(
        self,
        client: Listens,
        config: asr.Config,
        uplink: Uplink,
        emit: Callable[[RecognitionEvent], Awaitable[None]],
        begin: Callable[[], None] | None = None,
    ) -> None:
        """Prepare; nothing is opened before `run`. `emit` takes events.

        `begin` is called when there is something for a server, and sees to it that `run` runs; without it, `run` keeps
        a stream open from its beginning.
        """
        self._client = client
        self._requests = StreamRequests(config, uplink)
        self._changes = self._requests.changes
        self._uplink = uplink
        self._demand = Demand(begin)
        self.hear = self._demand.with_sound(uplink.hear)
        """Takes a packet from the microphone, and when it came, in nanoseconds; gives the samples that it brought.

        Raises InvalidInput where it cannot be decoded; the session goes on without it.
        """
        self._buffer = uplink.buffer
        self._emit = emit
        self._absence = AbsentSound(uplink)
        self._unfinished = self._is_finishing = False
        """A voice was heard whose turn is not over, on this stream or on one before it."""
        self._retries = Retries()
        self._relocation = Relocation(self._is_lull, self._demand)
        self._engine = ""

    def next_turn(self, traceparent: str, *, previous_ignored: bool = False) -> None:
        """Give the next turn a trace; `previous_ignored`: nothing is to be learnt from the one before."""
        self._requests.begin_turn(traceparent, previous_ignored=previous_ignored)

    def assistant(self, state: asr.Assistant) -> None:
        """Tell what the assistant is doing."""
        self._requests.tell_assistant(state)

    def flush(self) -> None:
        """Have everything finalised that was heard until now."""
        self._requests.flush()

    async def finish(self) -> None:
        """Flush, and wait until the server has accounted for everything that was heard; what takes too long is lost."""
        self._is_finishing = True
        self.flush()
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._uplink.accounted_for()
        except TimeoutError:
            await self._lose_turn(self._buffer.first_sample, self._buffer.next_sample)

    def reconfigure(self, config: asr.Config) -> None:
        """Change hints and endpointing from now on; what the server refuses is told as `HopFailed`, and undone."""
        self._requests.reconfigure(config)
        self._demand.arises()

    async def run(self) -> None:
        """Keep a stream open until cancelled; a failure is told as `HopFailed` once, and mended.

        Ends when a server has taken what the session is configured to, as long as there is nothing to be heard.
        """
        try:
            while await self._one_stream():
                await self._retries.pause()
        finally:
            self._absence.turn_is_over()

    async def _one_stream(self) -> bool:
        """One stream, from its opening to its end; False when another is of no use."""
        began_sample = self._buffer.first_sample
        try:
            await self._listen()
            error: ParleyError = DeadlinePassed("the asr server ended the stream")
        except ParleyError as raised:
            error = raised
        except TimeoutError:
            if not self._relocation.is_due:
                self._relocation.hangs()
            error = DeadlinePassed(f"the asr server has not answered for {ANSWER_SECONDS:g} s")
        finally:
            took_sound = self._requests.close()
        if self._uplink.is_turn_open:
            self._absence.turn_is_over()
            await self._emit(TurnLost())
        if self._relocation.is_due:
            self._retries.at_once()
            return self._demand.is_there
        if isinstance(error, InvalidInput | NotFound):
            return await self._refused(error)
        await self._broke(error, began_sample, took_sound=took_sound)
        return True

    async def _broke(self, error: ParleyError, began_sample: int, *, took_sound: bool) -> None:
        """The stream that had begun at a sample is over; another one is to come."""
        if self._changes.pending and not self._retries.failing:
            # A refusal that meets sound on its way loses its words; a stream that is opened with the change tells.
            self._changes.forget()
            self._retries.at_once()
            return
        elsewhere = isinstance(error, Unavailable | DeadlinePassed) and self._relocation.has_alternative
        if not self._retries.failing and not self._retries.elsewhere(possible=elsewhere):
            self._retries.failing = True
            await self._emit(HopFailed(error))
        first, end = self._buffer.first_sample, self._buffer.next_sample
        # A server that has too much to do breaks streams whatever is in them.
        has_too_much = isinstance(error, Overloaded) or self._relocation.is_slow()
        if took_sound and not has_too_much and self._retries.broke(began_sample, first) and end > first:
            _log.warning("%.1f s of sound are left out: they broke each stream", (end - first) / LISTENING_RATE_HZ)
            await self._lose_turn(first, end)

    async def _refused(self, error: ParleyError) -> bool:
        """Go back to what the server has taken before; False when that was nothing else."""
        in_force = self._changes.refuse()
        if in_force is not None:
            self._retries.at_once()
        await self._emit(HopFailed(error, refused=True, in_force=in_force))
        return in_force is not None

    async def _listen(self) -> None:
        async with Reading() as reading:
            endpointing, first_sample = self._changes.wanted.endpointing, self._buffer.first_sample
            watch = AnswerWatch(reading.stop, endpointing, first_sample, self._relocation.is_slow)

            async def act(event: asr.Event) -> None:
                watch.answered(event)
                if isinstance(event, asr.Ready):
                    self._requests.begin(watch)
                await self._take(event)

            requests, placement = self._requests.of_stream(watch), self._relocation.stream(reading.stop)
            try:
                async with self._client.transcribe(requests, placement) as events:
                    await reading.each(events, act, self._relocation.look)
            finally:
                watch.close()

    async def _take(self, event: asr.Event) -> None:
        """Note what an event means for the sound that is kept, and hand it on."""
        packet = None
        match event:
            case asr.Ready():
                self._engine = f"{event.engine} {event.model}".strip()
                self._demand.answered()
                await self._tell_of_loss()
            case asr.AudioAck():
                if self._retries.failing:
                    await self._emit(HopRecovered(self._engine))
                self._retries.works()
                self._changes.passed(event.received_samples)
                self._uplink.account_for(event.end_sample)
                return
            case asr.VoiceStopped():
                self._uplink.pausing = True
            case asr.SpeechStarted():
                # Behind a turn that was too long there was no silence, and is no onset.
                self._absence.turn_opens()
            case asr.VoiceOnset():
                self._uplink.pausing, self._unfinished = False, True
                self._absence.turn_opens()
                packet = self._buffer.with_sample(event.sample)
            case asr.EndOfTurn():
                self._requests.next_turn = event.turn + 1
                packet = self._buffer.with_sample(event.speech_end_sample - 1)
                self._turn_is_over(event.end_sample)
            case asr.TurnDiscarded():
                self._turn_is_over(event.end_sample)
            case _:
                pass
        await self._emit(Heard(event, packet))

    def _is_lull(self) -> bool:
        """Nobody speaks, and all that was said is accounted for, as far as the server has told."""
        return not (self._uplink.is_turn_open or self._unfinished or self._requests.is_flushed or self._is_finishing)

    def _turn_is_over(self, end_sample: int) -> None:
        self._uplink.pausing = self._unfinished = self._requests.is_flushed = False
        self._absence.turn_is_over()
        self._uplink.account_for(end_sample)

    async def _tell_of_loss(self) -> None:
        lost = self._uplink.take_lost()
        if lost and self._unfinished:
            await self._lose_turn(self._buffer.first_sample - lost, self._buffer.first_sample)
        elif lost:
            await self._emit(_lost_while_away(lost))

    async def _lose_turn(self, first_sample: int, end_sample: int) -> None:
        """No server will hear this sound, and the turn that it is a part of comes to nothing."""
        self._turn_is_over(end_sample)
        lost = asr.TurnDiscarded(self._requests.next_turn, asr.DiscardReason.ENGINE_FAILED, first_sample, end_sample)
        await self._emit(Heard(lost))


def _lost_while_away(samples: int) -> HopFailed:
    seconds = samples / LISTENING_RATE_HZ
    return HopFailed(AudioLost(f"{seconds:.1f} s of sound are lost: the asr server was away for too long"))
