"""Three ASR, two LLM and two TTS servers behind one gateway: load is shared, servers come and go, no turn is cut."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from asr_server.service import AsrServicer
from parley.conversation import ErrorEvent, Outcome, SessionConfig, TurnReport, TurnTaking, UserSpeechStarted, UserText
from tests.edge_gateway.fleet import Fleet, Member, fleet, heard, until
from tests.edge_gateway.own_clock import OwnClock
from tests.edge_gateway.rig import (
    SILENCE,
    Listener,
    Script,
    Writer,
    gateway,
    listening,
    serve_asr,
    serve_llm,
    serve_tts,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

    from asr_server.transcriber import Models
    from llm_server.engine import Conversation, ReplyEvent
    from serving.telemetry import Telemetry
    from tests.edge_gateway.rig import Gateway

COUNTS = {"asr": 3, "llm": 2, "tts": 2}
# Long enough for everything that a test lets finish.
DRAIN_SECONDS = 30.0
NO_HEAD_START = SessionConfig(turn_taking=TurnTaking(head_start=False))


class Held(Writer):
    """A model that writes when it may."""

    def __init__(self) -> None:
        super().__init__("It is late.")
        self.may_write = asyncio.Event()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        self.asked.append(conversation)
        await self.may_write.wait()
        async for event in super().reply(conversation):
            yield event


def script(hop: str, number: int) -> Script:
    del hop, number
    return Script(drain_seconds=DRAIN_SECONDS, writer=Writer("It is late."))


async def listeners(stack: AsyncExitStack, house: Fleet, count: int) -> list[Listener]:
    return [await with_microphone(stack, house.parley) for _ in range(count)]


async def with_microphone(stack: AsyncExitStack, parley: Gateway) -> Listener:
    listener = await stack.enter_async_context(listening(parley, NO_HEAD_START))
    await heard(parley, listener)
    return listener


def errors(*talking: Listener) -> list[ErrorEvent]:
    return [event for listener in talking for event in listener.events if isinstance(event, ErrorEvent)]


async def answered(listener: Listener, turn: int = 1) -> TurnReport:
    report = await listener.until(TurnReport)
    assert (report.turn, report.outcome, report.transcript) == (turn, Outcome.COMPLETED, "what time is it")
    return report


def place_of_newest(house: Fleet, before: dict[str, int]) -> str:
    """Which ASR server has the session that came last."""
    now = house.loads("asr")
    [address] = [address for address in now if now[address] > before[address]]
    return address


async def test_sessions_are_even_over_the_asr_servers_and_replies_in_flight_over_the_others() -> None:
    writers = [Held(), Held()]

    def held(hop: str, number: int) -> Script:
        return Script(writer=writers[number]) if hop == "llm" else script(hop, number)

    async with fleet(COUNTS, held) as house, AsyncExitStack() as stack:
        talking = await listeners(stack, house, 10)
        assert sorted(house.loads("asr").values()) == [3, 3, 4]
        for listener in talking:
            await listener.send(UserText("hello"))
        await until(lambda: sum(len(writer.asked) for writer in writers) == 10)
        assert list(house.loads("llm").values()) == [5, 5]
        for writer in writers:
            writer.may_write.set()
        for listener in talking:
            assert (await listener.until(TurnReport)).outcome is Outcome.COMPLETED
        spoken = [each.script.recorded.registries["tts"] for each in house.of("tts")]
        assert all(registry.get_sample_value("parley_tts_server_ttfa_seconds_count") for registry in spoken)
    assert not errors(*talking)


async def test_a_server_that_drains_finishes_its_turn_and_its_other_sessions_go_at_once() -> None:
    async with fleet(COUNTS, script) as house, AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        before = house.loads("asr")
        [talking] = await listeners(stack, house, 1)
        here = place_of_newest(house, before)
        silent = await listeners(stack, house, 8)
        await talking.speak(0.2, SILENCE)
        await talking.speak(0.8)
        await talking.until(UserSpeechStarted)
        [drained] = [each for each in house.of("asr") if each.address == here]
        stopping = tasks.create_task(drained.stop())
        # Those who say nothing are elsewhere soon; who speaks is not.
        await until(lambda: sorted(house.loads("asr").values()) == [1, 4, 4], talking)
        assert house.loads("asr")[here] == 1
        coming = tasks.create_task(listeners(stack, house, 3))
        await until(coming.done, talking)
        assert house.loads("asr")[here] == 1
        assert sorted(house.loads("asr").values()) == [1, 5, 6]
        await talking.speak(1.4, SILENCE)
        await answered(talking)
        # With its last turn it has nothing left to do, and ends long before it would have to.
        await stopping
        newer = coming.result()
        assert house.loads("asr")[here] == 0
        assert sorted(house.loads("asr").values()) == [0, 6, 6]
        for listener in (talking, silent[0], newer[0]):
            await listener.say_something()
            await answered(listener, 2 if listener is talking else 1)
    assert not errors(talking, *silent, *newer)


@pytest.mark.parametrize("hop", ["llm", "tts"])
async def test_a_reply_is_finished_by_a_server_that_drains_and_the_next_one_made_by_another(hop: str) -> None:
    writers = [Held(), Held()]

    def held(of: str, number: int) -> Script:
        return Script(writer=writers[number], drain_seconds=DRAIN_SECONDS) if of == "llm" else script(of, number)

    async with fleet(COUNTS, held) as house, AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        [talking] = await listeners(stack, house, 1)
        await talking.send(UserText("hello"))
        await until(lambda: sum(house.loads(hop).values()) == 1)
        [busy] = [each for each in house.of(hop) if house.loads(hop)[each.address] == 1]
        stopping = tasks.create_task(busy.stop())
        await house.serves(hop, 1)
        for writer in writers:
            writer.may_write.set()
        assert (await talking.until(TurnReport)).outcome is Outcome.COMPLETED
        await stopping
        for _ in range(3):
            await talking.send(UserText("hello"))
            assert (await talking.until(TurnReport)).outcome is Outcome.COMPLETED
    assert not errors(talking)


async def test_a_turn_whose_asr_server_is_killed_is_heard_again_by_another() -> None:
    async with fleet(COUNTS, lambda hop, number: Script()) as house, AsyncExitStack() as stack:
        before = house.loads("asr")
        [talking] = await listeners(stack, house, 1)
        here = place_of_newest(house, before)
        await talking.speak(0.2, SILENCE)
        await talking.speak(0.8)
        await talking.until(UserSpeechStarted)
        [killed] = [each for each in house.of("asr") if each.address == here]
        await killed.stop()
        await talking.speak(1.4, SILENCE)
        await answered(talking)
        assert house.loads("asr").get(here, 0) == 0
    assert not errors(talking)


async def test_a_reply_whose_llm_server_is_killed_before_its_first_word_is_written_by_the_other() -> None:
    writers = [Held(), Held()]

    def held(hop: str, number: int) -> Script:
        return Script(writer=writers[number]) if hop == "llm" else Script()

    async with fleet(COUNTS, held) as house, AsyncExitStack() as stack:
        [talking] = await listeners(stack, house, 1)
        await talking.send(UserText("hello"))
        await until(lambda: any(writer.asked for writer in writers))
        [asked] = [number for number in range(2) if writers[number].asked]
        writers[1 - asked].may_write.set()
        await house.of("llm")[asked].stop()
        report = await talking.until(TurnReport)
        assert (report.outcome, report.heard or report.reply_text) == (Outcome.COMPLETED, "It is late.")
    assert not errors(talking)


async def test_a_server_that_is_full_sends_nobody_away_while_another_is_not() -> None:
    class OnePlace(AsrServicer):
        def __init__(self, models: Models, telemetry: Telemetry, max_streams: int) -> None:
            del max_streams
            super().__init__(models, telemetry, 1)

    async with AsyncExitStack() as stack:
        small = await serve_asr(stack, Script(host="127.0.0.2"), make_servicer=OnePlace)
        large = await serve_asr(stack, Script(host="127.0.0.3"))
        written, spoken = await serve_llm(stack, Script()), await serve_tts(stack, Script())
        parley = await stack.enter_async_context(gateway(Script(), (f"{small},{large}", written, spoken)))
        await Fleet([], parley).serves("asr", 2)
        talking = [await with_microphone(stack, parley) for _ in range(6)]
        assert {server.address: server.load for server in parley.pools.asr.servers} == {small: 1, large: 5}
    assert not errors(*talking)


async def test_servers_may_be_replaced_one_after_the_other_while_everybody_speaks() -> None:
    async with fleet(COUNTS, script) as house, AsyncExitStack() as stack:
        talking = await listeners(stack, house, 4)
        rolled = asyncio.Event()
        reports: Counter[Outcome] = Counter()

        async def converse(listener: Listener) -> None:
            turn = 0
            while not rolled.is_set() or turn == 0:
                turn += 1
                await listener.say_something()
                report = await answered(listener, turn)
                reports[report.outcome] += 1

        async with asyncio.TaskGroup() as tasks:
            for listener in talking:
                tasks.create_task(converse(listener))
            for member in house.members:
                await replace(house, member)
            rolled.set()
        assert set(reports) == {Outcome.COMPLETED}
        assert all(each.script.recorded.spans for each in house.members)
    assert not errors(*talking)


async def replace(house: Fleet, member: Member) -> None:
    """Stop a server as Kubernetes would, and start another one in its place, until it is used."""
    await member.stop()
    await member.start(member.port)
    await house.serves(member.hop, COUNTS[member.hop])


async def test_a_replica_that_dns_tells_of_gets_its_share_of_new_sessions_within_thirty_seconds() -> None:
    clock, known = OwnClock(), ["127.0.0.2", "127.0.0.3"]

    async def resolve(host: str, port: int) -> Collection[str]:
        del port
        return known if host == "asr" else [host]

    async with AsyncExitStack() as stack:
        first = await serve_asr(stack, Script(host="127.0.0.2"))
        port = int(first.rpartition(":")[2])
        for host in ("127.0.0.3", "127.0.0.4"):
            await serve_asr(stack, Script(host=host), port)
        written, spoken = await serve_llm(stack, Script()), await serve_tts(stack, Script())
        front = Script(resolve=resolve, max_sessions=40)
        parley = await stack.enter_async_context(gateway(front, (f"asr:{port}", written, spoken)))
        house = Fleet([], parley)
        await house.serves("asr", 2)
        await listeners(stack, house, 8)
        assert list(house.loads("asr").values()) == [4, 4]
        known.append("127.0.0.4")
        await clock.advance(6.5)
        await house.serves("asr", 3)
        await listeners(stack, house, 12)
        assert house.loads("asr")[f"127.0.0.4:{port}"] >= 0.8 * 12 / 3


async def test_an_address_where_connections_go_nowhere_holds_up_nobody() -> None:
    hole = socket.create_server(("127.0.0.9", 0))
    try:
        async with AsyncExitStack() as stack:
            nowhere = f"127.0.0.9:{hole.getsockname()[1]}"
            good = await serve_asr(stack, Script())
            written, spoken = await serve_llm(stack, Script()), await serve_tts(stack, Script())
            parley = await stack.enter_async_context(gateway(Script(), (f"{nowhere},{good}", written, spoken)))
            talking = [await with_microphone(stack, parley) for _ in range(4)]
            assert {server.address: server.load for server in parley.pools.asr.servers} == {nowhere: 0, good: 4}
            await talking[0].say_something()
            await answered(talking[0])
        assert not errors(*talking)
    finally:
        hole.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_servers_on_addresses_of_the_sixth_version_are_servers_as_any() -> None:
    async with AsyncExitStack() as stack:
        sixth, fourth = await serve_asr(stack, Script(host="::1")), await serve_asr(stack, Script())
        written, spoken = await serve_llm(stack, Script()), await serve_tts(stack, Script(host="::1"))
        parley = await stack.enter_async_context(gateway(Script(), (f"{sixth},{fourth}", written, spoken)))
        await Fleet([], parley).serves("asr", 2)
        talking = [await with_microphone(stack, parley) for _ in range(4)]
        assert {server.address: server.load for server in parley.pools.asr.servers} == {sixth: 2, fourth: 2}
        for listener in talking:
            await listener.say_something()
            await answered(listener)


async def test_every_server_is_in_the_metrics_and_the_figures_with_its_health_and_its_calls() -> None:
    async with fleet(COUNTS, script) as house, AsyncExitStack() as stack:
        await listeners(stack, house, 6)
        drained = house.of("llm")[0]
        await drained.stop()
        await until(lambda: sorted(house.standings("llm")) == ["lost", "serving"])
        async with aiohttp.ClientSession(house.parley.url) as http:
            async with http.get("/metrics") as response:
                families = {each.name: each for each in text_string_to_metric_families(await response.text())}
            async with http.get("/stats") as response:
                figures = await response.json()
    expected = {(each.hop, each.address): 2.0 if each.hop == "asr" else 0.0 for each in house.members}
    assert {where(each.labels): each.value for each in families["parley_server_calls_active"].samples} == expected
    serving = {where(each.labels): each.value for each in families["parley_server_serving"].samples}
    assert serving == {(each.hop, each.address): float(each is not drained) for each in house.members}
    told = {(each["name"], each["address"]): (each["health"], each["in_flight"]) for each in figures["servers"]}
    assert told == {
        (each.hop, each.address): ("lost" if each is drained else "serving", 2 if each.hop == "asr" else 0)
        for each in house.members
    }
    assert [each["name"] for each in figures["servers"]] == ["asr"] * 3 + ["llm"] * 2 + ["tts"] * 2


def where(labels: dict[str, str]) -> tuple[str, str]:
    return labels["service"], labels["address"]


async def test_without_any_asr_server_a_session_is_told_and_goes_on_when_one_comes() -> None:
    async with AsyncExitStack() as stack:
        first = Member("asr", Script(host="127.0.0.2"))
        await first.start()
        await first.stop()
        written, spoken = await serve_llm(stack, Script()), await serve_tts(stack, Script())
        nobody = "127.0.0.9:9"
        parley = await stack.enter_async_context(gateway(Script(), (f"{first.address},{nobody}", written, spoken)))
        listener = await stack.enter_async_context(listening(parley))
        if not errors(listener):
            await listener.until(ErrorEvent)
        [error] = errors(listener)
        assert error.hop == "asr"
        assert error.message.startswith("the asr server is not available: none of 2")
        stack.push_async_callback(first.stop)
        await first.start(first.port)
        await listener.say_something()
        await answered(listener)
        assert len(errors(listener)) == 1
