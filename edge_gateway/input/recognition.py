"""A session's way to the ASR server: packets in, events out, and no word lost when the server goes away.

When its stream breaks, a new one is opened and hears again what was not accounted for. Knows nothing of replies or of
who has the floor.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edge_gateway.input.answer_watch import ANSWER_SECONDS, AnswerWatch
from edge_gateway.input.microphone import Microphone, PacketDecoder
from edge_gateway.input.replay_buffer import KEPT_SECONDS, HeardPacket, ReplayBuffer
from edge_gateway.turn_taking.events import TurnLost
from parley import asr
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES, level_db
from parley.errors import AudioLost, DeadlinePassed, InvalidInput, NotFound, ParleyError
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from edge_gateway.turn_taking.echo import MicrophoneLevels
    from parley.conversation import AudioPacket

_log = logging.getLogger("parley.gateway")

# A gRPC message costs about 100 µs on each side whatever its size, so packets of 20 ms share one, except where a
# decision hangs on the next sound: in a pause the end of the turn, and while a reply plays its interruption.
_PACKETS_A_MESSAGE: Final = 4
# What fills a gap is long, and a message of the ASR server's is not: no other packet waits with so much sound.
_FULL_MESSAGE_SAMPLES: Final = LISTENING_RATE_HZ // 4
_RETRY_SECONDS: Final = 0.25
_SLOWEST_RETRY_SECONDS: Final = 2.0
# Sound that breaks as many streams is given up: it would break the next one too.
_MOST_HEARINGS: Final = 3
# In the middle of a turn, sound that stays away for so long is silence: a key let go, a microphone muted.
_ABSENT_SECONDS: Final = 1.5
# A server looks at sound in windows of its own; what is left over of the last one is never accounted for.
_LEFT_OVER_SAMPLES: Final = LISTENING_RATE_HZ // 10
_MORE_ABSENT_SECONDS: Final = 0.5


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


RecognitionEvent = Heard | TurnLost | HopFailed


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
        self._config = self._agreed = config
        self._proposed: list[tuple[int, asr.Config]] = []
        """Changes that the server has not passed yet, each with the sound that was sent before it."""
        self._levels = levels
        self._emit = emit
        self._microphone = Microphone(make_decoder)
        self._buffer = ReplayBuffer()
        self._outgoing: asyncio.Queue[asr.Request] = asyncio.Queue()
        self._watch: AnswerWatch | None = None
        """While a stream is open and takes sound."""
        self._batch: list[bytes] = []
        self._next_turn = 1
        self._context: asr.TurnContext | None = None
        self._assistant = asr.Assistant.IDLE
        self._pausing = False
        self._turn_open = asyncio.Event()
        self._heard_seconds = 0.0
        self._failing = False
        self._lost_samples = 0
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
        if self._assistant is asr.Assistant.SPEAKING:
            self._levels.hear(level_db(sound.pcm))
        self._add(sound.pcm, HeardPacket(0, 0, sound.gap_samples, sound.kept, packet.captured_unix_us, received_ns))
        return len(sound.pcm) // SAMPLE_BYTES

    def next_turn(self, traceparent: str, *, previous_ignored: bool = False) -> None:
        """Give the next turn a trace; `previous_ignored`: nothing is to be learnt from the one before."""
        # The server numbers its turns, and uses the number of one that came to nothing again.
        self._context = asr.TurnContext(self._next_turn, traceparent, previous_ignored)
        self._tell(self._context)

    def assistant(self, state: asr.Assistant) -> None:
        """Tell what the assistant is doing."""
        self._assistant = state
        self._tell(state)

    def flush(self) -> None:
        """Have everything finalised that was heard until now."""
        self._send_batch()
        if self._watch is not None:
            self._watch.flushed()
        self._tell(asr.Flush())

    async def finish(self) -> None:
        """Flush, and wait until the server has accounted for everything that was heard."""
        self.flush()
        while self._buffer.next_sample - self._accounted_sample > _LEFT_OVER_SAMPLES:
            self._accounted.clear()
            await self._accounted.wait()

    def _tell(self, request: asr.Request) -> None:
        if self._watch is not None:
            self._outgoing.put_nowait(request)

    def reconfigure(self, config: asr.Config) -> None:
        """Change hints and endpointing from now on; what the server refuses is told as `HopFailed`, and undone."""
        self._config = config
        self._proposed.append((self._watch.sent_samples if self._watch is not None else 0, config))
        self._tell(config)

    async def run(self) -> None:
        """Keep a stream open until cancelled; a failure is told as `HopFailed` once, and mended."""
        async with asyncio.TaskGroup() as tasks:
            absence = tasks.create_task(self._fill_absence(), name="absence")
            while await self._one_stream():
                await asyncio.sleep(self._retry_seconds)
                self._retry_seconds = min(2 * self._retry_seconds, _SLOWEST_RETRY_SECONDS)
            absence.cancel()

    async def _one_stream(self) -> bool:
        """One stream, from its opening to its end; False when another is of no use."""
        began_sample, took_sound = self._buffer.first_sample, False
        try:
            await self._listen()
            error: ParleyError = DeadlinePassed("the asr server ended the stream")
        except ParleyError as raised:
            error = raised
        except TimeoutError:
            error = DeadlinePassed(f"the asr server has not answered for {ANSWER_SECONDS:g} s")
        finally:
            took_sound, self._watch = self._watch is not None, None
        if self._turn_open.is_set():
            self._turn_open.clear()
            await self._emit(TurnLost())
        if isinstance(error, InvalidInput | NotFound):
            undone = self._agreed if self._proposed else None
            self._proposed, self._config, self._retry_seconds = [], self._agreed, 0.0
            await self._emit(HopFailed(error, refused=True, in_force=undone))
            return undone is not None
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
            self._buffer.accounted(self._buffer.next_sample)
            self._hearings = (0, 0)
            await self._emit(HopFailed(AudioLost(f"{seconds:.1f} s of sound broke the asr server each time: left out")))

    async def _listen(self) -> None:
        self._outgoing = asyncio.Queue()
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(None) as timeout:
            watch = AnswerWatch(timeout, clock, self._config.endpointing, self._buffer.first_sample)
            async with self._client.transcribe(self._requests(watch)) as events:
                async for event in events:
                    watch.answered(event)
                    await self._take(event)

    async def _requests(self, watch: AnswerWatch) -> AsyncIterator[asr.Request]:
        yield self._opening()
        self._watch = watch
        self._pausing = False
        if self._assistant is not asr.Assistant.IDLE:
            yield self._assistant
        # What waits for its message is heard again with the rest.
        self._batch = []
        for first_sample, pcm in self._buffer.replay(self._microphone.again()):
            self._outgoing.put_nowait(asr.Audio(pcm, first_sample))
        while True:
            request = await self._outgoing.get()
            yield request
            if isinstance(request, asr.Audio):
                samples = len(request.pcm) // SAMPLE_BYTES
                watch.sent(samples, request.first_sample + samples)

    def _opening(self) -> asr.Config:
        return replace(
            self._config,
            first_sample=self._buffer.first_sample,
            first_turn=self._next_turn,
            traceparent=self._context.traceparent if self._context else self._config.traceparent,
        )

    def _add(self, pcm: bytes, packet: HeardPacket) -> None:
        """Keep sound, and send it on when there is enough for a message."""
        packet.first_sample, packet.samples = self._buffer.next_sample, len(pcm) // SAMPLE_BYTES
        self._buffer.add(packet)
        self._batch.append(pcm)
        waits = self._assistant is asr.Assistant.IDLE and not self._pausing
        full = packet.samples >= _FULL_MESSAGE_SAMPLES
        if full or len(self._batch) >= (_PACKETS_A_MESSAGE if waits else 1):
            self._send_batch()
        forgotten = self._buffer.forget_what_is_too_old()
        # A server that listens has it, and lags behind a client that sends faster than time.
        if forgotten and self._watch is None:
            if not self._lost_samples:
                _log.warning("sound is lost: the asr server has been away for more than %d s", KEPT_SECONDS)
            self._lost_samples += forgotten

    def _send_batch(self) -> None:
        if not self._batch:
            return
        pcm = b"".join(self._batch) if len(self._batch) > 1 else self._batch[0]
        self._buffer.forwarded(len(self._batch), clock_ns())
        self._batch = []
        if self._watch is not None:
            self._outgoing.put_nowait(asr.Audio(pcm, self._buffer.next_sample - len(pcm) // SAMPLE_BYTES))

    async def _take(self, event: asr.Event) -> None:
        """Note what an event means for the sound that is kept, and hand it on."""
        match event:
            case asr.Ready():
                await self._tell_of_loss()
                await self._emit(Heard(event))
            case asr.AudioAck():
                # It takes sound again, and not only calls.
                self._failing, self._retry_seconds = False, _RETRY_SECONDS
                while self._proposed and self._proposed[0][0] < event.received_samples:
                    self._agreed = self._proposed.pop(0)[1]
                self._is_accounted_for(event.end_sample)
            case asr.VoiceStopped():
                self._pausing = True
                await self._emit(Heard(event))
            case asr.SpeechStarted():
                # Behind a turn that was too long there was no silence, and is no onset.
                self._turn_open.set()
                await self._emit(Heard(event))
            case asr.VoiceOnset():
                self._pausing = False
                self._turn_open.set()
                await self._emit(Heard(event, self._buffer.with_sample(event.sample)))
            case asr.EndOfTurn():
                self._next_turn = event.turn + 1
                last_voiced = self._buffer.with_sample(event.speech_end_sample - 1)
                self._turn_is_over(event.end_sample)
                await self._emit(Heard(event, last_voiced))
            case asr.TurnDiscarded():
                self._turn_is_over(event.end_sample)
                await self._emit(Heard(event))
            case _:
                await self._emit(Heard(event))

    def _turn_is_over(self, end_sample: int) -> None:
        self._pausing = False
        self._turn_open.clear()
        self._is_accounted_for(end_sample)

    def _is_accounted_for(self, end_sample: int) -> None:
        self._buffer.accounted(end_sample)
        self._accounted_sample = end_sample
        self._accounted.set()

    async def _tell_of_loss(self) -> None:
        if self._lost_samples:
            seconds, self._lost_samples = self._lost_samples / LISTENING_RATE_HZ, 0
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
            if self._watch is not None:
                first_time = absent_seconds < _ABSENT_SECONDS + _MORE_ABSENT_SECONDS
                seconds = _ABSENT_SECONDS if first_time else _MORE_ABSENT_SECONDS
                silence = bytes(round(seconds * LISTENING_RATE_HZ) * SAMPLE_BYTES)
                self._add(silence, HeardPacket(0, 0, 0, b"", 0, clock_ns()))
                self._send_batch()
            await asyncio.sleep(_MORE_ABSENT_SECONDS)
