"""The sound of a reply on its way: in packets, when it may be heard, at the listener's pace, and to its last sample."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gateway.audio.codecs import PcmEncoder
from edge_gateway.reply.playout import Playout, pacing
from tests.edge_gateway.in_memory import Connection
from tests.virtual_time import now, on_virtual_time, passed, run, settled, until

if TYPE_CHECKING:
    from parley.conversation import AudioPacket

RATE_HZ = 24_000
PACKET = 480
LOOKAHEAD = 60


def sound(samples: int) -> bytes:
    """No two samples next to each other are alike."""
    return b"".join((1 + index % 30_000).to_bytes(2, "little") for index in range(samples))


class Lookahead(PcmEncoder):
    """An encoder whose decoder is late, as Opus is."""

    @property
    def lookahead_samples(self) -> int:
        return LOOKAHEAD


class Stage:
    """Lets a reply begin once it may be heard, and keeps what happened in order."""

    def __init__(self, connection: Connection) -> None:
        self.released = asyncio.Event()
        self.released.set()
        self._connection = connection
        self.packets_before_begun = 0
        self.begun_at: float | None = None
        self.spare_seconds: list[float] = []
        """What was said of each wait for others."""
        self.others_seconds = 0.0
        """How long others take, where there is so much time."""

    async def may_begin(self) -> None:
        await self.released.wait()

    async def has_begun(self) -> None:
        assert self.begun_at is None, "it begins once"
        self.packets_before_begun, self.begun_at = len(self._connection.packets), now()

    async def may_go_on(self, spare_seconds: float) -> None:
        self.spare_seconds.append(spare_seconds)
        await passed(self.others_seconds if spare_seconds > self.others_seconds else 0.0)


class Rig:
    """A reply with number 7, and its listener."""

    def __init__(self, encoder: type[PcmEncoder] = PcmEncoder) -> None:
        self.connection = Connection()
        self.stage = Stage(self.connection)
        self.playout = Playout(7, self.connection, encoder, pacing(RATE_HZ, 0.4), self.stage)

    @property
    def sent(self) -> bytes:
        return b"".join(packet.data for packet in self.connection.packets)


@on_virtual_time
async def test_sound_goes_in_whole_packets_that_know_their_place() -> None:
    rig = Rig()
    await rig.playout.send(sound(PACKET * 3 + 100))
    assert [(packet.reply, packet.sequence, packet.first_sample) for packet in rig.connection.packets] == [
        (7, 0, 0),
        (7, 1, 480),
        (7, 2, 960),
    ]
    assert rig.sent == sound(PACKET * 3)
    assert rig.playout.sent_samples == PACKET * 3


@on_virtual_time
async def test_less_than_a_packet_waits_for_more() -> None:
    rig = Rig()
    await rig.playout.send(sound(PACKET - 1))
    assert not rig.playout.started
    await rig.playout.send(sound(1))
    assert rig.playout.started


@on_virtual_time
async def test_the_first_packet_goes_alone_and_is_announced() -> None:
    rig = Rig()
    await rig.playout.send(sound(PACKET * 5))
    assert rig.stage.packets_before_begun == 1
    assert len(rig.connection.packets) == 5


@on_virtual_time
async def test_nothing_goes_before_the_reply_may_be_heard() -> None:
    rig = Rig()
    rig.stage.released.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.playout.send(sound(PACKET)))
        await passed(5.0)
        assert (rig.connection.packets, rig.playout.started, rig.playout.position) == ([], False, 0)
        rig.stage.released.set()
    assert rig.stage.begun_at == pytest.approx(5.0, abs=0.001)


@on_virtual_time
async def test_a_long_reply_goes_no_more_than_the_lead_ahead_of_time() -> None:
    rig = Rig()
    await rig.playout.send(sound(RATE_HZ * 10))
    ahead = [
        packet.first_sample + PACKET - at * RATE_HZ
        for packet, at in zip(rig.connection.packets, rig.connection.packets_at, strict=True)
    ]
    assert max(ahead) <= 0.4 * RATE_HZ + 1
    # In bursts: the sender wakes ten times a second, not fifty times.
    assert len(set(rig.connection.packets_at)) <= 100
    assert now() == pytest.approx(9.6, abs=0.15)


@on_virtual_time
async def test_who_has_enough_waits_for_others_and_who_has_not_does_not() -> None:
    rig = Rig()
    rig.stage.others_seconds = 0.05
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.playout.send(sound(PACKET * 21)))
        await settled()
        # One alone, and five, after which the listener has no more than enough; and five.
        assert len(rig.connection.packets) == 11
    assert rig.stage.spare_seconds == pytest.approx([0.1, 0.15])
    assert rig.connection.packets_at == pytest.approx([0.0] * 11 + [0.05] * 5 + [0.1] * 5)


@on_virtual_time
async def test_others_take_no_sound_from_a_listener() -> None:
    rig = Rig()
    rig.stage.others_seconds = 0.17
    await rig.playout.send(sound(RATE_HZ * 3))
    ahead = [
        packet.first_sample / RATE_HZ - at
        for packet, at in zip(rig.connection.packets, rig.connection.packets_at, strict=True)
    ]
    assert min(ahead[6:]) >= 0.12 - 0.001


class Untimed(Connection):
    """A listener on whatever loop."""

    async def send_audio(self, packets: list[AudioPacket]) -> None:
        self.packets += packets


class Begun(Stage):
    """Takes no note of when a reply begins."""

    async def has_begun(self) -> None:
        pass

    async def may_go_on(self, spare_seconds: float) -> None:
        del spare_seconds


class CountingLoop(uvloop.Loop):
    """Counts how often somebody looks at the time."""

    looks = 0

    def time(self) -> float:
        self.looks += 1
        return super().time()


def test_a_sender_that_is_held_looks_once_whatever_the_timers_of_the_loop() -> None:
    loops: list[CountingLoop] = []

    def counting() -> CountingLoop:
        loops.append(CountingLoop())
        return loops[-1]

    async def held(played_samples: int) -> None:
        playout = Playout(7, Untimed(), PcmEncoder, pacing(RATE_HZ, 0.42), Begun(Untimed()))
        await playout.send(sound(PACKET * 21))
        # So there is room after milliseconds and parts of one, which uvloop's timers round.
        playout.played(played_samples, 0.0, final=False)
        await playout.send(sound(PACKET * 3))

    async def many_held() -> None:
        async with asyncio.TaskGroup() as tasks:
            for samples in range(100, 500, 8):
                tasks.create_task(held(samples))

    for _ in range(3):
        uvloop.run(many_held(), loop_factory=counting)
    assert max(loop.looks for loop in loops) / 50 <= 30


@on_virtual_time
async def test_a_listener_who_stalls_holds_the_sender_up_until_they_go_on() -> None:
    rig = Rig()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.playout.send(sound(RATE_HZ * 4)))
        await passed(0.2)
        rig.playout.played(2_400, 0.0, final=False)
        await passed(20.0)
        stalled = rig.playout.sent_samples
        # What it last said, a second on faith, and the lead.
        assert stalled <= 2_400 + RATE_HZ + 0.4 * RATE_HZ + 1
        rig.playout.played(30_000, 0.0, final=False)
        await settled()
        assert rig.playout.sent_samples > stalled
        for second in range(1, 5):
            await passed(1.0)
            rig.playout.played(30_000 + second * RATE_HZ, 0.0, final=False)
    assert rig.sent == sound(RATE_HZ * 4)


@on_virtual_time
async def test_the_end_is_padded_to_a_packet_and_pushed_out_of_the_listeners_decoder() -> None:
    rig = Rig(Lookahead)
    await rig.playout.send(sound(PACKET + PACKET - 10))
    await rig.playout.finish()
    # Ten samples of room are too few for the decoder's lookahead.
    assert rig.sent == sound(PACKET * 2 - 10) + bytes(2 * (10 + PACKET))


@on_virtual_time
async def test_an_end_that_fills_its_packet_needs_no_padding() -> None:
    rig = Rig()
    await rig.playout.send(sound(PACKET * 2))
    await rig.playout.finish()
    assert rig.sent == sound(PACKET * 2)


@on_virtual_time
async def test_a_reply_shorter_than_a_packet_is_heard() -> None:
    rig = Rig()
    await rig.playout.send(sound(100))
    await rig.playout.finish()
    assert rig.sent == sound(100) + bytes(2 * (PACKET - 100))
    assert rig.stage.begun_at is not None


@on_virtual_time
async def test_a_reply_without_sound_never_begins() -> None:
    rig = Rig()
    await rig.playout.finish()
    assert (rig.playout.started, rig.stage.begun_at, rig.connection.packets) == (False, None, [])


@on_virtual_time
async def test_without_reports_the_listener_is_where_the_clock_says() -> None:
    rig = Rig()
    assert rig.playout.position == 0
    await rig.playout.send(sound(PACKET * 10))
    assert rig.playout.position == 0
    await passed(0.1)
    assert rig.playout.position == pytest.approx(0.1 * RATE_HZ, abs=1)
    await passed(5.0)
    assert rig.playout.position == PACKET * 10


@on_virtual_time
async def test_a_final_report_is_the_last_word_on_what_was_heard() -> None:
    rig = Rig()
    await rig.playout.send(sound(PACKET * 10))
    await passed(0.1)
    rig.playout.played(1_500, 0.0, final=True)
    await passed(5.0)
    assert rig.playout.position == 1_500


@pytest.mark.parametrize(("said", "taken"), [(-5, 0), (10**12, PACKET * 5), (2**63 - 1, PACKET * 5)])
@on_virtual_time
async def test_a_report_that_cannot_be_is_brought_within_what_was_sent(said: int, taken: int) -> None:
    rig = Rig()
    await rig.playout.send(sound(PACKET * 5))
    rig.playout.played(said, 0.0, final=True)
    assert (rig.playout.played_samples, rig.playout.position) == (taken, taken)


@on_virtual_time
async def test_reports_never_go_back() -> None:
    rig = Rig()
    await rig.playout.send(sound(PACKET * 5))
    for samples in (1_000, 500):
        rig.playout.played(samples, 0.0, final=False)
    assert rig.playout.played_samples == 1_000


@pytest.mark.parametrize(
    ("reports", "heard_at"),
    [
        pytest.param((), 0.5, id="who reports nothing has heard it when the clock says so"),
        pytest.param(((0.3, PACKET * 25, False),), 0.3, id="who reports all of it has heard it"),
        pytest.param(((0.2, 3_000, True),), 0.2, id="who will play no more has heard what they have"),
        pytest.param(((0.3, 3_000, False),), 2.5, id="who stops reporting is waited for two seconds more"),
        pytest.param(((0.3, 3_000, False), (1.5, PACKET * 25, False)), 1.5, id="who is late is waited for"),
    ],
)
@on_virtual_time
async def test_a_reply_of_half_a_second_is_over_when_it_was_heard(
    reports: tuple[tuple[float, int, bool], ...], heard_at: float
) -> None:
    rig = Rig()
    await rig.playout.send(sound(PACKET * 25))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(rig.playout.until_heard())
        for at, samples, final in reports:
            await until(at)
            rig.playout.played(samples, 0.0, final=final)
        await waiting
        assert now() == pytest.approx(heard_at, abs=0.001)


@given(
    pieces=st.lists(st.integers(0, 3_000), max_size=20),
    pauses=st.lists(st.floats(0, 0.5), min_size=20, max_size=20),
    lookahead=st.booleans(),
)
@settings(deadline=None)
def test_however_the_sound_comes_it_goes_once_and_in_order(
    pieces: list[int],
    pauses: list[float],
    lookahead: bool,  # noqa: FBT001 - hypothesis names it
) -> None:
    async def play() -> bytes:
        rig, whole, start = Rig(Lookahead if lookahead else PcmEncoder), sound(sum(pieces)), 0
        for samples, pause in zip(pieces, pauses, strict=False):
            await rig.playout.send(whole[start : start + samples * 2])
            start += samples * 2
            await passed(pause)
        await rig.playout.finish()
        assert rig.playout.sent_samples * 2 == len(rig.sent)
        assert len(rig.sent) % (PACKET * 2) == 0
        return rig.sent

    sent, whole = run(play()), sound(sum(pieces))
    assert sent.startswith(whole)
    assert not any(sent[len(whole) :])
    assert len(sent) - len(whole) < 2 * (PACKET + LOOKAHEAD)
