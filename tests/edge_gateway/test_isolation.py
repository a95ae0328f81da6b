"""What befalls one stream to a server, or one listener, befalls no other conversation."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from asr_server.service import AsrServicer
from parley.conversation import Outcome, SessionConfig, SessionReady, TurnReport, UserText
from parley_cli.client import WebSocket
from tests.edge_gateway.fleet import heard, until
from tests.edge_gateway.rig import Listener, Script, Writer, gateway, house, listening, serve_asr, serve_llm, serve_tts
from tests.edge_gateway.small_window import small_window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc.aio

SESSIONS = 40
LONG = "Once upon a time there was a very long story. It went on and on. And then it went on some more. " * 20


class Relay:
    """Stands before a server, and can cut the connections to it."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._writers: set[asyncio.StreamWriter] = set()
        self.address = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """End all connections that there are, as a network does that fails."""
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, back}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pass_on(reader, back))
            tasks.create_task(_pass_on(there, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while sound := await reader.read(65_536):
            writer.write(sound)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


class Counted(AsrServicer):
    """Counts the calls of all ASR servers of a test, by what they are started for."""

    begun = 0
    active = 0

    async def Transcribe(self, request_iterator: object, context: grpc.aio.ServicerContext) -> None:  # type: ignore[override,type-arg]  # noqa: N802
        type(self).begun += 1
        type(self).active += 1
        try:
            await super().Transcribe(request_iterator, context)  # type: ignore[arg-type]
        finally:
            type(self).active -= 1


def counted() -> type[Counted]:
    """A servicer whose counts are its own."""
    return type("Counted", (Counted,), {"begun": 0, "active": 0})


async def answered(listener: Listener, text: str = "hello") -> None:
    """A turn of theirs, from the question to the report."""
    await listener.send(UserText(text))
    report = await listener.until(TurnReport)
    assert report.outcome is Outcome.COMPLETED


async def test_when_a_shared_stream_is_cut_each_of_its_sessions_asks_once_more_and_others_are_untouched() -> None:
    script = Script(max_sessions=SESSIONS, writer=Writer("Yes."))
    cut, whole = counted(), counted()
    async with AsyncExitStack() as stack:
        relay = Relay(await serve_asr(stack, script, make_servicer=cut))
        await stack.enter_async_context(relay.open())
        other = await serve_asr(stack, script, make_servicer=whole)
        servers = (await serve_llm(stack, script), await serve_tts(stack, script))
        parley = await stack.enter_async_context(gateway(script, (f"{relay.address},{other}", *servers)))
        listeners = [await stack.enter_async_context(listening(parley)) for _ in range(SESSIONS)]
        for listener in listeners:
            await heard(parley, listener)
        await until(lambda: cut.active + whole.active == SESSIONS)
        before, lost, untouched = cut.begun + whole.begun, cut.active, whole.active
        assert lost

        relay.cut()
        await until(lambda: cut.begun + whole.begun >= before + lost and cut.active + whole.active == SESSIONS)
        for listener in listeners:
            await answered(listener)
        for listener in listeners[::10]:
            await listener.say_something()
            report = await listener.until(TurnReport)
            assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)
        # One more call for each that was cut, and none for those that were not.
        assert cut.begun + whole.begun == before + lost
        assert whole.active >= untouched


async def test_a_listener_who_stops_reading_holds_up_nobody_else() -> None:
    writer = Writer(LONG)
    async with (
        house(Script(writer=writer, character_seconds=0.01)) as parley,
        aiohttp.ClientSession(connector=small_window()) as http,
        http.ws_connect(f"{parley.url}/v1/conversation") as raw,
        AsyncExitStack() as stack,
    ):
        deaf = Listener(WebSocket(raw))
        await deaf.send(SessionConfig())
        await deaf.until(SessionReady)
        await deaf.send(UserText("tell me a story"))
        others = [await stack.enter_async_context(listening(parley)) for _ in range(5)]
        await until(lambda: bool(writer.asked))
        writer.say("Yes.")
        for _ in range(3):
            async with asyncio.TaskGroup() as tasks:
                for other in others:
                    tasks.create_task(answered(other))
        assert not raw.closed
