"""A stream to the ASR server is there when there is something to be heard, and nothing of that is lost."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.input.recognition import Heard, HopFailed, Recognition, RecognitionEvent
from edge_gateway.input.uplink import Uplink
from edge_gateway.turn_taking.echo import MicrophoneLevels
from parley import asr
from parley.audio import LISTENING_RATE_HZ
from parley.conversation import AudioFormat, AudioPacket, Encoding
from parley.errors import InvalidInput, Unavailable
from tests.edge_gateway.in_memory import AsrStream, ScriptedAsr
from tests.virtual_time import on_virtual_time, passed, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from edge_gateway.servers.placement import Placement

PACKET = LISTENING_RATE_HZ // 50
READY = asr.Ready("scripted", "model", "en", ack_samples=LISTENING_RATE_HZ)
CONFIG = asr.Config(language="en", session_id="s")
REFUSED = asr.Config(language="en", session_id="s", endpointing=asr.Endpointing(eager_silence_ms=1))
GONE = Unavailable("the asr server is gone")
CODECS = Codecs(Libopus(find_libopus()))


def answers(stream: AsrStream, request: asr.Request) -> None:
    if request == REFUSED:
        stream.fail(InvalidInput("no"))
    elif request is stream.requests[0]:
        stream.say(READY)


class Lingering(ScriptedAsr):
    """A server whose first stream takes a while to be left, in which `meanwhile` happens."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__(answers)
        self._meanwhile = meanwhile

    @asynccontextmanager
    async def transcribe(
        self, requests: AsyncIterable[asr.Request], placement: Placement | None = None
    ) -> AsyncIterator[AsyncIterator[asr.Event]]:
        is_first = not self.streams
        try:
            async with super().transcribe(requests, placement) as events:
                yield events
        finally:
            if is_first:
                await passed(0.1)
                self._meanwhile()


class Rig:
    """A session whose recognition runs when there is something for it to do."""

    def __init__(self, server: ScriptedAsr | None = None) -> None:
        self.server = server or ScriptedAsr(answers)
        self.events: list[RecognitionEvent] = []
        self.heard = b""
        self.speaks_at_ready = 0
        """Packets that come while the server's answer is looked at."""
        decoders = CODECS.decoder_factory(AudioFormat(Encoding.PCM_S16LE, LISTENING_RATE_HZ))
        self.recognition = Recognition(
            self.server, CONFIG, Uplink(decoders, MicrophoneLevels()), self._emit, self._begin
        )
        self._sequence = 0
        self._tasks = asyncio.TaskGroup()
        self.task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[None]:
        """The server was asked whether it takes the session."""
        async with self._tasks:
            self._begin()
            await settled()
            yield
            if self.task is not None:
                self.task.cancel()

    def _begin(self) -> None:
        if self.task is None or self.task.done():
            self.task = self._tasks.create_task(self.recognition.run())

    async def _emit(self, event: RecognitionEvent) -> None:
        self.events.append(event)
        if isinstance(event, Heard) and isinstance(event.event, asr.Ready):
            self.hear(self.speaks_at_ready)
            self.speaks_at_ready = 0

    def hear(self, packets: int) -> None:
        for _ in range(packets):
            pcm = (1 + self._sequence).to_bytes(2, "little") * PACKET
            self.recognition.hear(AudioPacket(pcm, self._sequence), 0)
            self._sequence += 1
            self.heard += pcm

    async def heard_all(self) -> None:
        """All that was said has been sent, in one piece from the first sample on, over the one stream that is open."""
        self.hear(10)
        self.recognition.flush()
        await passed(1)
        [stream] = [each for each in self.server.streams if each.is_open]
        assert stream.sound[0].first_sample == 0
        assert stream.pcm == self.heard


@on_virtual_time
async def test_a_stream_that_was_opened_for_its_answer_is_left_and_the_first_sound_opens_one() -> None:
    rig = Rig()
    async with rig.asked():
        assert [event.event for event in rig.events if isinstance(event, Heard)] == [READY]
        assert rig.task is not None
        assert rig.task.done()
        await passed(3_600)
        assert [stream.is_open for stream in rig.server.streams] == [False]
        rig.hear(1)
        await settled()
        await rig.heard_all()
        assert len(rig.server.streams) == 2
    assert not [event for event in rig.events if isinstance(event, HopFailed)]


@on_virtual_time
async def test_a_stream_is_kept_when_sound_came_before_its_answer() -> None:
    rig = Rig()
    rig.server.write_seconds = 0.1
    async with rig.asked():
        rig.hear(3)
        await passed(0.5)
        await rig.heard_all()
        assert len(rig.server.streams) == 1


@on_virtual_time
async def test_sound_that_comes_while_the_answer_is_looked_at_is_heard() -> None:
    rig = Rig()
    rig.speaks_at_ready = 2
    async with rig.asked():
        await settled()
        await rig.heard_all()
        assert len(rig.server.streams) == 1


@on_virtual_time
async def test_sound_that_comes_while_a_stream_is_being_left_opens_the_next_one() -> None:
    rig = Rig(Lingering(lambda: rig.hear(2)))
    async with rig.asked():
        await passed(1)
        await rig.heard_all()
        assert len(rig.server.streams) == 2


@on_virtual_time
async def test_a_change_is_told_to_a_server_before_there_is_sound_and_what_it_refuses_is_undone() -> None:
    rig = Rig()
    async with rig.asked():
        rig.recognition.reconfigure(REFUSED)
        await passed(1)
        [failure] = [event for event in rig.events if isinstance(event, HopFailed)]
        assert failure.refused
        assert failure.in_force == CONFIG
        rig.hear(1)
        await passed(1)
        await rig.heard_all()


@on_virtual_time
async def test_a_server_that_is_away_is_told_of_before_there_is_sound_and_asked_until_it_answers() -> None:
    away = [True]

    def serve(stream: AsrStream, request: asr.Request) -> None:
        if away[0]:
            stream.fail(GONE)
        else:
            answers(stream, request)

    rig = Rig(ScriptedAsr(serve))
    async with rig.asked():
        await passed(5)
        [failure] = [event for event in rig.events if isinstance(event, HopFailed)]
        assert failure.error is GONE
        away[0] = False
        await passed(5)
        assert rig.task is not None
        assert rig.task.done()
        rig.hear(1)
        await settled()
        await rig.heard_all()
