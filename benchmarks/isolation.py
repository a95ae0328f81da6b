"""What sessions notice of others' misfortune: a shared stream that breaks, and a listener who reads no more.

    PYTHONPATH=. python benchmarks/isolation.py [--sessions 40] [--seconds 20]

Two gateways in front of the same servers, each with half of the sessions. `parley bench` measures those of the first:
undisturbed; while the stream to the ASR server is cut that all of the second's share; while a listener of their own
gateway, to whom much is said, reads nothing. Told are their own delay each time, and how often each session of the
broken stream was begun anew.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from benchmarks.benching import bench, second_gateway
from parley.conversation import AudioFormat, Encoding, SessionConfig, UserText, request_to_json
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.whole import House

# Each call over a shared stream begins with the name of its method, as it is.
METHOD: Final = b"/parley.v1.AsrService/Transcribe"
CHUNK_BYTES: Final = 64 * 1024
ASK_SECONDS: Final = 1.0


class Wire:
    """A way to a server that can be cut, and counts the calls that begin over it."""

    def __init__(self, host: str, port: int) -> None:
        """Lead there; `open` takes connections."""
        self._host, self._port = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self.begun = 0
        """Calls of `METHOD`."""
        self._news = asyncio.Event()

    async def has_begun(self, calls: int) -> None:
        """Return when so many calls have begun."""
        while self.begun < calls:
            self._news.clear()
            await self._news.wait()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Take connections in this block, at the address that it gives."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Break every connection that there is; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        both = {writer, back}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(reader, back, counts=True))
                tasks.create_task(self._carry(there, writer, counts=False))
        finally:
            self._writers -= both

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool) -> None:
        seen = b""
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                if counts:
                    seen = seen[-len(METHOD) + 1 :] + chunk
                    self.begun += seen.count(METHOD)
                    self._news.set()
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def deaf_listener(url: str) -> AsyncIterator[None]:
    """A listener of the gateway at `url` to whom much is said, and who reads nothing of it."""

    async def ask(socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await socket.send_str(request_to_json(UserText("what time is it")))
            await asyncio.sleep(ASK_SECONDS)

    loud = SessionConfig(output=AudioFormat(Encoding.PCM_S16LE, 48_000))
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/conversation") as socket:
        await socket.send_str(request_to_json(loud))
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(socket))
            yield
            asking.cancel()


async def killed(first: House, wire: Wire, second: House, given: argparse.Namespace) -> dict[str, Any]:
    """The first gateway's figures while the stream of the second one's sessions is cut; tells of those sessions."""
    share = ("--sessions", str(given.sessions // 2), "--seconds", str(given.seconds))
    async with asyncio.TaskGroup() as tasks:
        others, theirs = tasks.create_task(bench(first, *share)), tasks.create_task(bench(second, *share))
        await wire.has_begun(given.sessions // 2)
        await asyncio.sleep(given.seconds / 2)
        before = wire.begun
        wire.cut()
    again = wire.begun - before
    errors = theirs.result()["error_messages"]
    print(f"the broken stream: {again / (given.sessions // 2):.2f} retries a session; told {errors}", flush=True)
    return others.result()


async def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    share = ("--sessions", str(given.sessions // 2), "--seconds", str(given.seconds))
    everybody = {"PARLEY_MAX_SESSIONS": "1000"}
    async with open_house("scripted", **everybody) as first:
        wire = Wire("127.0.0.1", first.ports["PARLEY_ASR_PORT"])
        async with (
            wire.open() as address,
            second_gateway(first, PARLEY_ASR_ADDRESS=address, **everybody) as second,
        ):
            async with asyncio.TaskGroup() as tasks:
                quiet = tasks.create_task(bench(first, *share))
                tasks.create_task(bench(second, *share))
            tell("undisturbed", quiet.result())
            wire.begun = 0
            tell("beside a stream that is cut", await killed(first, wire, second, given))
            async with asyncio.TaskGroup() as tasks, deaf_listener(first.url):
                tasks.create_task(bench(second, *share))
                tell("beside a listener who does not read", await bench(first, *share))


def tell(what: str, found: dict[str, Any]) -> None:
    """Print what the others had."""
    p50, p99, errors = found["own_delay_p50_ms"], found["own_delay_p99_ms"], found["errors"]
    print(f"{what:<36} own delay p50 {p50:.1f} p99 {p99:.1f} ms, {errors} errors", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
