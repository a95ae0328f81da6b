"""OpenAI-compatible endpoints on real sockets, with an engine in front of them."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from llm_server.engine import Conversation, Delta, Finish, Message, Role
from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

HELLO = Conversation((Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "hello")), max_tokens=50)
FIRST_TOKEN_SECONDS = 0.4


def data(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def event(text: str = "", reason: str | None = None, **more: object) -> bytes:
    choices = [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": reason}]
    return data({"choices": choices, **more})


def says(*chunks: bytes) -> Answer:
    """An endpoint that streams these bytes and closes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return answer


def writes(*texts: str) -> Answer:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}\n\n'
    return says(*(event(text) for text in texts), event(reason="stop"), usage, b"data: [DONE]\n\n")


class Asked:
    """An endpoint, and what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.bodies: list[dict[str, object]] = []
        self.keys: list[str] = []
        self.news = asyncio.Event()
        self.left = asyncio.Event()
        self.models: list[str] = []
        self.listed = asyncio.Event()
        self.url = ""
        self.host = ""

    @property
    def warm_ups(self) -> int:
        """How often one token was asked for."""
        return len([body for body in self.bodies if body["max_tokens"] == 1])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        self.news.set()
        try:
            return await self.answer(request)
        finally:
            self.left.set()

    async def list(self, _: web.Request) -> web.StreamResponse:
        self.listed.set()
        return web.json_response({"object": "list", "data": [{"id": name} for name in self.models]})


async def pass_by(seconds: float) -> None:
    """Come back when so much time is over."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


@asynccontextmanager
async def serving(
    *answers: Answer,
    first_token_seconds: float = FIRST_TOKEN_SECONDS,
    patience_seconds: float = 20.0,
    warm_up: bool = True,
) -> AsyncIterator[tuple[EndpointsEngine, list[Asked]]]:
    """An engine in front of such endpoints."""
    asked = [Asked(answer) for answer in answers]
    runners = []
    for each in asked:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", each.handle)
        app.router.add_get("/v1/models", each.list)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        host, port = runner.addresses[0][:2]
        each.host = f"{host}:{port}"
        each.url = f"http://{each.host}/v1"
    names = "abc"
    engine = EndpointsEngine(
        tuple(Endpoint(each.url, name, f"key-{name}") for name, each in zip(names, asked, strict=False)),
        first_token_seconds,
        patience_seconds,
        warm_up=warm_up,
    )
    try:
        yield engine, asked
    finally:
        await engine.close()
        for runner in runners:
            await runner.cleanup()


async def whole(engine: EndpointsEngine, conversation: Conversation = HELLO) -> tuple[str, Finish]:
    text = ""
    async with aclosing(engine.reply(conversation)) as reply:
        async for each in reply:
            if isinstance(each, Finish):
                return text, each
            text += each.text if isinstance(each, Delta) else ""
    pytest.fail("the reply had no end")


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def refuse(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "no such model"}}, status=404)


async def role_and_silence(request: web.Request) -> web.StreamResponse:
    response = await begin(request)
    await response.write(b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n')
    await asyncio.Event().wait()
    return response


async def keeps_alive(request: web.Request) -> web.StreamResponse:
    response = await begin(request)
    while True:
        await response.write(b": still there\n\n")
        await pass_by(0.05)


async def begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    return response


async def too_long(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": "context too long; your key is key-a"}, status=400)


async def over_quota(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "30"})
