"""A session's way to the ASR server: what goes up in which order, and that no word is lost when it goes away."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.input.recognition import Heard, HopFailed, HopRecovered, Recognition, RecognitionEvent
from edge_gateway.input.uplink import Uplink
from edge_gateway.turn_taking.echo import MicrophoneLevels
from edge_gateway.turn_taking.events import TurnLost
from parley import asr
from parley.audio import LISTENING_RATE_HZ
from parley.conversation import AudioFormat, AudioPacket, Encoding
from parley.errors import AudioLost, DeadlinePassed, EngineFailed, InvalidInput, Overloaded, ParleyError, Unavailable
from tests.edge_gateway.in_memory import AsrStream, ScriptedAsr
from tests.virtual_time import hold_up, now, on_virtual_time, passed, run, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Serve = Callable[[AsrStream, asr.Request], None]

SECOND = LISTENING_RATE_HZ
PACKET = SECOND // 50
READY = asr.Ready("scripted", "model", "en", ack_samples=SECOND)
CONFIG = asr.Config(language="en", session_id="s")
HINTED = asr.Config(language="en", session_id="s", hints=("Parley",))
REFUSED = asr.Config(language="en", session_id="s", endpointing=asr.Endpointing(eager_silence_ms=1))
GONE = Unavailable("the asr server is gone")
# No two packets of a second that follow each other are alike.
RAMP = b"".join((1 + place).to_bytes(2, "little") for place in range(1_000 + PACKET))
CODECS = Codecs(Libopus(find_libopus()))


class Rig:
    """A session's microphone and its way to a scripted ASR server."""

    def __init__(self, serve: Serve, config: asr.Config = CONFIG) -> None:
        self.server = ScriptedAsr(serve)
        self.events: list[RecognitionEvent] = []
        self.came_at: list[float] = []
        self.heard = b""
        decoders = CODECS.decoder_factory(AudioFormat(Encoding.PCM_S16LE, SECOND))
        self.levels = MicrophoneLevels()
        self.recognition = Recognition(self.server, config, Uplink(decoders, self.levels), self._emit)
        self.sequence = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Keep a stream open; it is ready when the block begins, where the server says so at once."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.recognition.run())
            await settled()
            yield task
            task.cancel()
        assert not any(stream.is_open for stream in self.server.streams)

    async def _emit(self, event: RecognitionEvent) -> None:
        self.events.append(event)
        self.came_at.append(now())

    def hear(self, packets: int = 1) -> None:
        """Packets of 20 ms, at once."""
        for _ in range(packets):
            pcm = RAMP[2 * self.sequence % 1_000 :][: 2 * PACKET]
            self.recognition.hear(AudioPacket(pcm, self.sequence), 0)
            self.sequence += 1
            self.heard += pcm

    async def speak(self, seconds: float) -> None:
        """Sound at the pace of time."""
        for _ in range(round(seconds * 50)):
            await passed(0.02)
            self.hear()

    @property
    def stream(self) -> AsrStream:
        return self.server.stream

    @property
    def failures(self) -> list[HopFailed]:
        return [event for event in self.events if isinstance(event, HopFailed)]

    @property
    def recoveries(self) -> list[HopRecovered]:
        return [event for event in self.events if isinstance(event, HopRecovered)]

    @property
    def errors(self) -> list[type[ParleyError]]:
        return [type(event.error) for event in self.failures]

    @property
    def lost(self) -> list[asr.TurnDiscarded]:
        """Turns that came to nothing because their sound was given up."""
        events = [event.event for event in self.events if isinstance(event, Heard)]
        return [
            event
            for event in events
            if isinstance(event, asr.TurnDiscarded) and event.reason is asr.DiscardReason.ENGINE_FAILED
        ]

    def of(self, kind: type[asr.Event]) -> list[Heard]:
        return [event for event in self.events if isinstance(event, Heard) and isinstance(event.event, kind)]


def listens(stream: AsrStream, request: asr.Request) -> None:
    """A server that acknowledges sound every second and accounts for it as silence; a flush is answered."""
    match request:
        case asr.Config() if request is stream.config:
            stream.say(READY)
        case asr.Audio():
            end, samples = request.first_sample + len(request.pcm) // 2, stream.samples
            if samples // SECOND > (samples - len(request.pcm) // 2) // SECOND:
                stream.say(asr.AudioAck(end, samples))
        case asr.Flush():
            at = stream.config.first_sample + stream.samples
            stream.say(asr.TurnDiscarded(1, asr.DiscardReason.NO_WORDS, 0, at))
        case _:
            pass


def acknowledges_only(stream: AsrStream, request: asr.Request) -> None:
    """A server that gets sound, and accounts for none of it."""
    match request:
        case asr.Config() if request is stream.config:
            stream.say(READY)
        case asr.Audio():
            stream.say(asr.AudioAck(stream.config.first_sample, stream.samples))
        case _:
            pass


