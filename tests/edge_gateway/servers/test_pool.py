"""The servers of one service: found, watched, chosen, and left; on virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from edge_gateway.capacity.path import PartLoad
from edge_gateway.servers.standing import State
from parley.errors import EngineFailed, InvalidInput, Overloaded, Unavailable
from parley.v1.multiplex_pb2 import ServerLoad
from tests.edge_gateway.servers.scripted import REFUSED, Net, Scripted, serving
from tests.virtual_time import now, on_virtual_time, passed, settled

if TYPE_CHECKING:
    from edge_gateway.servers.lease import Lease
    from edge_gateway.servers.pool import Pool

THREE = "10.0.0.1:1,10.0.0.2:1,10.0.0.3:1"
A, B, C = THREE.split(",")


def hold(pool: Pool[Scripted], held: ExitStack, count: int) -> Counter[str]:
    """Begin so many calls that go on until `held` is left; gives how many each server got."""
    return Counter(held.enter_context(pool.choose()).server.address for _ in range(count))


def state_of(pool: Pool[Scripted], address: str) -> State:
    [state] = [server.standing.state for server in pool.servers if server.address == address]
    return state


# Load


@on_virtual_time
async def test_calls_are_even_over_the_servers_and_count_for_as_long_as_they_last() -> None:
    net = Net()
    async with net.pool(THREE) as pool:
        with ExitStack() as held:
            assert set(hold(pool, held, 60).values()) == {20}
            assert [server.load for server in pool.servers] == [20, 20, 20]
        assert [server.load for server in pool.servers] == [0, 0, 0]


@on_virtual_time
async def test_a_server_that_says_that_it_has_too_much_to_do_is_asked_only_where_no_other_is() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        net[A].load = asyncio.get_running_loop().time(), ServerLoad(busy_permille=970)
        net[B].load = asyncio.get_running_loop().time(), ServerLoad(busy_permille=400)
        with ExitStack() as held:
            assert hold(pool, held, 10) == {B: 10}
            assert pool.work == PartLoad("asr", 0.4)
            net[B].load = asyncio.get_running_loop().time(), ServerLoad(busy_permille=990)
            assert pool.work == PartLoad("asr", 0.97)
            assert hold(pool, held, 10)[A] == 10
            # They say nothing any more, and have calls.
            net[A].calls_since = net[B].calls_since = asyncio.get_running_loop().time()
            await passed(5)
            work = pool.work
            assert work is not None
            assert work.is_full
            net[A].calls_since = net[B].calls_since = None
        await passed(5)
        assert pool.work == PartLoad("asr")
        net[A].be(serves=False)
        net[B].be(serves=False)
        await settled()
        assert pool.work is None


@on_virtual_time
async def test_a_call_that_is_over_makes_room_where_it_was() -> None:
    async with Net().pool(f"{A},{B}") as pool:
        leases: list[Lease[Scripted]] = []
        for _ in range(10):
            leases.append(pool.choose())
            leases[-1].__enter__()
        for lease in leases:
            if lease.server.address == A:
                lease.__exit__()
        with ExitStack() as held:
            assert hold(pool, held, 5) == {A: 5}


@on_virtual_time
async def test_an_address_that_is_listed_twice_is_one_server_with_one_share() -> None:
    net = Net(names={"asr": ["10.0.0.1", "10.0.0.2"]})
    async with net.pool(f"asr:1,{A},{A}") as pool:
        with ExitStack() as held:
            assert hold(pool, held, 10) == {A: 5, B: 5}
        assert net[A].watches == 1


@on_virtual_time
async def test_addresses_of_the_sixth_version_are_servers_as_any() -> None:
    net = Net(names={"asr": ["fd00::1", "10.0.0.1"]})
    async with net.pool("[fd00::2]:1,asr:1") as pool:
        assert serving(pool) == ["10.0.0.1:1", "[fd00::1]:1", "[fd00::2]:1"]


# Health


@on_virtual_time
async def test_a_server_that_drains_gets_no_new_calls_and_keeps_those_that_it_has() -> None:
    net = Net()
    async with net.pool(THREE) as pool:
        with ExitStack() as held:
            hold(pool, held, 9)
            net[A].be(serves=False)
            await settled()
            assert hold(pool, held, 10) == {B: 5, C: 5}
            assert pool.servers[0].load == 3
            # It goes away while it finishes them, and is not called lost for that.
            net[A].be(REFUSED)
            await passed(3)
            assert state_of(pool, A) is State.DRAINING
        await passed(3)
        assert state_of(pool, A) is State.LOST
        net[A].be(serves=True)
        await passed(2)
        assert serving(pool) == [A, B, C]


@on_virtual_time
async def test_a_server_that_is_lost_is_used_again_within_about_a_second_of_its_return() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        net[A].be(REFUSED)
        await settled()
        assert serving(pool) == [B]
        await passed(120)
        net[A].serves = True
        await passed(1.25)
        assert serving(pool) == [A, B]


@on_virtual_time
async def test_a_server_that_answers_nothing_is_not_waited_for_while_others_serve() -> None:
    net = Net()
    net[A].serves = None
    async with net.pool(THREE) as pool:
        began = now()
        await pool.decided()
        with ExitStack() as held:
            assert hold(pool, held, 10) == {B: 5, C: 5}
        assert now() == began


@on_virtual_time
async def test_a_server_that_answers_nothing_at_all_is_waited_for_two_seconds_and_named() -> None:
    net = Net(at_first=None)
    async with net.pool(A) as pool:
        began = now()
        await pool.decided()
        assert now() - began == pytest.approx(2)
        with pytest.raises(Unavailable, match=f"the asr server is not available: {A}: no answer yet"):
            pool.choose()


@on_virtual_time
async def test_a_call_waits_for_the_first_word_of_a_server_and_not_longer() -> None:
    net = Net(at_first=None)
    async with net.pool(f"{A},{B}") as pool, asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(pool.decided())
        await passed(0.5)
        net[A].be(REFUSED)
        await settled()
        assert not waiting.done()
        net[B].be(serves=True)
        await settled()
        assert waiting.done()
        assert serving(pool) == [B]


@on_virtual_time
async def test_without_a_server_calls_are_refused_at_once_with_the_reason_and_the_first_that_serves_ends_that() -> None:
    net = Net(at_first=REFUSED)
    async with net.pool(THREE) as pool:
        began = now()
        await pool.decided()
        with pytest.raises(Unavailable, match=rf"the asr server is not available: none of 3 \({A}: connection refused"):
            pool.choose()
        assert now() == began
        net[C].serves = True
        await passed(1.25)
        assert serving(pool) == [C]


@on_virtual_time
async def test_all_servers_may_drain_and_the_first_that_serves_again_gets_all_calls() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        for address in (A, B):
            net[address].be(serves=False)
        await settled()
        with pytest.raises(Unavailable, match="it takes no new calls"):
            pool.choose()
        net[B].be(serves=True)
        await settled()
        assert serving(pool) == [B]


@on_virtual_time
async def test_a_server_that_comes_and_goes_is_asked_less_and_less_while_others_serve() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        used = 0
        for _ in range(40):
            net[A].be(serves=True)
            await passed(0.5)
            with pool.choose() as first, pool.choose() as second:
                used += A in {first.server.address, second.server.address}
            net[A].be(serves=False)
            await settled()
        assert used <= 3
        # One that stays is used again.
        net[A].be(serves=True)
        await passed(20)
        assert serving(pool) == [A, B]
        with pool.choose() as first, pool.choose() as second:
            assert {first.server.address, second.server.address} == {A, B}


# Calls that fail


@on_virtual_time
async def test_a_server_whose_calls_fail_is_left_alone_until_its_health_was_asked_anew() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        with pool.choose((B,)) as lease:
            lease.failed(REFUSED)
        with ExitStack() as held:
            assert hold(pool, held, 10) == {B: 10}
            assert net[A].checks == 0
            await passed(0.3)
            assert net[A].checks == 1
            assert hold(pool, held, 10) == {A: 10}


@on_virtual_time
async def test_a_server_that_hangs_is_left_alone_for_as_long_as_it_does() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        net[A].serves = None
        with pool.choose((B,)) as lease:
            lease.hangs()
        await passed(30)
        with ExitStack() as held:
            assert hold(pool, held, 10) == {B: 10}
        net[A].serves = True
        await passed(1.1)
        with ExitStack() as held:
            assert hold(pool, held, 10) == {A: 5, B: 5}


@on_virtual_time
async def test_the_only_server_is_asked_though_calls_failed_there() -> None:
    async with Net().pool(A) as pool:
        with pool.choose() as lease:
            lease.failed(REFUSED)
            lease.hangs()
        assert pool.choose().server.address == A


@on_virtual_time
async def test_a_server_that_is_full_is_left_alone_for_as_long_as_it_says() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        with pool.choose((B,)) as lease:
            lease.failed(Overloaded("all 500 streams are taken", retry_after_ms=5_000))
        await passed(4.9)
        with ExitStack() as held:
            assert hold(pool, held, 4) == {B: 4}
            await passed(0.2)
            assert hold(pool, held, 4) == {A: 4}


@on_virtual_time
async def test_a_failure_of_an_engine_says_nothing_against_its_server() -> None:
    async with Net().pool(f"{A},{B}") as pool:
        with pool.choose((B,)) as lease:
            lease.failed(EngineFailed("this sound cannot be taken"))
        with ExitStack() as held:
            assert hold(pool, held, 4) == {A: 2, B: 2}


# DNS


@on_virtual_time
async def test_a_new_replica_is_found_within_six_seconds_and_gets_its_share() -> None:
    net = Net(names={"asr": ["10.0.0.1", "10.0.0.2"]})
    async with net.pool("asr:1") as pool:
        with ExitStack() as held:
            hold(pool, held, 40)
            net.names["asr"] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
            await passed(6.1)
            assert hold(pool, held, 30)[C] >= 0.8 * 10


@on_virtual_time
async def test_a_replica_that_takes_the_place_of_one_that_was_lost_is_found_within_two_seconds() -> None:
    net = Net(names={"asr": ["10.0.0.1"]})
    async with net.pool("asr:1") as pool:
        await passed(2)
        net.names["asr"] = ["10.0.0.2"]
        net[A].be(REFUSED)
        await passed(2)
        assert serving(pool) == [B]
        assert net[A].is_closed


@on_virtual_time
async def test_a_name_that_stands_for_nothing_for_a_while_keeps_the_last_servers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    net = Net(names={"asr": ["10.0.0.1"]})
    async with net.pool("asr:1") as pool:
        net.names["asr"] = OSError("Name or service not known")
        await passed(300)
        assert serving(pool) == [A]
        net.names["asr"] = []
        await passed(300)
        assert serving(pool) == [A]
    # One line however long it lasts.
    assert [record.message for record in caplog.records if "DNS" in record.message] == [
        "DNS knows no address of asr: Name or service not known"
    ]


@on_virtual_time
async def test_a_name_that_stands_for_nothing_yet_is_told_and_found_later() -> None:
    net = Net(names={"asr": OSError("Name or service not known")})
    async with net.pool("asr:1") as pool:
        await pool.decided()
        with pytest.raises(Unavailable, match="no address is known of asr:1"):
            pool.choose()
        net.names["asr"] = ["10.0.0.1"]
        await passed(6.1)
        assert serving(pool) == [A]


@on_virtual_time
async def test_a_dns_that_does_not_answer_is_waited_for_and_asked_only_once() -> None:
    net = Net(names={"asr": None})
    async with net.pool("asr:1") as pool:
        began = now()
        await pool.decided()
        assert now() - began == pytest.approx(2)
        await passed(60)
        assert net.questions == 1


@on_virtual_time
async def test_a_server_that_dns_forgets_gets_no_new_calls_and_is_closed_with_its_last_one() -> None:
    net = Net(names={"asr": ["10.0.0.1", "10.0.0.2"]})
    async with net.pool("asr:1") as pool:
        with ExitStack() as held:
            hold(pool, held, 4)
            net.names["asr"] = ["10.0.0.2"]
            await passed(19)
            assert hold(pool, held, 4) == {B: 4}
            assert not net[A].is_closed
        await settled()
        assert net[A].is_closed
        assert [server.address for server in pool.servers] == [B]


@on_virtual_time
async def test_one_answer_of_dns_that_is_cut_short_forgets_nobody_who_serves() -> None:
    net = Net(names={"asr": ["10.0.0.1", "10.0.0.2"]})
    async with net.pool("asr:1") as pool:
        net.names["asr"] = ["10.0.0.2"]
        await passed(6.1)
        assert serving(pool) == [A, B]
        net.names["asr"] = ["10.0.0.1", "10.0.0.2"]
        await passed(60)
        assert net[A].watches == net[B].watches == 1


@on_virtual_time
async def test_addresses_that_were_given_are_asked_of_no_dns() -> None:
    net = Net()
    async with net.pool(THREE):
        await passed(60)
    assert net.questions == 0
    assert all(net[address].is_closed for address in (A, B, C))


@on_virtual_time
async def test_a_replica_that_comes_while_certificates_are_being_replaced_is_met_when_they_are_there() -> None:
    net = Net(names={"asr": ["10.0.0.1"]})
    async with net.pool("asr:1") as pool:
        net.names["asr"] = ["10.0.0.1", "10.0.0.2"]
        net.unusable = InvalidInput("the key is not the certificate's")
        await passed(7)
        assert serving(pool) == [A]
        net.unusable = None
        await passed(7)
        assert serving(pool) == [A, B]


@on_virtual_time
async def test_what_cannot_be_used_from_the_first_is_told_at_once() -> None:
    net = Net(unusable=InvalidInput("the key is not the certificate's"))
    with pytest.raises(InvalidInput, match="not the certificate's"):
        async with net.pool(A):
            pass


# Calls that are to go elsewhere


class Stream:
    """A call that goes elsewhere when it is told to."""

    def __init__(self, pool: Pool[Scripted]) -> None:
        self._pool = pool
        self.places: list[str] = []
        self.told = 0

    def enter(self, held: ExitStack) -> None:
        lease = held.enter_context(self._pool.choose())
        self.places.append(lease.server.address)
        lease.leave = self.leave

    def leave(self) -> None:
        self.told += 1


@on_virtual_time
async def test_calls_of_a_server_that_drains_are_told_once_each_and_not_all_in_one_moment() -> None:
    net = Net()
    async with net.pool(THREE) as pool:
        streams = [Stream(pool) for _ in range(30)]
        with ExitStack() as held:
            for stream in streams:
                stream.enter(held)
            net[A].be(serves=False)
            await passed(0.5)
            told = sum(stream.told for stream in streams)
            assert 0 < told < 10
            await passed(0.6)
            net[B].be(serves=True)
            await passed(2)
            assert [stream.told for stream in streams] == [stream.places == [A] for stream in streams]


@on_virtual_time
async def test_calls_stay_where_they_are_while_there_is_no_other_server() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        net[B].be(REFUSED)
        await settled()
        stream = Stream(pool)
        with ExitStack() as held:
            stream.enter(held)
            net[A].be(serves=False)
            await passed(10)
            assert stream.told == 0
            net[B].serves = True
            await passed(2.5)
            assert stream.told == 1


@on_virtual_time
async def test_a_server_that_serves_again_before_a_call_was_told_keeps_it() -> None:
    net = Net()
    async with net.pool(f"{A},{B}") as pool:
        streams = [Stream(pool) for _ in range(8)]
        with ExitStack() as held:
            for stream in streams:
                stream.enter(held)
            net[A].be(serves=False)
            await settled()
            net[A].be(serves=True)
            await passed(2)
            assert sum(stream.told for stream in streams) == 0
            # When it drains for good they are told all the same.
            net[A].be(serves=False)
            await passed(2)
            assert sum(stream.told for stream in streams) == 4


@on_virtual_time
async def test_calls_of_a_server_that_dns_forgets_are_told_too() -> None:
    net = Net(names={"asr": ["10.0.0.1"]})
    async with net.pool("asr:1") as pool:
        stream = Stream(pool)
        with ExitStack() as held:
            stream.enter(held)
            net.names["asr"] = ["10.0.0.2"]
            await passed(20)
            assert stream.told == 1


# What the log says


@on_virtual_time
async def test_the_log_says_in_one_line_each_when_a_server_joins_drains_is_lost_and_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "parley.gateway")
    net = Net(names={"asr": ["10.0.0.1", "10.0.0.2"]})
    net[B].serves = REFUSED
    async with net.pool("asr:1") as pool:
        with pool.choose():
            net[A].be(serves=False)
            await settled()
        net[A].be(REFUSED)
        await passed(2)
        net[B].serves = True
        await passed(2)
        net[B].be(REFUSED)
        await passed(2)
        net.names["asr"] = ["10.0.0.1"]
        await passed(6.1)
    assert [record.getMessage() for record in caplog.records] == [
        f"asr server {A} joins, 1 of 2 serve",
        f"asr server {A} drains with 1 calls, 0 of 2 serve",
        f"asr server {A} has ended, 0 of 2 serve",
        f"asr server {B} joins, 1 of 2 serve",
        f"asr server {B} is lost, 0 of 2 serve: connection refused",
        f"asr server {B} is gone, 0 of 1 serve",
    ]
