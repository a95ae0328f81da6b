"""The least that a server can do: aiohttp's WebSocket, the reply to every turn after its silence, and nothing between.

    python -m benchmarks.peers.floor_server PORT

No codec, no detector but the level, no hop, no model, no trace. What Parley costs beyond this is its own.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import uvloop
from aiohttp import WSMsgType, web

from benchmarks.peers import scenario

_PACKET_BYTES: Final = scenario.REPLY_RATE_HZ // 50 * 2
_PACKET_SECONDS: Final = 0.02
_PACKET_SAMPLES: Final = scenario.MIC_RATE_HZ // 50
_QUIET_PACKETS: Final = round(scenario.SILENCE_SECONDS / _PACKET_SECONDS)
# As far as Parley runs ahead of a listener.
_LEAD_SECONDS: Final = 0.4


class Session:
    """One listener."""

    def __init__(self, socket: web.WebSocketResponse, reply: bytes) -> None:
        self._socket = socket
        self._reply = reply
        self._replies = scenario.Replies()
        self._packets = self._quiet = 0
        self._spoken = False

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            async for message in self._socket:
                if message.type is WSMsgType.BINARY:
                    if self._decides(scenario.microphone(message.data)):
                        tasks.create_task(self._say())
                elif message.type is WSMsgType.TEXT and (answer := self._replies.answer(message.data)):
                    await self._socket.send_str(answer)

    def _decides(self, pcm: bytes) -> bool:
        """Whether this packet ends a turn."""
        self._packets += 1
        if scenario.is_loud(pcm):
            self._spoken, self._quiet = True, 0
            return False
        self._quiet += 1
        if not self._spoken or self._quiet < _QUIET_PACKETS:
            return False
        self._spoken = False
        self._replies.decided_sample = self._packets * _PACKET_SAMPLES
        return True

    async def _say(self) -> None:
        await self._socket.send_str(self._replies.begin())
        began = asyncio.get_running_loop().time() - _LEAD_SECONDS
        for number, place in enumerate(range(0, len(self._reply), _PACKET_BYTES)):
            due = began + number * _PACKET_SECONDS
            if (wait := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait)
            if self._socket.closed:
                return
            await self._socket.send_bytes(self._replies.packet(self._reply[place : place + _PACKET_BYTES]))
        await self._socket.send_str(self._replies.end())


async def converse(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("parley.v1",), compress=False)
    await socket.prepare(request)
    await Session(socket, request.app[REPLY]).serve()
    return socket


REPLY: Final = web.AppKey("reply", bytes)


async def main(port: int) -> None:
    app = web.Application()
    app[REPLY] = scenario.sound("".join(scenario.PIECES))
    app.router.add_get(scenario.PATH, converse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
