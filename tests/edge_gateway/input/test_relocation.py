"""A session's recognition goes to another ASR server when its own drains, dies or hangs, and loses no sound."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.input.recognition import Heard, HopFailed, Recognition, RecognitionEvent
from edge_gateway.input.uplink import Uplink
from edge_gateway.servers.hops import AsrServers
from edge_gateway.turn_taking.echo import MicrophoneLevels
from edge_gateway.turn_taking.events import TurnLost
from parley import asr
from parley.audio import LISTENING_RATE_HZ
from parley.conversation import AudioFormat, AudioPacket, Encoding
from parley.errors import EngineFailed, Unavailable
from tests.edge_gateway.in_memory import AsrStream, ScriptedAsr
from tests.edge_gateway.servers.scripted import REFUSED, Net, Scripted
from tests.virtual_time import on_virtual_time, passed, run, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edge_gateway.servers.pool import Pool

SECOND = LISTENING_RATE_HZ
PACKET = SECOND // 50
ADDRESSES = ("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1")
CODECS = Codecs(Libopus(find_libopus()))
READY = asr.Ready("scripted", "model", "en", ack_samples=SECOND)
DONE = asr.Timings(300, 0, 0, 0, eager=False)
# Longer than it takes until every call of a server that drains is told so.
SOON = 1.1


class Listens:
    """Acknowledges sound every second, and accounts for it while it hears no voice."""

    def __init__(self) -> None:
        self.voices: set[AsrStream] = set()
        self.hangs = False

    def __call__(self, stream: AsrStream, request: asr.Request) -> None:
        if self.hangs:
            return
        match request:
            case asr.Config() if request is stream.config:
                stream.say(READY)
            case asr.Audio():
                samples, before = stream.samples, stream.samples - len(request.pcm) // 2
                if samples // SECOND > before // SECOND:
                    accounted = 0 if stream in self.voices else stream.config.first_sample + before
                    stream.say(asr.AudioAck(accounted, samples))
            case _:
                pass


class Rig:
    """A session's microphone, and ASR servers in memory, of which one has its stream."""

    def __init__(self, servers: int = 2) -> None:
        self.net = Net()
        self.servers = {address: Listens() for address in ADDRESSES[:servers]}
        self.asr = {address: ScriptedAsr(server) for address, server in self.servers.items()}
        for address, client in self.asr.items():
            self.net[address].client = cast("Scripted", client)
        self.events: list[RecognitionEvent] = []
        self.heard = b""
        self._sequence = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the session; its stream is ready when the block begins."""
        decoders = CODECS.decoder_factory(AudioFormat(Encoding.PCM_S16LE, SECOND))
        async with self.net.pool(",".join(self.asr)) as pool:
            self.pool = pool
            servers = AsrServers(cast("Pool[asr.AsrClient]", pool))
            config = asr.Config(language="en", session_id="s")
            self.recognition = Recognition(servers, config, Uplink(decoders, MicrophoneLevels()), self._emit)
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(self.recognition.run())
                await settled()
                yield
                task.cancel()

    async def _emit(self, event: RecognitionEvent) -> None:
        self.events.append(event)

    @property
    def here(self) -> str:
        """Address of the server that has the stream."""
        [address] = [address for address, server in self.asr.items() if any(each.is_open for each in server.streams)]
        return address

    @property
    def stream(self) -> AsrStream:
        return self.asr[self.here].stream

    @property
    def streams(self) -> list[AsrStream]:
        """All that there were, the oldest first."""
        found = [stream for server in self.asr.values() for stream in server.streams]
        return sorted(found, key=lambda stream: (stream.opened_at, stream.is_open))

    def drain(self) -> str:
        """Let the server that has the stream drain; gives its address."""
        here = self.here
        self.net[here].be(serves=False)
        return here

    def hear(self, packets: int) -> None:
        for _ in range(packets):
            pcm = (1 + self._sequence % 30_000).to_bytes(2, "little") * PACKET
            self.recognition.hear(AudioPacket(pcm, self._sequence), 0)
            self._sequence += 1
            self.heard += pcm

    async def speak(self, seconds: float) -> None:
        """Sound at the pace of time."""
        for _ in range(round(seconds * 50)):
            await passed(0.02)
            self.hear(1)

    async def say(self, *events: asr.Event) -> None:
        voices = self.servers[self.here].voices
        for event in events:
            if isinstance(event, asr.VoiceOnset):
                voices.add(self.stream)
            if isinstance(event, asr.EndOfTurn | asr.TurnDiscarded):
                voices.discard(self.stream)
        self.stream.say(*events)
        await settled()

    def check_sound(self) -> None:
        """All that was heard is at a server, in its order, but for what waits for its message or was given up."""
        heard, given_up = bytearray(), self.given_up
        for stream in self.streams:
            for audio in stream.sound:
                if audio.first_sample in given_up:
                    heard += self.heard[len(heard) : 2 * audio.first_sample]
                assert 2 * audio.first_sample <= len(heard), "a gap"
                heard[2 * audio.first_sample :] = audio.pcm
        assert len(self.heard) - len(heard) <= 2 * 4 * PACKET
        assert self.heard.startswith(heard)

    def end_of_turn(self, turn: int = 1) -> asr.EndOfTurn:
        end = self.stream.config.first_sample + self.stream.samples
        return asr.EndOfTurn(turn, "hello", 0, end, end, asr.EndReason.SILENCE, DONE, 800)

    def of(self, kind: type[RecognitionEvent]) -> list[RecognitionEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def given_up(self) -> set[int]:
        """Where it goes on behind sound that broke one stream after the other."""
        events = [each.event for each in self.events if isinstance(each, Heard)]
        lost = [each for each in events if isinstance(each, asr.TurnDiscarded)]
        return {each.end_sample for each in lost if each.reason is asr.DiscardReason.ENGINE_FAILED}

    @property
    def turns(self) -> list[asr.EndOfTurn]:
        events = [each.event for each in self.events if isinstance(each, Heard)]
        return [event for event in events if isinstance(event, asr.EndOfTurn)]


@on_virtual_time
async def test_while_nobody_speaks_a_session_leaves_a_server_that_drains_and_nobody_hears_of_it() -> None:
    rig = Rig()
    async with rig.running():
        await rig.speak(2.5)
        left = rig.drain()
        await rig.speak(SOON)
        assert rig.here != left
        assert not rig.asr[left].stream.is_open
        await rig.speak(1)
        _, second = rig.streams
        # What was not accounted for, less than two seconds, is heard again; and all of the rest once.
        assert 0 < second.config.first_sample <= 2 * SECOND
        rig.check_sound()
        assert [server.load for server in rig.pool.servers if server.address == left] == [0]
    assert rig.of(HopFailed) == rig.of(TurnLost) == []


@on_virtual_time
async def test_a_turn_that_has_begun_is_finished_where_it_is_and_then_the_session_moves() -> None:
    rig = Rig()
    async with rig.running():
        await rig.speak(1)
        await rig.say(asr.VoiceOnset(1, 2_000), asr.SpeechStarted(1, 2_000, 320))
        left = rig.drain()
        await rig.speak(30)
        assert rig.here == left
        await rig.say(asr.VoiceStopped(1, 480_000, 800))
        await rig.speak(0.5)
        assert rig.here == left
        await rig.say(rig.end_of_turn())
        assert rig.here != left
        # The next turn has the next number, and its sound has no gap.
        assert rig.stream.config.first_turn == 2
        await rig.speak(1)
        rig.check_sound()
    assert [turn.turn for turn in rig.turns] == [1]
    assert rig.of(HopFailed) == rig.of(TurnLost) == []


@on_virtual_time
async def test_a_voice_that_comes_to_nothing_lets_the_session_move_too() -> None:
    rig = Rig()
    async with rig.running():
        await rig.speak(1)
        await rig.say(asr.VoiceOnset(1, 2_000))
        left = rig.drain()
        await rig.speak(SOON)
        assert rig.here == left
        await rig.say(asr.TurnDiscarded(1, asr.DiscardReason.NOISE, 0, SECOND))
        assert rig.here != left


@on_virtual_time
async def test_words_that_were_asked_for_are_waited_for_before_a_session_moves() -> None:
    rig = Rig()
    async with rig.running():
        rig.hear(20)
        rig.recognition.flush()
        await settled()
        left = rig.drain()
        await passed(SOON)
        assert rig.here == left
        await rig.say(asr.TurnDiscarded(1, asr.DiscardReason.NO_WORDS, 0, 20 * PACKET))
        assert rig.here != left


@on_virtual_time
async def test_a_session_whose_client_says_no_more_stays_until_it_was_heard_to_the_end() -> None:
    rig = Rig()
    async with rig.running():
        rig.hear(20)
        await settled()
        left = rig.here
        async with asyncio.TaskGroup() as tasks:
            finishing = tasks.create_task(rig.recognition.finish())
            await settled()
            rig.drain()
            await passed(SOON)
            assert rig.here == left
            # The words are there, and not yet the account of all sound: another server would never give it.
            await rig.say(asr.TurnDiscarded(1, asr.DiscardReason.NO_WORDS, 0, 10 * PACKET))
            assert rig.here == left
            await rig.say(asr.AudioAck(20 * PACKET, 20 * PACKET))
            assert finishing.done()


@on_virtual_time
async def test_without_another_server_a_session_stays_and_moves_when_one_comes() -> None:
    rig = Rig()
    async with rig.running():
        here = rig.here
        [other] = set(rig.asr) - {here}
        rig.net[other].be(REFUSED)
        await settled()
        rig.drain()
        await rig.speak(5)
        assert rig.here == here
        rig.net[other].serves = True
        await rig.speak(3)
        assert rig.here == other
    assert rig.of(HopFailed) == []


@on_virtual_time
async def test_a_turn_whose_server_dies_is_heard_again_by_another_and_no_failure_is_told() -> None:
    rig = Rig()
    async with rig.running():
        await rig.speak(1)
        await rig.say(asr.VoiceOnset(1, 2_000), asr.SpeechStarted(1, 2_000, 320))
        await rig.speak(1)
        left = rig.here
        rig.net[left].be(REFUSED)
        rig.stream.fail(REFUSED)
        await settled()
        assert rig.here != left
        # From before its first voice on; the floor knows that what it was told of the turn is void.
        assert rig.stream.config.first_sample <= 2_000
        assert rig.stream.config.first_turn == 1
        assert len(rig.of(TurnLost)) == 1
        await rig.speak(0.5)
        rig.check_sound()
    assert rig.of(HopFailed) == []


@on_virtual_time
async def test_a_server_that_hangs_is_left_after_three_seconds_and_not_gone_back_to() -> None:
    rig = Rig()
    async with rig.running():
        here = rig.here
        rig.net[here].serves, rig.servers[here].hangs = None, True
        await rig.speak(4.2)
        assert rig.here != here
        rig.check_sound()
        # Whoever comes next is sent past it.
        assert rig.pool.choose().server.address != here
    assert rig.of(HopFailed) == []


@on_virtual_time
async def test_when_the_other_server_fails_too_the_failure_is_told_once() -> None:
    rig = Rig()
    async with rig.running():
        rig.hear(8)
        for _ in range(2):
            rig.stream.fail(Unavailable("it broke off"))
            await settled()
        await passed(5)
    assert len(rig.of(HopFailed)) == 1


@on_virtual_time
async def test_an_engine_that_fails_is_told_of_although_there_is_another_server() -> None:
    rig = Rig()
    async with rig.running():
        rig.stream.fail(EngineFailed("this sound cannot be taken"))
        await passed(1)
    assert len(rig.of(HopFailed)) == 1


@on_virtual_time
async def test_what_is_told_while_a_session_moves_reaches_the_new_server() -> None:
    rig = Rig()
    async with rig.running():
        await rig.speak(1)
        rig.recognition.next_turn("00-a-b-01")
        rig.recognition.assistant(asr.Assistant.SPEAKING)
        hinted = asr.Config(language="en", session_id="s", hints=("Parley",))
        rig.recognition.reconfigure(hinted)
        left = rig.drain()
        await rig.speak(SOON)
        assert rig.here != left
        assert rig.stream.config.hints == ("Parley",)
        assert rig.stream.config.traceparent == "00-a-b-01"
        assert asr.Assistant.SPEAKING in rig.stream.requests


ACTION = st.sampled_from(["speak", "voice", "speech", "end", "discard", "drain", "serve", "break"])


@given(st.lists(st.tuples(ACTION, st.integers(0, 2), st.integers(1, 40)), max_size=40))
@example([("break", 0, 10), ("break", 0, 1), ("break", 0, 13)])
@settings(max_examples=60, deadline=None)
def test_whenever_servers_drain_and_die_every_sample_is_heard_in_its_order(
    actions: list[tuple[str, int, int]],
) -> None:
    async def hold() -> None:
        rig = Rig(3)
        async with rig.running():
            for action, server, amount in actions:
                await act(rig, action, server, amount)
            for address in ADDRESSES:
                rig.net[address].be(serves=True)
            await rig.speak(5)
            assert rig.stream.sound
            rig.check_sound()
            accounted = [stream.config.first_sample for stream in rig.streams]
            assert all(before <= after for before, after in pairwise(accounted))

    run(hold())


async def act(rig: Rig, action: str, server: int, amount: int) -> None:
    """One thing that may happen."""
    if action in {"drain", "serve"}:
        rig.net[ADDRESSES[server]].be(serves=action == "serve")
    await rig.speak(amount / 50)
    if not any(stream.is_open and stream.requests for stream in rig.streams):
        return
    turn, at = rig.stream.config.first_turn, rig.stream.config.first_sample + rig.stream.samples
    match action:
        case "voice":
            await rig.say(asr.VoiceOnset(turn, at))
        case "speech":
            await rig.say(asr.SpeechStarted(turn, at, 320))
        case "end":
            await rig.say(rig.end_of_turn(turn))
        case "discard":
            await rig.say(asr.TurnDiscarded(turn, asr.DiscardReason.NOISE, at, at))
        case "break":
            rig.stream.fail(REFUSED)
            await settled()
        case _:
            pass