def away(stream: AsrStream, request: asr.Request) -> None:
    """A server that is not there."""
    del request
    stream.fail(GONE)


class In:
    """One server after the other: each serves one stream, the last all that follow."""

    def __init__(self, *servers: Serve) -> None:
        self._servers = list(servers)
        self._streams: list[AsrStream] = []

    def __call__(self, stream: AsrStream, request: asr.Request) -> None:
        if stream not in self._streams:
            self._streams.append(stream)
        place = min(self._streams.index(stream), len(self._servers) - 1)
        self._servers[place](stream, request)


def end_of_turn(turn: int, speech_end: int, end: int, text: str = "hello") -> asr.EndOfTurn:
    timings = asr.Timings(300, 0, 0, 0, eager=False)
    return asr.EndOfTurn(turn, text, 0, end, speech_end, asr.EndReason.SILENCE, timings, 800)


def is_contiguous(stream: AsrStream) -> bool:
    """Sound comes in its order, and none of it twice."""
    places = [(audio.first_sample, audio.first_sample + len(audio.pcm) // 2) for audio in stream.sound]
    in_order = all(before == first for (_, before), (first, _) in pairwise(places))
    return in_order and (not places or places[0][0] == stream.config.first_sample)


# What goes up


@on_virtual_time
async def test_the_first_word_to_the_server_is_the_configuration_and_sound_follows_when_it_is_ready() -> None:
    rig = Rig(lambda stream, request: None)
    async with rig.running():
        rig.hear(8)
        await settled()
        assert rig.stream.requests == [CONFIG]
        rig.stream.say(READY)
        await settled()
        assert rig.stream.pcm == rig.heard
        assert is_contiguous(rig.stream)
    assert [heard.event for heard in rig.of(asr.Ready)] == [READY]


@on_virtual_time
async def test_four_packets_share_a_message() -> None:
    rig = Rig(listens)
    async with rig.running():
        for packets, messages in ((3, 0), (1, 1), (3, 1), (5, 3)):
            rig.hear(packets)
            await settled()
            assert len(rig.stream.sound) == messages
        assert rig.stream.pcm == rig.heard


@pytest.mark.parametrize("state", [asr.Assistant.SPEAKING, asr.Assistant.THINKING])
@on_virtual_time
async def test_while_the_assistant_is_at_it_each_packet_goes_alone(state: asr.Assistant) -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.recognition.assistant(state)
        for sent in (1, 2, 3):
            rig.hear()
            await settled()
            assert len(rig.stream.sound) == sent


@on_virtual_time
async def test_in_a_pause_each_packet_goes_alone_until_the_voice_goes_on() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.hear(4)
        rig.stream.say(asr.VoiceOnset(1, 0), asr.VoiceStopped(1, 900, 200))
        await settled()
        rig.hear(2)
        await settled()
        assert len(rig.stream.sound) == 3
        rig.stream.say(asr.VoiceOnset(1, 1_500))
        await settled()
        rig.hear(3)
        await settled()
        assert len(rig.stream.sound) == 3


@pytest.mark.parametrize("waiting", [1, 2, 3])
@on_virtual_time
async def test_what_waits_for_its_message_goes_as_soon_as_the_voice_stops(waiting: int) -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.stream.say(asr.VoiceOnset(1, 0))
        rig.hear(4 + waiting)
        await settled()
        assert len(rig.stream.sound) == 1
        rig.stream.say(asr.VoiceStopped(1, 900, 200))
        await settled()
        assert rig.stream.pcm == rig.heard


@pytest.mark.parametrize("state", [asr.Assistant.SPEAKING, asr.Assistant.THINKING])
@on_virtual_time
async def test_what_waits_for_its_message_goes_before_the_server_learns_of_the_assistant(state: asr.Assistant) -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.hear(3)
        rig.recognition.assistant(state)
        await settled()
        assert [type(request) for request in rig.stream.requests] == [asr.Config, asr.Audio, asr.Assistant]
        assert rig.stream.pcm == rig.heard


@on_virtual_time
async def test_a_flush_comes_behind_all_the_sound_before_it() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.hear(6)
        rig.recognition.flush()
        rig.hear(4)
        await settled()
        assert [type(request) for request in rig.stream.requests] == [
            asr.Config,
            asr.Audio,
            asr.Audio,
            asr.Flush,
            asr.Audio,
        ]
        assert rig.stream.pcm == rig.heard


@on_virtual_time
async def test_the_next_turn_is_given_its_trace_and_the_number_that_it_will_have() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.hear(100)
        rig.recognition.next_turn("00-a-b-01")
        await settled()
        rig.stream.say(end_of_turn(1, 4_000, 8_000))
        await settled()
        rig.recognition.next_turn("00-c-d-01", previous_ignored=True)
        await settled()
        contexts = [request for request in rig.stream.requests if isinstance(request, asr.TurnContext)]
    assert contexts == [asr.TurnContext(1, "00-a-b-01"), asr.TurnContext(2, "00-c-d-01", previous_ignored=True)]


@on_virtual_time
async def test_while_a_reply_plays_the_loudness_of_the_microphone_is_noted() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.hear(2)
        assert rig.levels.packets == 0
        rig.recognition.assistant(asr.Assistant.SPEAKING)
        rig.hear(3)
        assert rig.levels.packets == 3


@pytest.mark.parametrize(
    ("sample", "packet"), [(PACKET * 3, 3), (PACKET * 4 - 1, 3), (PACKET * 4, 4), (-5, None), (10**6, None)]
)
@on_virtual_time
async def test_a_voice_is_told_with_the_packet_in_which_it_began(sample: int, packet: int | None) -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.hear(8)
        rig.stream.say(asr.VoiceOnset(1, sample))
        await settled()
    [heard] = rig.of(asr.VoiceOnset)
    assert (heard.packet and heard.packet.first_sample) == (None if packet is None else packet * PACKET)


@on_virtual_time
async def test_a_turn_is_told_with_the_packet_that_holds_its_last_voiced_sample() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.hear(48)
        await settled()
        rig.stream.say(end_of_turn(1, PACKET * 20, PACKET * 40))
        await settled()
    [heard] = rig.of(asr.EndOfTurn)
    assert heard.packet is not None
    assert heard.packet.first_sample == PACKET * 19
    assert heard.packet.decoded_ns > 0


@on_virtual_time
async def test_a_packet_that_cannot_be_read_is_refused_and_the_stream_goes_on() -> None:
    rig = Rig(listens)
    async with rig.running() as task:
        rig.hear(4)
        with pytest.raises(InvalidInput):
            rig.recognition.hear(AudioPacket(b"odd", 4), 0)
        rig.hear(4)
        await settled()
        assert not task.done()
        assert rig.stream.pcm == rig.heard


# When the server goes away


@on_virtual_time
async def test_a_server_that_goes_away_is_told_once_and_asked_again_in_growing_pauses() -> None:
    rig = Rig(In(listens, away, away, away, away, away, listens))
    async with rig.running():
        rig.stream.fail(GONE)
        await passed(20)
    assert rig.errors == [Unavailable]
    opened = [stream.opened_at for stream in rig.server.streams]
    pauses = [round(after - before, 2) for before, after in pairwise(opened)]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


@on_virtual_time
async def test_a_second_failure_is_told_when_sound_was_taken_in_between() -> None:
    rig = Rig(listens)
    async with rig.running():
        for _ in range(3):
            await rig.speak(2)
            rig.stream.fail(GONE)
            await passed(0.3)
    assert rig.errors == [Unavailable] * 3
    # It took sound, so nobody waits longer for it than at first.
    assert len(rig.server.streams) == 4


@on_virtual_time
async def test_a_server_is_told_to_be_back_when_it_takes_sound_and_not_when_it_only_opens() -> None:
    rig = Rig(In(listens, away, listens))
    async with rig.running():
        rig.stream.fail(GONE)
        await passed(5)
        assert rig.stream.is_open
        assert rig.recoveries == []
        await rig.speak(3)
        assert rig.recoveries == [HopRecovered("scripted model")]
        rig.stream.fail(GONE)
        await rig.speak(3)
    assert rig.recoveries == [HopRecovered("scripted model")] * 2


@on_virtual_time
async def test_a_server_that_never_failed_is_not_told_to_be_back() -> None:
    rig = Rig(listens)
    async with rig.running():
        await rig.speak(3)
    assert rig.recoveries == []


@pytest.mark.parametrize(
    ("break_off", "error"),
    [
        (lambda stream: stream.end(), DeadlinePassed),
        (lambda stream: stream.fail(EngineFailed("broken")), EngineFailed),
    ],
)
@on_virtual_time
async def test_a_stream_that_ends_is_opened_again(
    break_off: Callable[[AsrStream], None], error: type[ParleyError]
) -> None:
    rig = Rig(listens)
    async with rig.running():
        break_off(rig.stream)
        await passed(1)
        assert len(rig.server.streams) == 2
    assert rig.errors == [error]


@on_virtual_time
async def test_a_server_that_has_too_much_to_do_breaks_streams_and_no_sound_is_left_out_for_that() -> None:
    rig = Rig(acknowledges_only)
    async with rig.running():
        for _ in range(8):
            await rig.speak(3.0)
            rig.stream.fail(Overloaded("all streams are taken"))
        await rig.speak(3.0)
        assert len(rig.server.streams) == 9
        assert rig.lost == []
        assert rig.stream.config.first_sample == 0
        assert rig.heard.startswith(rig.stream.pcm)
        assert rig.stream.samples > len(rig.heard) // 2 - SECOND


@on_virtual_time
async def test_a_server_that_acknowledges_nothing_is_given_up_after_three_seconds() -> None:
    def deaf(stream: AsrStream, request: asr.Request) -> None:
        if isinstance(request, asr.Config):
            stream.say(READY)

    rig = Rig(In(deaf, listens))
    async with rig.running():
        await rig.speak(6)
        assert rig.errors == [DeadlinePassed]
        # A second of sound, and three of patience.
        [told_at] = [at for event, at in zip(rig.events, rig.came_at, strict=True) if isinstance(event, HopFailed)]
        assert told_at == pytest.approx(4.0, abs=0.05)
        assert is_contiguous(rig.stream)
        assert rig.heard.startswith(rig.stream.pcm)
        assert rig.stream.samples > 5 * SECOND


@on_virtual_time
async def test_a_session_that_sends_no_sound_keeps_its_stream_for_an_hour() -> None:
    rig = Rig(listens)
    async with rig.running():
        await passed(3_600)
        assert len(rig.server.streams) == 1
    assert rig.failures == []


@on_virtual_time
async def test_a_new_stream_hears_again_what_was_not_accounted_for_and_goes_on_from_there() -> None:
    rig = Rig(listens)
    async with rig.running():
        await rig.speak(2.5)
        rig.stream.fail(GONE)
        await rig.speak(2.5)
        assert len(rig.server.streams) == 2
        # Two seconds were acknowledged as silence.
        assert rig.stream.config.first_sample == pytest.approx(2 * SECOND, abs=4 * PACKET)
        assert is_contiguous(rig.stream)
        assert rig.heard[2 * rig.stream.config.first_sample :].startswith(rig.stream.pcm)
        assert rig.stream.samples > 2.5 * SECOND


@on_virtual_time
async def test_a_new_stream_goes_on_with_the_turns_of_the_one_before() -> None:
    rig = Rig(listens)
    async with rig.running():
        await rig.speak(1)
        rig.stream.say(end_of_turn(3, 4_000, 8_000))
        await settled()
        rig.recognition.next_turn("00-c-d-01")
        rig.stream.fail(GONE)
        await passed(1)
        assert (rig.stream.config.first_turn, rig.stream.config.traceparent) == (4, "00-c-d-01")


@pytest.mark.parametrize("state", [asr.Assistant.SPEAKING, asr.Assistant.THINKING])
@on_virtual_time
async def test_a_new_stream_is_told_what_the_assistant_does_before_it_hears_anything(state: asr.Assistant) -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.recognition.assistant(state)
        await rig.speak(1.5)
        rig.stream.fail(GONE)
        await rig.speak(1.5)
        assert len(rig.server.streams) == 2
        assert rig.stream.requests[1] is state


@on_virtual_time
async def test_a_new_stream_is_told_nothing_of_an_assistant_that_waits() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.recognition.assistant(asr.Assistant.SPEAKING)
        rig.recognition.assistant(asr.Assistant.IDLE)
        await rig.speak(1.5)
        rig.stream.fail(GONE)
        await rig.speak(1.5)
        assert asr.Assistant.IDLE not in rig.stream.requests


@pytest.mark.parametrize("write_seconds", [0.0, 0.005, 0.05])
@on_virtual_time
async def test_sound_that_comes_while_a_stream_is_opened_again_keeps_its_place(write_seconds: float) -> None:
    rig = Rig(listens)
    rig.server.write_seconds = write_seconds
    async with rig.running():
        rig.recognition.assistant(asr.Assistant.SPEAKING)
        await rig.speak(1.5)
        rig.stream.fail(GONE)
        await rig.speak(4.0)
        assert len(rig.server.streams) == 2
        assert is_contiguous(rig.stream)
        assert rig.heard[2 * rig.stream.config.first_sample :].startswith(rig.stream.pcm)


@on_virtual_time
async def test_what_the_server_is_told_while_a_stream_opens_reaches_it() -> None:
    def slowly(stream: AsrStream, request: asr.Request) -> None:
        del stream, request

    rig = Rig(In(listens, slowly))
    async with rig.running():
        rig.stream.fail(GONE)
        await passed(0.5)
        assert len(rig.server.streams) == 2
        rig.recognition.reconfigure(HINTED)
        rig.recognition.next_turn("00-c-d-01")
        rig.recognition.assistant(asr.Assistant.THINKING)
        rig.stream.say(READY)
        await settled()
        told = rig.stream.requests[1:]
    assert HINTED in told
    assert asr.TurnContext(1, "00-c-d-01") in told
    assert asr.Assistant.THINKING in told


@given(
    breaks=st.lists(st.floats(0.02, 3), min_size=1, max_size=6),
    write_seconds=st.sampled_from([0.0, 0.001, 0.01]),
    speaking=st.booleans(),
)
@settings(deadline=None, max_examples=20)
def test_whenever_streams_break_every_sample_reaches_a_server_in_its_order(
    breaks: list[float],
    write_seconds: float,
    speaking: bool,  # noqa: FBT001 - hypothesis names it
) -> None:
    async def talk() -> None:
        rig = Rig(listens)
        rig.server.write_seconds = write_seconds
        async with rig.running():
            if speaking:
                rig.recognition.assistant(asr.Assistant.SPEAKING)
            for seconds in breaks:
                await rig.speak(seconds)
                rig.stream.fail(GONE)
            await rig.speak(6)
            reached = [False] * (len(rig.heard) // 2)
            for stream in rig.server.streams:
                assert is_contiguous(stream)
                first = stream.config.first_sample
                assert rig.heard[2 * first :].startswith(stream.pcm)
                reached[first : first + stream.samples] = [True] * stream.samples
            # What waits for its message is still to come; and only sound that broke three streams is left out.
            if not rig.lost:
                assert all(reached[: -5 * PACKET])

    run(talk())


# Configurations


@on_virtual_time
async def test_a_change_goes_up_at_once_and_the_next_stream_begins_with_it() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.recognition.reconfigure(HINTED)
        await settled()
        assert rig.stream.requests[-1] == HINTED
        rig.stream.fail(GONE)
        await passed(1)
        assert rig.stream.config.hints == ("Parley",)


def refuses(stream: AsrStream, request: asr.Request) -> None:
    """A server that listens, and takes no endpointing of 1 ms."""
    if isinstance(request, asr.Config) and request.endpointing == REFUSED.endpointing:
        stream.fail(InvalidInput("eager_silence_ms 1: at least 20", field="config.endpointing"))
    else:
        listens(stream, request)


@on_virtual_time
async def test_a_configuration_that_is_refused_at_once_ends_the_listening() -> None:
    rig = Rig(refuses, REFUSED)
    async with rig.running() as task:
        await passed(1)
        assert task.done()
    [failed] = rig.failures
    assert (failed.refused, failed.in_force) == (True, None)
    assert isinstance(failed.error, InvalidInput)


@on_virtual_time
async def test_a_change_that_is_refused_is_undone_and_the_stream_goes_on_with_what_held_before() -> None:
    rig = Rig(refuses)
    async with rig.running():
        await rig.speak(2.5)
        rig.recognition.reconfigure(HINTED)
        await rig.speak(1.5)
        rig.recognition.reconfigure(REFUSED)
        await rig.speak(1.5)
        [failed] = rig.failures
        assert (failed.refused, failed.in_force) == (True, HINTED)
        assert len(rig.server.streams) == 2
        # It is opened again at once: nobody has to wait for a server that is there.
        assert rig.stream.opened_at == pytest.approx(4.0, abs=0.1)
        assert rig.stream.config.hints == ("Parley",)
        assert rig.stream.config.endpointing == asr.Endpointing()
        assert rig.heard[2 * rig.stream.config.first_sample :].startswith(rig.stream.pcm)
        # And a change after that is as good as any.
        rig.recognition.reconfigure(CONFIG)
        await settled()
        assert rig.stream.requests[-1] == CONFIG


@on_virtual_time
async def test_a_change_that_was_taken_long_ago_is_not_undone_with_the_next_even_if_nobody_spoke() -> None:
    rig = Rig(refuses)
    async with rig.running():
        rig.recognition.reconfigure(HINTED)
        await passed(60)
        rig.recognition.reconfigure(REFUSED)
        await passed(1)
        [failed] = rig.failures
        assert failed.in_force == HINTED
        assert rig.stream.config.hints == ("Parley",)


@on_virtual_time
async def test_a_change_that_the_next_stream_was_opened_with_is_not_undone_with_the_one_after() -> None:
    rig = Rig(refuses)
    async with rig.running():
        await rig.speak(30)
        rig.recognition.reconfigure(HINTED)
        rig.stream.fail(GONE)
        await passed(1)
        assert rig.stream.config.hints == ("Parley",)
        rig.recognition.reconfigure(REFUSED)
        await passed(1)
        assert [failed.in_force for failed in rig.failures if failed.refused] == [HINTED]


@on_virtual_time
async def test_sound_that_was_waiting_says_nothing_of_a_change_behind_it() -> None:
    rig = Rig(refuses)
    rig.server.write_seconds = 0.05
    async with rig.running():
        rig.hear(200)
        rig.recognition.reconfigure(REFUSED)
        await passed(10)
        [failed] = rig.failures
        assert (failed.refused, failed.in_force) == (True, CONFIG)
        assert len(rig.server.streams) == 2


@on_virtual_time
async def test_a_change_that_comes_while_the_one_before_is_refused_is_tried() -> None:
    def thinks(stream: AsrStream, request: asr.Request) -> None:
        del stream, request

    rig = Rig(In(thinks, refuses), REFUSED)
    async with rig.running() as task:
        rig.recognition.reconfigure(HINTED)
        rig.stream.fail(InvalidInput("eager_silence_ms 1: at least 20", field="config.endpointing"))
        await passed(1)
        assert not task.done()
        assert rig.stream.config.hints == ("Parley",)
        [failed] = rig.failures
        assert (failed.refused, failed.in_force) == (True, HINTED)


@on_virtual_time
async def test_a_server_that_goes_away_after_a_refusal_is_not_asked_without_a_pause() -> None:
    rig = Rig(In(refuses, away))
    async with rig.running():
        rig.recognition.reconfigure(REFUSED)
        await passed(10)
        assert len(rig.server.streams) < 12


# Sound that breaks streams


def breaks_on_sound(stream: AsrStream, request: asr.Request) -> None:
    """A server whose engine cannot take what was said."""
    if isinstance(request, asr.Config):
        stream.say(READY)
    elif isinstance(request, asr.Audio):
        stream.fail(EngineFailed("the engine failed"))


@on_virtual_time
async def test_sound_that_breaks_three_streams_is_given_up_and_the_user_is_told() -> None:
    rig = Rig(In(breaks_on_sound, breaks_on_sound, breaks_on_sound, listens))
    async with rig.running():
        rig.hear(50)
        await passed(10)
        assert len(rig.server.streams) == 4
        assert rig.errors == [EngineFailed]
        assert [(lost.first_sample, lost.end_sample) for lost in rig.lost] == [(0, SECOND)]
        rig.hear(50)
        await settled()
        assert rig.stream.config.first_sample == SECOND
        assert rig.stream.pcm == rig.heard[2 * SECOND : 2 * SECOND + len(rig.stream.pcm)]
        assert rig.stream.pcm


@on_virtual_time
async def test_sound_of_which_some_was_accounted_for_is_heard_three_times_from_there() -> None:
    def accounts_a_little(stream: AsrStream, request: asr.Request) -> None:
        if isinstance(request, asr.Config):
            stream.say(READY)
        elif isinstance(request, asr.Audio):
            stream.say(asr.AudioAck(stream.config.first_sample + 4 * PACKET, stream.samples))
            stream.fail(EngineFailed("the engine failed"))

    rig = Rig(accounts_a_little)
    async with rig.running():
        rig.hear(40)
        await passed(30)
        assert rig.lost == []
        assert len(rig.server.streams) > 8


@on_virtual_time
async def test_a_server_that_often_went_away_while_nobody_spoke_is_not_blamed_on_the_next_words() -> None:
    rig = Rig(listens)
    async with rig.running():
        for _ in range(5):
            rig.stream.fail(GONE)
            await passed(60)
        rig.hear(40)
        await settled()
        rig.stream.fail(GONE)
        await passed(5)
        assert rig.lost == []
        assert AudioLost not in rig.errors
        assert rig.stream.pcm == rig.heard


@on_virtual_time
async def test_a_server_that_is_not_there_is_not_blamed_on_the_sound() -> None:
    rig = Rig(In(listens, *[away] * 10, listens))
    async with rig.running():
        rig.stream.fail(GONE)
        rig.hear(40)
        await passed(60)
        assert rig.lost == []
        assert AudioLost not in rig.errors
        assert rig.stream.pcm == rig.heard


@on_virtual_time
async def test_sound_of_more_than_ninety_seconds_is_lost_and_the_user_is_told_on_return() -> None:
    rig = Rig(In(listens, *[away] * 48, listens))
    async with rig.running():
        rig.stream.fail(GONE)
        await rig.speak(100)
        assert len(rig.server.streams) == 50
    assert rig.errors == [Unavailable, AudioLost]
    lost = rig.stream.config.first_sample
    assert 3 * SECOND < lost < 5 * SECOND
    assert f"{lost / SECOND:.1f} s" in str(rig.failures[-1].error)
    assert rig.heard[2 * lost :].startswith(rig.stream.pcm)
    # A server that came back in time has lost nothing.
    assert rig.stream.samples > 85 * SECOND


@on_virtual_time
async def test_a_turn_whose_sound_is_lost_comes_to_nothing() -> None:
    rig = Rig(In(listens, *[away] * 48, listens))
    async with rig.running():
        await rig.speak(0.5)
        rig.stream.say(asr.VoiceOnset(1, 0))
        await settled()
        rig.stream.fail(GONE)
        await rig.speak(100)
    assert AudioLost not in rig.errors
    assert [(lost.turn, lost.first_sample, lost.end_sample) for lost in rig.lost] == [
        (1, 0, rig.stream.config.first_sample)
    ]


@on_virtual_time
async def test_a_minute_away_loses_nothing() -> None:
    rig = Rig(In(listens, *[away] * 30, listens))
    async with rig.running():
        rig.stream.fail(GONE)
        await rig.speak(70)
        assert len(rig.server.streams) == 32
        assert AudioLost not in rig.errors
        assert rig.stream.config.first_sample == 0


@on_virtual_time
async def test_a_server_that_hears_more_than_ninety_seconds_behind_loses_nothing() -> None:
    rig = Rig(acknowledges_only)
    async with rig.running():
        rig.hear(50 * 100)
        await passed(3)
        assert len(rig.server.streams) == 1
    assert rig.failures == []


# Sound that stays away


@on_virtual_time
async def test_in_the_middle_of_a_turn_sound_that_stays_away_counts_as_silence() -> None:
    rig = Rig(acknowledges_only)
    async with rig.running():
        await rig.speak(1)
        rig.stream.say(asr.VoiceOnset(1, 0))
        await passed(1.4)
        assert rig.stream.samples <= SECOND
        await passed(0.2)
        assert rig.stream.samples == SECOND + SECOND * 3 // 2
        await passed(2.0)
        assert rig.stream.samples == pytest.approx(SECOND + 3.5 * SECOND, abs=SECOND // 2)
        assert rig.stream.pcm[: len(rig.heard)] == rig.heard
        assert not any(rig.stream.pcm[len(rig.heard) :])
        rig.stream.say(end_of_turn(1, SECOND, 2 * SECOND))
        await settled()
        ended = rig.stream.samples
        await passed(60)
        assert rig.stream.samples == ended
    assert rig.failures == []


@on_virtual_time
async def test_outside_a_turn_sound_may_stay_away() -> None:
    rig = Rig(listens)
    async with rig.running():
        await rig.speak(1)
        sent = rig.stream.samples
        await passed(60)
        assert rig.stream.samples == sent
        assert rig.heard.startswith(rig.stream.pcm)
    assert rig.failures == []


@pytest.mark.parametrize("end", [asr.TurnDiscarded(1, asr.DiscardReason.NOISE, 0, SECOND), None])
@on_virtual_time
async def test_sound_that_goes_on_in_time_is_followed_by_no_silence(end: asr.Event | None) -> None:
    rig = Rig(acknowledges_only)
    async with rig.running():
        await rig.speak(1)
        rig.stream.say(asr.VoiceOnset(1, 0))
        await passed(1.3)
        if end is None:
            await rig.speak(2)
        else:
            rig.stream.say(end)
            await passed(30)
        rig.recognition.flush()
        await settled()
        assert rig.stream.pcm == rig.heard


@on_virtual_time
async def test_a_microphone_that_comes_back_is_heard_behind_the_silence() -> None:
    rig = Rig(acknowledges_only)
    async with rig.running():
        await rig.speak(1)
        rig.stream.say(asr.VoiceOnset(1, 0))
        await passed(1.6)
        rig.hear(4)
        await settled()
        assert rig.stream.pcm == rig.heard[: 2 * SECOND] + bytes(3 * SECOND) + rig.heard[2 * SECOND :]
        assert is_contiguous(rig.stream)


@on_virtual_time
async def test_a_turn_that_was_open_when_the_server_went_away_is_ended_on_the_new_stream() -> None:
    rig = Rig(acknowledges_only)
    async with rig.running():
        await rig.speak(1)
        rig.stream.say(asr.VoiceOnset(1, 0))
        await settled()
        rig.stream.fail(GONE)
        await passed(5)
        heard_again = rig.stream.samples
        assert heard_again == SECOND
        rig.stream.say(asr.VoiceOnset(1, 0))
        await passed(3)
        assert rig.stream.samples > heard_again + SECOND


@pytest.mark.parametrize(
    ("events", "lost"),
    [
        pytest.param([], 0, id="nobody spoke"),
        pytest.param([asr.VoiceOnset(1, 0)], 1, id="a voice was heard"),
        pytest.param([asr.VoiceOnset(1, 0), end_of_turn(1, 900, 1_000)], 0, id="the turn was over"),
        pytest.param([end_of_turn(1, 900, 1_000), asr.SpeechStarted(2, 1_000, 200)], 1, id="one turn follows another"),
    ],
)
@on_virtual_time
async def test_a_turn_that_is_open_when_its_stream_breaks_is_told_of(events: list[asr.Event], lost: int) -> None:
    rig = Rig(In(acknowledges_only, away))
    async with rig.running():
        await rig.speak(1)
        rig.stream.say(*events)
        rig.stream.fail(GONE)
        await passed(10)
    assert sum(isinstance(event, TurnLost) for event in rig.events) == lost


# The end


@on_virtual_time
async def test_who_says_no_more_is_heard_to_the_end() -> None:
    rig = Rig(acknowledges_only)
    async with rig.running(), asyncio.TaskGroup() as tasks:
        rig.hear(50)
        finishing = tasks.create_task(rig.recognition.finish())
        await passed(2)
        assert not finishing.done()
        assert isinstance(rig.stream.requests[-1], asr.Flush)
        rig.stream.say(end_of_turn(1, SECOND // 2, SECOND - SECOND // 20))
        await settled()
        assert finishing.done(), "what is left of the last window is never accounted for"


@on_virtual_time
async def test_what_a_server_does_not_account_for_in_ten_seconds_is_lost() -> None:
    rig = Rig(acknowledges_only)
    async with rig.running():
        rig.hear(50)
        await rig.recognition.finish()
        assert now() == pytest.approx(10, abs=0.01)
        assert [(lost.first_sample, lost.end_sample) for lost in rig.lost] == [(0, SECOND)]


@on_virtual_time
async def test_who_said_nothing_has_nothing_to_wait_for() -> None:
    rig = Rig(listens)
    async with rig.running():
        await rig.recognition.finish()


@on_virtual_time
async def test_who_says_no_more_does_not_wait_for_sound_that_was_given_up() -> None:
    rig = Rig(In(breaks_on_sound, breaks_on_sound, breaks_on_sound, listens))
    async with rig.running():
        rig.hear(50)
        async with asyncio.timeout(9):
            await rig.recognition.finish()
        assert [(lost.first_sample, lost.end_sample) for lost in rig.lost] == [(0, SECOND)]


@on_virtual_time
async def test_a_server_that_says_twice_that_it_is_ready_is_sent_everything_once() -> None:
    rig = Rig(listens)
    async with rig.running():
        await rig.speak(0.4)
        rig.recognition.reconfigure(HINTED)
        rig.stream.say(READY)
        await rig.speak(0.4)
        assert is_contiguous(rig.stream)
        assert rig.stream.requests.count(HINTED) == 1


# Silence shares messages, and a gateway that is held up blames nobody


def quiet(rig: Rig, packets: int) -> None:
    for _ in range(packets):
        rig.recognition.hear(AudioPacket(bytes(2 * PACKET), rig.sequence), 0)
        rig.sequence += 1
        rig.heard += bytes(2 * PACKET)


@on_virtual_time
async def test_silence_under_a_reply_shares_messages_and_a_voice_takes_it_along_at_once() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.recognition.assistant(asr.Assistant.SPEAKING)
        quiet(rig, 10)
        assert len(rig.stream.sound) == 0
        await settled()
        assert [len(audio.pcm) for audio in rig.stream.sound] == [4 * 2 * PACKET] * 2
        rig.hear()
        await settled()
        assert len(rig.stream.sound) == 3
        assert rig.stream.pcm == rig.heard


@on_virtual_time
async def test_silence_before_a_turn_shares_a_message_of_a_fifth_of_a_second() -> None:
    rig = Rig(listens)
    async with rig.running():
        quiet(rig, 20)
        await settled()
        assert [len(audio.pcm) for audio in rig.stream.sound] == [10 * 2 * PACKET] * 2


@on_virtual_time
async def test_each_silent_packet_in_a_pause_goes_alone_since_the_end_of_the_turn_hangs_on_it() -> None:
    rig = Rig(listens)
    async with rig.running():
        rig.hear(4)
        rig.stream.say(asr.VoiceOnset(1, 0), asr.VoiceStopped(1, 900, 200))
        await settled()
        for sent in (2, 3, 4):
            quiet(rig, 1)
            await settled()
            assert len(rig.stream.sound) == sent


@pytest.mark.parametrize("seconds", [3.5, 20.0])
@on_virtual_time
async def test_a_gateway_that_is_held_up_reads_what_has_come_before_it_blames_the_server(seconds: float) -> None:
    def slow(stream: AsrStream, request: asr.Request) -> None:
        if isinstance(request, asr.Config):
            stream.say(READY)

    rig = Rig(slow)
    async with rig.running():
        rig.hear(60)
        await settled()
        acknowledged = asr.AudioAck(60 * PACKET, 60 * PACKET)
        asyncio.get_running_loop().call_later(1, rig.stream.say, acknowledged)
        await passed(0.1)
        # The answer comes while nobody can read it.
        hold_up(seconds)
        await passed(60)
        assert len(rig.server.streams) == 1
    assert not rig.failures


@on_virtual_time
async def test_a_long_resend_is_decoded_as_the_server_takes_it() -> None:
    rig = Rig(In(acknowledges_only, acknowledges_only))
    rig.server.write_seconds = 0.01
    async with rig.running():
        rig.hear(50 * 60)
        rig.stream.fail(GONE)
        await passed(0.5)
        assert len(rig.server.streams) == 2
        assert rig.stream.samples < 10 * SECOND, "a minute in one go"
        await passed(30)
        assert rig.stream.pcm == rig.heard
