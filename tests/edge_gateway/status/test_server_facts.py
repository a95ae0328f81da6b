"""What is known of the servers when somebody looks: asked seldom, and held up by nobody."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from edge_gateway.status.server_facts import Answer, Server, ServerFacts
from parley.errors import EngineFailed, Unavailable
from parley.status import ServerState, ServerStatus
from tests.virtual_time import on_virtual_time, passed

if TYPE_CHECKING:
    from parley.errors import ParleyError
    from parley.status import StatusClient

STATUS = ServerStatus("asr", "1.0", "host:1", 0, ServerState.SERVING, "moonshine", "tiny-en", "")


@dataclass
class Teller:
    """A server that tells of itself, or does not."""

    asked: int = 0
    error: ParleyError | None = None
    hangs: bool = False

    async def ask(self, seconds: float) -> ServerStatus:
        del seconds
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return STATUS


def facts(*tellers: Teller) -> ServerFacts:
    servers = [Server("asr", f"host:{at}", cast("StatusClient", each)) for at, each in enumerate(tellers)]
    return ServerFacts(lambda: servers)


@on_virtual_time
async def test_however_many_look_a_server_is_asked_once_a_second() -> None:
    teller = Teller()
    asked = facts(teller)
    async with asyncio.TaskGroup() as looking:
        for _ in range(50):
            looking.create_task(asked.answers())
    assert teller.asked == 1
    await passed(0.9)
    await asked.answers()
    assert teller.asked == 1
    await passed(0.2)
    await asked.answers()
    assert teller.asked == 2


@on_virtual_time
async def test_servers_are_asked_side_by_side_and_a_second_is_the_longest_wait() -> None:
    began = asyncio.get_running_loop().time()
    found = await facts(Teller(hangs=True), Teller(), Teller(hangs=True)).answers()
    assert asyncio.get_running_loop().time() - began == 1.0
    late = Answer("asr", "host:0", state="away", reason="no answer within 1 s")
    assert found == (late, Answer("asr", "host:1", STATUS), replace(late, address="host:2"))


@on_virtual_time
async def test_a_server_that_is_away_is_told_of_with_the_reason_and_found_when_it_is_back() -> None:
    teller = Teller(error=Unavailable("nobody is there"))
    asked = facts(teller)
    assert await asked.answers() == (Answer("asr", "host:0", state="away", reason="nobody is there"),)
    teller.error = None
    await passed(1.1)
    assert await asked.answers() == (Answer("asr", "host:0", STATUS),)


@on_virtual_time
async def test_a_server_that_answers_and_does_not_tell_is_not_taken_for_away() -> None:
    [answer] = await facts(Teller(error=EngineFailed("Method not found!"))).answers()
    assert answer.state == "unknown"
    assert "older version" in answer.reason


@on_virtual_time
async def test_several_servers_of_one_name_are_told_of_one_by_one() -> None:
    found = await facts(Teller(), Teller(error=Unavailable("gone")), Teller()).answers()
    assert [(each.address, each.state) for each in found] == [("host:0", ""), ("host:1", "away"), ("host:2", "")]


@on_virtual_time
async def test_who_leaves_while_a_server_is_asked_holds_up_nobody_else() -> None:
    teller = Teller(hangs=True)
    asked = facts(teller)
    async with asyncio.TaskGroup() as looking:
        leaving = looking.create_task(asked.answers())
        await passed(0.5)
        leaving.cancel()
    teller.hangs = False
    [answer] = await asked.answers()
    assert answer.status == STATUS


@on_virtual_time
async def test_calls_and_health_are_those_of_the_moment_and_servers_may_come_and_go() -> None:
    teller = Teller()
    first = Server("asr", "host:0", cast("StatusClient", teller), "serving", 3)
    servers = [first]
    asked = ServerFacts(lambda: servers)
    assert await asked.answers() == (Answer("asr", "host:0", STATUS, health="serving", in_flight=3),)
    servers[:] = [replace(first, health="draining", in_flight=1), replace(first, address="host:1", in_flight=0)]
    draining, new = await asked.answers()
    assert (draining.status, draining.health, draining.in_flight) == (STATUS, "draining", 1)
    assert (new.status, new.state, new.health) == (None, "unknown", "serving")
    assert teller.asked == 1
    await passed(1.1)
    assert [each.status for each in await asked.answers()] == [STATUS, STATUS]


@on_virtual_time
async def test_a_service_of_which_no_address_is_known_is_told_as_it_is_named() -> None:
    nobody = Server("asr", "asr:50051", None, "unknown", reason="no address is known of asr:50051")
    [answer] = await ServerFacts(lambda: [nobody]).answers()
    assert (answer.address, answer.state, answer.reason) == ("asr:50051", "away", "no address is known of asr:50051")
