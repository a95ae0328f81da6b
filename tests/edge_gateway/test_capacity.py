"""`PARLEY_MAX_SESSIONS=auto`: while the loop is late, or a server is full, nobody comes in, and who is in goes on."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp
import pytest

from edge_gateway.capacity.control import ALWAYS_TAKEN, OVERLOADED_SECONDS
from edge_gateway.capacity.lateness import PERIOD_SECONDS
from edge_gateway.capacity.newcomers import SHOWS_SECONDS, SILENT_SECONDS
from edge_gateway.capacity.path import FULL, PartLoad
from parley.conversation import ErrorCode, ErrorEvent, ReplyStarted, SessionConfig, SessionReady, TurnReport, UserText
from parley.errors import Overloaded, ShuttingDown, Unavailable
from tests.edge_gateway.program import TRANSPORTS, joined
from tests.edge_gateway.rig import Listener, Script, connected, house, listening

if TYPE_CHECKING:
    from tests.edge_gateway.rig import Gateway


class OwnedLoop:
    """Tells a gateway's admission of timers that the test makes up."""

    def __init__(self, parley: Gateway) -> None:
        self._admission = parley.admission
        self._registry = parley.telemetry.registry
        self.now = 1_000.0
        self.computed = 0.0

    def run(self, seconds: float, late_seconds: float = 0.0, busy: float = 0.0) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += PERIOD_SECONDS + late_seconds
            self.computed += busy * (PERIOD_SECONDS + late_seconds)
            self._admission.timer(self.now, late_seconds, self.computed)

    def is_late(self) -> None:
        """For so long that newcomers are refused, and the first of those that came with many others have to go."""
        self.run(2.1, 2 * OVERLOADED_SECONDS)

    def sample(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(name, labels) or 0.0

    def look(self, count: int, *parts: PartLoad, after: float = 0.0) -> None:
        """So much the parts have to do, so many seconds in a row, and `after` so many."""
        for _ in range(count):
            self._admission.look(asyncio.get_running_loop().time() + after, parts)

    @property
    def refused(self) -> float:
        return self.sample("parley_sessions_refused_total", reason="lag")


async def fill(stack: AsyncExitStack, parley: Gateway, count: int = ALWAYS_TAKEN) -> list[Listener]:
    return [await stack.enter_async_context(listening(parley)) for _ in range(count)]


async def has_left(listener: Listener) -> int | None:
    """The code with which its socket was closed."""
    async with asyncio.timeout(10):
        while (await listener.socket.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            pass
    return listener.socket.close_code


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_while_the_loop_is_late_one_more_is_refused_and_who_is_in_goes_on(transport: str) -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        [first, *_] = await fill(stack, parley)
        loop.is_late()
        assert parley.admission.occupancy == (ALWAYS_TAKEN, ALWAYS_TAKEN)
        # Over the WebSocket it is an event, see below.
        with pytest.raises((Overloaded, Unavailable)):
            async with joined(parley, transport) as late:
                await late.until(SessionReady)
        assert loop.refused == 1
        await first.send(UserText("hello"))
        await first.until(TurnReport)

        loop.run(2.0)
        async with joined(parley, transport):
            pass


async def test_the_refusal_over_a_websocket_has_its_close_code() -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        await fill(stack, parley)
        loop.is_late()
        async with connected(parley) as late:
            error = await late.until(ErrorEvent)
            assert (error.code, error.ends_session) == (ErrorCode.OVERLOADED, True)
            assert error.retry_after_ms > 0
            assert await has_left(late) == 4429


async def test_where_many_came_at_once_and_were_too_many_the_newest_are_refused_after_all() -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        *older, newest = await fill(stack, parley, ALWAYS_TAKEN + 3)
        loop.is_late()
        assert await has_left(newest) == 4429
        while parley.admission.occupancy[0] > ALWAYS_TAKEN:
            loop.is_late()
            await asyncio.sleep(0)
        for listener in older[:ALWAYS_TAKEN]:
            await listener.send(UserText("hello"))
            await listener.until(TurnReport)


async def test_conversations_that_have_begun_are_never_ended_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_gateway.admission._YOUNG_SECONDS", -1.0)
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        listeners = await fill(stack, parley, ALWAYS_TAKEN + 3)
        for _ in range(5):
            loop.is_late()
        for listener in listeners:
            await listener.send(UserText("hello"))
            await listener.until(TurnReport)


async def test_more_than_a_batch_at_once_wait_for_their_turn_and_come_in() -> None:
    async with house(Script(max_sessions=None)) as parley:
        loop, came = OwnedLoop(parley), list[int]()

        async def come(number: int) -> None:
            await parley.admission.enter()
            came.append(number)

        async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
            # Each is beside so many that are there already.
            await fill(stack, parley)
            for number in range(200):
                tasks.create_task(come(number))
            await asyncio.sleep(0)
            assert 0 < len(came) < 200
            while len(came) < 200:
                loop.run(PERIOD_SECONDS)
                await asyncio.sleep(0)
        assert came == list(range(200))
        assert loop.refused == 0


async def test_who_waits_for_a_turn_is_refused_when_the_loop_is_late_and_told_when_the_gateway_stops() -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        await fill(stack, parley)
        loop.run(PERIOD_SECONDS, 0.02)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(raised(parley))
            await asyncio.sleep(0)
            loop.is_late()
            assert isinstance(await waiting, Overloaded)
        loop.run(2.0)
        loop.run(PERIOD_SECONDS, 0.02)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(raised(parley))
            await asyncio.sleep(0)
            parley.admission.close()
            assert isinstance(await waiting, ShuttingDown)


async def raised(parley: Gateway) -> Exception | None:
    try:
        await parley.admission.enter()
    except (Overloaded, ShuttingDown) as error:
        return error
    return None


async def test_a_number_that_was_set_is_the_only_limit() -> None:
    async with house(Script(max_sessions=2)) as parley:
        loop = OwnedLoop(parley)
        loop.is_late()
        async with listening(parley), listening(parley), connected(parley) as late:
            assert (await late.until(ErrorEvent)).code is ErrorCode.OVERLOADED
        assert loop.sample("parley_sessions_refused_total", reason="limit") == 1
        assert loop.refused == 0


async def test_how_many_there_may_be_is_reckoned_from_what_those_cost_that_there_are() -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        assert loop.sample("parley_sessions_max") == parley.admission.occupancy[1]
        await fill(stack, parley, 4)
        loop.run(100.0, busy=0.16)
        assert parley.admission.occupancy[0] == 4
        assert parley.admission.occupancy[1] == pytest.approx(20, abs=1)
        assert loop.sample("parley_sessions_max") == pytest.approx(20, abs=1)


FULL_ASR = PartLoad("asr", 0.95)
FREE_ASR = PartLoad("asr", 0.1)


async def test_while_a_server_has_too_much_to_do_one_more_is_refused_by_its_name_and_who_is_in_goes_on() -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        [first, *_] = await fill(stack, parley)
        loop.look(2, PartLoad("gateway", 0.2), FULL_ASR)
        assert parley.admission.full == "asr"
        assert not parley.admission.standing.takes
        async with connected(parley) as late:
            error = await late.until(ErrorEvent)
            assert (error.code, error.ends_session) == (ErrorCode.OVERLOADED, True)
            assert "the asr server has all that it can carry" in error.message
            assert error.retry_after_ms > 0
        assert loop.sample("parley_sessions_refused_total", reason="asr") == 1
        await first.send(UserText("hello"))
        await first.until(TurnReport)

        loop.look(30, PartLoad("gateway", 0.2), FREE_ASR)
        async with listening(parley):
            assert parley.admission.full == ""


async def test_stats_tell_which_part_is_full() -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack, aiohttp.ClientSession() as http:

        async def told() -> dict[str, object]:
            async with http.get(f"{parley.url}/stats") as answer:
                sessions: dict[str, object] = (await answer.json())["sessions"]
                return sessions

        loop = OwnedLoop(parley)
        await fill(stack, parley)
        assert (await told())["full"] == ""
        loop.look(2, PartLoad("gateway", 0.2), FULL_ASR)
        assert await told() == {"active": ALWAYS_TAKEN, "max": ALWAYS_TAKEN, "full": "asr"}


async def test_who_waits_for_room_is_let_in_when_there_is_some_and_refused_when_a_server_is_full() -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        await fill(stack, parley)
        loop.look(1, PartLoad("asr", 0.89))
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(raised(parley))
            await asyncio.sleep(0)
            loop.run(PERIOD_SECONDS)
            await asyncio.sleep(0)
            assert not waiting.done()
            loop.look(30, FREE_ASR)
            loop.run(PERIOD_SECONDS)
            assert await waiting is None
        loop.look(1, PartLoad("asr", 0.89))
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(raised(parley))
            await asyncio.sleep(0)
            loop.look(2, FULL_ASR)
            loop.run(PERIOD_SECONDS)
            assert isinstance(await waiting, Overloaded)


AT_ONCE = 10
DEAR = FULL / (AT_ONCE + 0.5)
"""Of such sessions a gateway that knows none takes so many at once."""


async def test_of_a_rush_as_many_come_in_as_can_be_borne_and_the_rest_when_these_have_shown_what_they_cost() -> None:
    async with house(Script(max_sessions=None, session_cost=DEAR)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        inside = await fill(stack, parley, AT_ONCE)
        late = [await stack.enter_async_context(connected(parley)) for _ in range(3)]
        async with asyncio.TaskGroup() as tasks:
            for each in late:
                await each.send(SessionConfig())
            ready = [tasks.create_task(each.until(SessionReady)) for each in late]
            for listener in inside:
                await listener.send(UserText("hello"))
            for listener in inside:
                await listener.until(ReplyStarted)
            # That they talk was seen, and not yet what it costs.
            loop.look(1, PartLoad("gateway", 0.1))
            loop.run(1.0)
            assert parley.admission.occupancy == (AT_ONCE, AT_ONCE)
            loop.look(1, PartLoad("gateway", FULL - 2.5 * DEAR), after=SHOWS_SECONDS)
            loop.run(PERIOD_SECONDS)
            await asyncio.wait(ready[:2])
            loop.run(1.0)
            assert not ready[2].done()
            # Those two say nothing.
            loop.look(1, PartLoad("gateway", FULL - 2.5 * DEAR), after=SHOWS_SECONDS + SILENT_SECONDS)
            loop.run(PERIOD_SECONDS)


async def test_who_waits_for_too_long_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_gateway.admission._TURN_SECONDS", 0.05)
    async with house(Script(max_sessions=None, session_cost=DEAR)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        loop.look(1, PartLoad("gateway", 0.0), PartLoad("asr", 0.001))
        inside = await fill(stack, parley, AT_ONCE)
        async with connected(parley) as late:
            error = await late.until(ErrorEvent)
            assert (error.code, error.ends_session) == (ErrorCode.OVERLOADED, True)
            assert error.retry_after_ms > 0
        assert loop.sample("parley_sessions_refused_total", reason="asr") == 1
        assert parley.admission.standing.sessions == AT_ONCE
        # One who leaves makes room for another.
        await inside[0].socket.close()
        while parley.admission.occupancy[0] == AT_ONCE:
            await asyncio.sleep(0)
        async with listening(parley):
            assert parley.admission.occupancy[0] == AT_ONCE


async def test_where_many_came_at_once_and_were_too_many_for_a_server_the_newest_are_refused_after_all() -> None:
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        loop = OwnedLoop(parley)
        *older, newest = await fill(stack, parley, ALWAYS_TAKEN + 2)
        loop.look(2, PartLoad("asr", 1.0))
        assert await has_left(newest) == 4429
        for listener in older[:ALWAYS_TAKEN]:
            await listener.send(UserText("hello"))
            await listener.until(TurnReport)


async def test_a_gateway_with_few_sessions_looks_at_its_loop_four_times_a_second_and_at_once_when_there_are_more() -> (
    None
):
    async with house(Script(max_sessions=None)) as parley, AsyncExitStack() as stack:
        hastened: list[int] = []
        parley.admission.hasten = lambda: hastened.append(parley.admission.occupancy[0])
        await fill(stack, parley, ALWAYS_TAKEN - 1)
        assert parley.admission.period_seconds == 0.25
        assert hastened == []
        await fill(stack, parley, 2)
        assert parley.admission.period_seconds == PERIOD_SECONDS
        assert hastened == [ALWAYS_TAKEN]
