"""Calls of whichever server it is: on another one where they do not begin, and never twice where they did."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from edge_gateway.servers.calls import Call as AnyCall
from edge_gateway.servers.calls import asked, opened
from edge_gateway.servers.hops import LlmServers, TtsServers
from edge_gateway.servers.placement import Placement
from parley import llm, tts
from parley.errors import EngineFailed, InvalidInput, Overloaded, ParleyError, Unavailable
from tests.edge_gateway.in_memory import FINISHED, ScriptedLlm, ScriptedTts, says, speaks
from tests.edge_gateway.servers.scripted import REFUSED, Net, Scripted
from tests.virtual_time import now, on_virtual_time, passed, settled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

    from edge_gateway.servers.pool import Pool

TWO = "10.0.0.1:1,10.0.0.2:1"
A, B = TWO.split(",")
Said = str | ParleyError | float | None


async def events_of(script: list[Said]) -> AsyncIterator[str]:
    for said in script:
        if isinstance(said, ParleyError):
            raise said
        if isinstance(said, float):
            await passed(said)
        elif said is None:
            return
        else:
            yield said


@dataclass
class Script:
    """What calls of each server are told; a number is a wait, None the end."""

    of: dict[str, list[Said]]
    opened: list[str] = field(default_factory=list)
    open_now: int = 0

    @asynccontextmanager
    async def call(self, client: Scripted) -> AsyncIterator[AsyncIterator[str]]:
        self.opened.append(client.address)
        self.open_now += 1
        try:
            yield events_of(self.of[client.address])
        finally:
            self.open_now -= 1

    def as_call(self, placement: Placement | None = None) -> AnyCall[Scripted, str]:
        return AnyCall(self.call, lambda event: event != "wait", placement)


async def taken(pool: Pool[Scripted], script: Script) -> list[str]:
    async with opened(pool, script.as_call()) as events:
        return [event async for event in events]


@pytest.mark.parametrize("error", [REFUSED, Overloaded("all 500 streams are taken", retry_after_ms=1000)])
@on_virtual_time
async def test_a_call_that_one_server_does_not_take_is_made_of_another(error: ParleyError) -> None:
    for seed in range(5):
        async with Net().pool(TWO, seed) as pool:
            script = Script({A: ["wait", error], B: ["ready", "words", None]})
            assert (await taken(pool, script))[-2:] == ["ready", "words"]
            assert script.opened[-1] == B
            assert len(script.opened) <= 2
            assert [server.load for server in pool.servers] == [0, 0]


@on_virtual_time
async def test_a_call_that_no_server_takes_fails_with_the_last_reason_after_one_try_of_each() -> None:
    async with Net().pool(TWO) as pool:
        script = Script({A: [Unavailable("first")], B: [Unavailable("second")]})
        with pytest.raises(Unavailable, match="second" if script.opened == [A, B] else "first|second"):
            await taken(pool, script)
        assert sorted(script.opened) == [A, B]


@on_virtual_time
async def test_a_call_that_has_begun_is_made_anew_nowhere() -> None:
    async with Net().pool(TWO) as pool:
        script = Script({A: ["ready", REFUSED], B: ["ready", REFUSED]})
        with pytest.raises(Unavailable):
            await taken(pool, script)
        assert len(script.opened) == 1
        # Whoever asks next is not sent there again.
        assert pool.choose().server.address not in script.opened


@pytest.mark.parametrize("error", [InvalidInput("no such language", field="language"), EngineFailed("it failed")])
@on_virtual_time
async def test_what_another_server_would_refuse_too_is_asked_of_none(error: ParleyError) -> None:
    async with Net().pool(TWO) as pool:
        script = Script({A: [error], B: [error]})
        with pytest.raises(type(error)):
            await taken(pool, script)
        assert len(script.opened) == 1


@on_virtual_time
async def test_without_a_server_a_call_fails_where_its_events_are_read_and_its_block_can_be_left() -> None:
    async with Net(at_first=REFUSED).pool(TWO) as pool:
        script = Script({})
        async with opened(pool, script.as_call()) as events:
            await settled()
            with pytest.raises(Unavailable, match="the asr server is not available"):
                await anext(events)
        assert script.opened == []


@on_virtual_time
async def test_a_call_waits_for_the_first_server_that_comes() -> None:
    net = Net(at_first=None)
    async with net.pool(TWO) as pool, opened(pool, Script({B: ["ready", None]}).as_call()) as events:
        await passed(1)
        net[B].be(serves=True)
        assert await anext(events) == "ready"
        assert now() == pytest.approx(1, abs=0.01)


@on_virtual_time
async def test_who_leaves_ends_the_call_however_far_it_came() -> None:
    for script in (Script({A: [60.0]}), Script({A: ["ready", 60.0]}), Script({A: ["wait", 60.0]})):
        async with Net().pool(A) as pool:
            async with opened(pool, script.as_call()):
                await settled()
                assert (script.open_now, pool.servers[0].load) == (1, 1)
            assert (script.open_now, pool.servers[0].load) == (0, 0)


@on_virtual_time
async def test_a_server_that_says_nothing_to_a_call_that_is_given_up_is_asked_for_its_health() -> None:
    for seconds, doubted in ((0.5, False), (1.5, True)):
        net = Net()
        async with net.pool(A) as pool:
            async with opened(pool, Script({A: [60.0]}).as_call()):
                await passed(seconds)
            assert pool.servers[0].standing.is_doubted is doubted


@on_virtual_time
async def test_what_the_requests_raise_is_what_the_block_raises() -> None:
    @asynccontextmanager
    async def breaks(client: Scripted) -> AsyncIterator[AsyncIterator[str]]:
        async def late() -> None:
            await passed(1)
            raise InvalidInput("no such thing")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(late())
            yield events_of(["ready", 60.0])

    async with Net().pool(TWO) as pool:
        with pytest.raises(InvalidInput, match="no such thing"):
            async with opened(pool, AnyCall(breaks, lambda _: True)) as events:
                async for _ in events:
                    pass
        assert [server.load for server in pool.servers] == [0, 0]


@on_virtual_time
async def test_a_call_knows_its_place_and_is_told_when_it_is_to_leave_it() -> None:
    net, told = Net(), asyncio.Event()
    placement = Placement(told.set)
    assert (placement.is_to_be_left, placement.has_alternative) == (False, False)
    async with net.pool(TWO) as pool:
        script = Script({A: ["ready", 60.0], B: ["ready", 60.0]})
        async with opened(pool, script.as_call(placement)) as events:
            await anext(events)
            [here] = script.opened
            assert placement.has_alternative
            net[here].be(serves=False)
            await told.wait()
            assert placement.is_to_be_left
            net[A if here == B else B].be(REFUSED)
            await settled()
            assert (placement.is_to_be_left, placement.has_alternative) == (False, False)


# Questions


@on_virtual_time
async def test_a_question_is_answered_by_whoever_can() -> None:
    asked_of: list[str] = []

    async def name(client: Scripted) -> str:
        asked_of.append(client.address)
        if client.address == A:
            await asyncio.Event().wait()
        return client.address

    async with Net().pool(TWO) as pool:
        for _ in range(8):
            assert await asked(pool, name) == B
        # A server that hangs has held up the first who met it, for half a second.
        assert asked_of.count(A) <= 1
        assert now() <= 0.5 + 1e-3


@on_virtual_time
async def test_a_question_that_nobody_answers_fails_with_the_reason() -> None:
    async def fail(client: Scripted) -> str:
        raise Unavailable(f"{client.address} is away")

    async with Net().pool(TWO) as pool:
        with pytest.raises(Unavailable, match="is away"):
            await asked(pool, fail)
    async with Net(at_first=REFUSED).pool(TWO) as pool:
        with pytest.raises(Unavailable, match="none of 2"):
            await asked(pool, fail)


# The services


class Hop:
    """A pool of two servers whose clients are in memory."""

    def __init__(self, first: object, second: object) -> None:
        self._clients = {A: first, B: second}

    @asynccontextmanager
    async def pool(self, seed: int) -> AsyncIterator[Pool[object]]:
        net = Net()
        for address, client in self._clients.items():
            net[address].client = cast("Scripted", client)
        async with net.pool(TWO, seed) as pool:
            yield cast("Pool[object]", pool)


async def dies_before_a_word(results: asyncio.Queue[llm.ToolResult]) -> AsyncGenerator[llm.Event, None]:
    del results
    yield llm.Ready("scripted", "model")
    yield llm.Progress(llm.ProgressKind.WAITING)
    raise REFUSED


async def dies_after_a_word(results: asyncio.Queue[llm.ToolResult]) -> AsyncGenerator[llm.Event, None]:
    del results
    yield llm.Ready("scripted", "model")
    yield llm.Delta("It ")
    raise REFUSED


async def calls(results: asyncio.Queue[llm.ToolResult]) -> AsyncGenerator[llm.Event, None]:
    yield llm.Ready("scripted", "model")
    yield llm.ToolCall("call-1", "light", "{}")
    result = await results.get()
    yield llm.Delta(result.content)
    yield FINISHED


CHAT = llm.Config((llm.Message(llm.Role.USER, "hello"),))


@on_virtual_time
async def test_a_reply_whose_model_dies_before_its_first_word_is_written_by_another() -> None:
    for seed in range(5):
        first, second = ScriptedLlm(dies_before_a_word), ScriptedLlm(says("It is late."))
        async with (
            Hop(first, second).pool(seed) as pool,
            LlmServers(cast("Pool[llm.LlmClient]", pool)).chat(CHAT) as events,
        ):
            said = [event async for event in events]
        assert said[-2:] == [llm.Delta("It is late."), FINISHED]
        assert sum(isinstance(event, llm.Delta) for event in said) == 1


@on_virtual_time
async def test_a_reply_whose_model_dies_after_a_word_is_not_said_twice() -> None:
    clients = ScriptedLlm(dies_after_a_word), ScriptedLlm(dies_after_a_word)
    async with Hop(*clients).pool(0) as pool:
        with pytest.raises(Unavailable):
            async with LlmServers(cast("Pool[llm.LlmClient]", pool)).chat(CHAT) as events:
                _ = [event async for event in events]
    assert sum(len(client.asked) for client in clients) == 1


@on_virtual_time
async def test_results_of_functions_reach_the_server_that_wanted_them() -> None:
    for seed in range(5):
        given: asyncio.Queue[llm.ToolResult] = asyncio.Queue()

        async def results(given: asyncio.Queue[llm.ToolResult] = given) -> AsyncIterator[llm.ToolResult]:
            while True:
                yield await given.get()

        clients = ScriptedLlm(dies_before_a_word), ScriptedLlm(calls)
        async with (
            Hop(*clients).pool(seed) as pool,
            LlmServers(cast("Pool[llm.LlmClient]", pool)).chat(CHAT, results()) as events,
        ):
            async for event in events:
                if isinstance(event, llm.ToolCall):
                    given.put_nowait(llm.ToolResult(event.id, "it is on"))
                if isinstance(event, llm.Delta):
                    assert event.text == "it is on"


class Gated(ScriptedTts):
    """A TTS server that takes text only when it is ready, as the real client sees to."""

    @asynccontextmanager
    async def synthesize(
        self, config: tts.Config, text: AsyncIterable[tts.Request]
    ) -> AsyncIterator[AsyncIterator[tts.Event]]:
        ready = asyncio.Event()

        async def when_ready() -> AsyncIterator[tts.Request]:
            await ready.wait()
            async for piece in text:
                yield piece

        async def telling(events: AsyncIterator[tts.Event]) -> AsyncIterator[tts.Event]:
            async for event in events:
                ready.set()
                yield event

        async with super().synthesize(config, when_ready()) as events:
            yield telling(events)


@on_virtual_time
async def test_speech_that_one_server_does_not_begin_is_spoken_by_another_with_all_of_its_text() -> None:
    async def refuses(pieces: asyncio.Queue[tts.Request | None]) -> AsyncGenerator[tts.Event, None]:
        del pieces
        for _ in (1,):
            raise REFUSED
        yield tts.Finished(0)

    async def text() -> AsyncIterator[str]:
        yield "It is late."

    for seed in range(5):
        # As the client does, nothing of the text is taken before the server is ready.
        async with (
            Hop(Gated(refuses), Gated(speaks)).pool(seed) as pool,
            TtsServers(cast("Pool[tts.TtsClient]", pool)).synthesize(tts.Config(), text()) as events,
        ):
            said = [event async for event in events]
        assert sum(len(event.pcm) for event in said if isinstance(event, tts.Audio)) > 0


class Pieces:
    """A text whose second half is written when the first server is gone."""

    def __init__(self) -> None:
        self.due = ["It ", "is ", "late."]

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> str:
        if not self.due:
            raise StopAsyncIteration
        if len(self.due) < 3:
            await passed(0.5)
        return self.due.pop(0)


@on_virtual_time
async def test_speech_whose_server_dies_before_any_sound_is_spoken_by_another_with_all_of_its_text() -> None:
    async def dies_with_text(pieces: asyncio.Queue[tts.Request | None]) -> AsyncGenerator[tts.Event, None]:
        yield tts.Ready("scripted", "voice", 24_000)
        assert await pieces.get() == "It "
        raise REFUSED

    taken: list[tts.Request | None] = []

    async def takes(pieces: asyncio.Queue[tts.Request | None]) -> AsyncGenerator[tts.Event, None]:
        while (piece := await pieces.get()) is not None:
            taken.append(piece)
        yield tts.Audio(bytes(2), 0)
        yield tts.Finished(1)

    tried = 0
    for seed in range(5):
        taken.clear()
        first = ScriptedTts(dies_with_text)
        async with (
            Hop(first, ScriptedTts(takes)).pool(seed) as pool,
            TtsServers(cast("Pool[tts.TtsClient]", pool)).synthesize(tts.Config(), Pieces()) as events,
        ):
            said = [event async for event in events]
        assert taken == ["It ", "is ", "late."]
        assert said[-1] == tts.Finished(1)
        tried += len(first.asked)
    assert tried, "the server that dies was asked at least once"


@on_virtual_time
async def test_speech_whose_server_dies_after_a_sound_is_not_spoken_twice() -> None:
    async def dies_with_sound(pieces: asyncio.Queue[tts.Request | None]) -> AsyncGenerator[tts.Event, None]:
        del pieces
        yield tts.Ready("scripted", "voice", 24_000)
        yield tts.Audio(bytes(2), 0)
        raise REFUSED

    async def text() -> AsyncIterator[str]:
        yield "It is late."

    clients = ScriptedTts(dies_with_sound), ScriptedTts(dies_with_sound)
    async with Hop(*clients).pool(0) as pool:
        with pytest.raises(Unavailable):
            async with TtsServers(cast("Pool[tts.TtsClient]", pool)).synthesize(tts.Config(), text()) as events:
                _ = [event async for event in events]
    assert sum(len(client.asked) for client in clients) == 1


@on_virtual_time
async def test_a_call_that_its_first_server_answers_costs_no_task() -> None:
    async with Net().pool(A) as pool:
        before = asyncio.all_tasks()
        async with opened(pool, Script({A: ["ready", None]}).as_call()) as events:
            assert asyncio.all_tasks() == before
            assert [event async for event in events] == ["ready"]


@on_virtual_time
async def test_a_client_that_has_to_be_waited_for_is_waited_for_beside_whoever_opens_the_call() -> None:
    connected = asyncio.Event()

    @asynccontextmanager
    async def slow(client: Scripted) -> AsyncIterator[AsyncIterator[str]]:
        await connected.wait()
        yield events_of([client.address, None])

    async with Net().pool(A) as pool:
        call = AnyCall(slow, lambda _: True, is_quick=lambda _: False)
        async with opened(pool, call) as events:
            connected.set()
            assert await anext(events) == A
