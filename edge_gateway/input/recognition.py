"""A session's way to the ASR server: packets in, events out, and no word lost when the server goes away.

When its stream breaks, a new one is opened and hears again what was not accounted for. Knows nothing of replies or of
who has the floor.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_gateway.input.answer_watch import ANSWER_SECONDS, AnswerWatch
from edge_gateway.input.microphone import Microphone, PacketDecoder
from edge_gateway.input.replay_buffer import HeardPacket
from edge_gateway.input.uplink import Uplink
from parley import asr
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES, level_db
from parley.errors import AudioLost, DeadlinePassed, InvalidInput, NotFound, ParleyError
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge_gateway.turn_taking.echo import MicrophoneLevels
    from parley.conversation import AudioPacket

_log = logging.getLogger("parley.gateway")

_RETRY_SECONDS: Final = 0.25
_SLOWEST_RETRY_SECONDS: Final = 2.0
# Sound that breaks as many streams is given up: it would break the next one too.
_MOST_HEARINGS: Final = 3
# In the middle of a turn, sound that stays away for so long is silence: a key let go, a microphone muted.
_ABSENT_SECONDS: Final = 1.5
_MORE_ABSENT_SECONDS: Final = 0.5
# A server looks at sound in windows of its own; what is left over of the last one is never accounted for.
_LEFT_OVER_SAMPLES: Final = LISTENING_RATE_HZ // 10


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


RecognitionEvent = Heard | HopFailed


class Recognition:
    """Has one session's sound transcribed."""

    def __init__(
        self,
        client: asr.AsrClient,
        config: asr.Config,
        make_decoder: Callable[[], PacketDecoder],
        levels: MicrophoneLevels,
        emit: Callable[[RecognitionEvent], Awaitable[None]],
    ) -> None:
        """Prepare; nothing is opened before `run`. `levels` hears along while a reply plays; `emit` takes events."""
        self._client = client
        self._levels = levels
        self._emit = emit
        self._microphone = Microphone(make_decoder)
        self._uplink = Uplink(config, self._microphone.again)
        self._buffer = self._uplink.buffer
        self._turn_open = asyncio.Event()
        self._heard_seconds = 0.0
        self._failing = False
        self._accounted = asyncio.Event()
        self._accounted_sample = 0
        self._hearings = (0, 0)
        """Where the last stream that broke had begun, and how many had begun there."""
        self._retry_seconds = _RETRY_SECONDS

    def hear(self, packet: AudioPacket, received_ns: int) -> int:
        """Take a packet from the microphone; gives the samples that it brought.

        Raises:
            InvalidInput: it cannot be decoded; the session goes on without it.
        """
        sound = self._microphone.take(packet)
        self._heard_seconds = asyncio.get_running_loop().time()
        if self._uplink.assistant is asr.Assistant.SPEAKING:
            self._levels.hear(level_db(sound.pcm))
        heard = HeardPacket(0, 0, sound.gap_samples, sound.kept, packet.captured_unix_us, received_ns)
        self._uplink.add(sound.pcm, heard)
        return heard.samples

    def next_turn(self, traceparent: str, *, previous_ignored: bool = False) -> None:
        """Give the next turn a trace; `previous_ignored`: nothing is to be learnt from the one before."""
        self._uplink.tell_turn(traceparent, previous_ignored=previous_ignored)

    def assistant(self, state: asr.Assistant) -> None:
        """Tell what the assistant is doing."""
        self._uplink.tell_assistant(state)

    def reconfigure(self, config: asr.Config) -> None:
        """Change hints and endpointing from now on; what the server refuses is told as `HopFailed`, and undone."""
        self._uplink.reconfigure(config)

    def flush(self) -> None:
        """Have everything finalised that was heard until now."""
        self._uplink.flush()

    async def finish(self) -> None:
        """Flush, and wait until the server has accounted for everything that was heard."""
        self.flush()
        while self._buffer.next_sample - self._accounted_sample > _LEFT_OVER_SAMPLES:
            self._accounted.clear()
            await self._accounted.wait()

    async def run(self) -> None:
        """Keep a stream open until cancelled; a failure is told as `HopFailed` once, and mended."""
        async with asyncio.TaskGroup() as tasks:
            absence = tasks.create_task(self._fill_absence(), name="absence")
            while await self._one_stream():
                await asyncio.sleep(self._retry_seconds)
                self._retry_seconds = min(max(2 * self._retry_seconds, _RETRY_SECONDS), _SLOWEST_RETRY_SECONDS)
            absence.cancel()

    async def _one_stream(self) -> bool:
        """One stream, from its opening to its end; False when another is of no use."""
        began_sample = self._buffer.first_sample
        try:
            await self._listen()
            error: ParleyError = DeadlinePassed("the asr server ended the stream")
        except ParleyError as raised:
            error = raised
        except TimeoutError:
            error = DeadlinePassed(f"the asr server has not answered for {ANSWER_SECONDS:g} s")
        finally:
            took_sound = self._uplink.close()
        if isinstance(error, InvalidInput | NotFound):
            in_force = self._uplink.configs.refused()
            self._retry_seconds = 0.0
            await self._emit(HopFailed(error, refused=True, in_force=in_force))
            return in_force is not None
        if not self._failing:
            self._failing = True
            await self._emit(HopFailed(error))
        if took_sound:
            await self._give_up_what_breaks_streams(began_sample)
        return True

    async def _give_up_what_breaks_streams(self, began_sample: int) -> None:
        at, hearings = self._hearings
        hearings = hearings + 1 if at == began_sample == self._buffer.first_sample else 1
        self._hearings = (self._buffer.first_sample, hearings)
        seconds = (self._buffer.next_sample - self._buffer.first_sample) / LISTENING_RATE_HZ
        if hearings >= _MOST_HEARINGS and seconds > 0:
            self._is_accounted_for(self._buffer.next_sample)
            self._hearings = (0, 0)
            await self._emit(HopFailed(AudioLost(f"{seconds:.1f} s of sound broke the asr server each time: left out")))

    async def _listen(self) -> None:
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(None) as timeout:
            watch = AnswerWatch(timeout, clock, self._uplink.configs.wanted.endpointing, self._buffer.first_sample)
            async with self._client.transcribe(self._uplink.requests(watch)) as events:
                async for event in events:
                    watch.answered(event)
                    await self._take(event)

    async def _take(self, event: asr.Event) -> None:
        """Note what an event means for the sound that is kept, and hand it on."""
        packet: HeardPacket | None = None
        match event:
            case asr.Ready():
                self._turn_open.clear()
                await self._tell_of_loss()
            case asr.AudioAck():
                # It takes sound again, and not only calls.
                self._failing, self._retry_seconds = False, _RETRY_SECONDS
                self._uplink.configs.received(event.received_samples)
                self._is_accounted_for(event.end_sample)
                return
            case asr.VoiceStopped():
                self._uplink.pausing = True
            case asr.VoiceOnset():
                self._uplink.pausing = False
                self._turn_open.set()
                packet = self._buffer.with_sample(event.sample)
            case asr.EndOfTurn():
                self._uplink.next_turn = event.turn + 1
                packet = self._buffer.with_sample(event.speech_end_sample - 1)
                self._turn_is_over(event.end_sample)
            case asr.TurnDiscarded():
                self._turn_is_over(event.end_sample)
            case _:
                pass
        await self._emit(Heard(event, packet))

    def _turn_is_over(self, end_sample: int) -> None:
        self._uplink.pausing = False
        self._turn_open.clear()
        self._is_accounted_for(end_sample)

    def _is_accounted_for(self, end_sample: int) -> None:
        self._buffer.accounted(end_sample)
        self._accounted_sample = max(self._accounted_sample, end_sample)
        self._accounted.set()

    async def _tell_of_loss(self) -> None:
        if self._uplink.lost_samples:
            seconds, self._uplink.lost_samples = self._uplink.lost_samples / LISTENING_RATE_HZ, 0
            _log.warning("%.1f s of sound are lost: the asr server has been away", seconds)
            lost = AudioLost(f"{seconds:.1f} s of sound are lost: the asr server was away for too long")
            await self._emit(HopFailed(lost))

    async def _fill_absence(self) -> None:
        """Let sound that stays away in the middle of a turn count as silence, so that the turn ends."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._turn_open.wait()
            absent_seconds = clock() - self._heard_seconds
            if absent_seconds < _ABSENT_SECONDS:
                await asyncio.sleep(_ABSENT_SECONDS - absent_seconds)
                continue
            if self._uplink.is_open:
                first_time = absent_seconds < _ABSENT_SECONDS + _MORE_ABSENT_SECONDS
                seconds = _ABSENT_SECONDS if first_time else _MORE_ABSENT_SECONDS
                silence = bytes(round(seconds * LISTENING_RATE_HZ) * SAMPLE_BYTES)
                self._uplink.add(silence, HeardPacket(0, 0, 0, b"", 0, clock_ns()))
                self._uplink.send_batch()
            await asyncio.sleep(_MORE_ABSENT_SECONDS)
