"""A server of models on this machine is found, and nothing else is taken for one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from aiohttp import web

from parley.errors import InvalidInput
from parley_cli.up.discovery import Found, is_wanted
from parley_cli.up.discovery import discover as discover_within
from parley_cli.up.model_list import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Ports at which nobody listens in these tests.
OWN: Final = dict.fromkeys(
    (
        *("PARLEY_GATEWAY_PORT", "PARLEY_GATEWAY_GRPC_PORT", "PARLEY_HTTPS_PORT", "PARLEY_ASR_PORT", "PARLEY_LLM_PORT"),
        *("PARLEY_TTS_PORT", "PARLEY_ASR_METRICS_PORT", "PARLEY_LLM_METRICS_PORT", "PARLEY_TTS_METRICS_PORT"),
    ),
    "0",
)


async def discover(environment: Mapping[str, str], ports: Mapping[str, int], seconds: float = 30.0) -> Found | None:
    """As `parley up` does, but in as much time as a slow machine needs."""
    return await discover_within(environment, ports, aiohttp.ClientTimeout(total=seconds))


def lists(*names: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [{"id": name} for name in names]})

    return answer


@asynccontextmanager
async def at(answer: Answer, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """The port of a server that answers when it is asked for its models."""
    app = web.Application()
    app.router.add_get("/v1/models", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(speak: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """The port of something that speaks as it likes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await speak(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_server_is_found_with_its_model_and_the_settings_that_use_it() -> None:
    async with at(lists("nomic-embed-text", "llama3.2:latest")) as port:
        found = await discover(OWN, {"Ollama": port})
    assert found == Found("Ollama", f"127.0.0.1:{port}", "llama3.2:latest")
    assert found.settings() == {
        "PARLEY_LLM_ENGINE": "openai",
        "PARLEY_LLM_URL": f"http://127.0.0.1:{port}/v1",
        "PARLEY_LLM_MODEL": "llama3.2:latest",
        "PARLEY_LLM_FALLBACKS": "rules",
        "PARLEY_LLM_DISCOVERED": "true",
    }


async def test_the_other_loopback_address_is_asked_too() -> None:
    async with at(lists("llama"), "::1") as port:
        found = await discover(OWN, {"Ollama": port})
    assert found is not None
    assert found.settings()["PARLEY_LLM_URL"] == f"http://[::1]:{port}/v1"


async def test_of_several_servers_the_first_that_has_a_model_to_talk_with_is_taken() -> None:
    async with at(lists("bge-m3")) as empty, at(lists("phi4")) as second, at(lists("gemma3")) as third:
        found = await discover(OWN, {"Ollama": empty, "LM Studio": second, "vLLM": third})
    assert found == Found("LM Studio", f"127.0.0.1:{second}", "phi4")


async def test_a_port_of_parleys_own_is_not_asked() -> None:
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return await lists("llama")(request)

    async with at(answer) as port:
        assert await discover({**OWN, "PARLEY_GATEWAY_PORT": str(port)}, {"llama.cpp": port}) is None
    assert asked == []


async def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with at(lists("llama")) as port:
        assert await discover(OWN, {"Ollama": port}) is not None


async def test_who_sends_one_elsewhere_is_not_followed() -> None:
    async with at(lists("llama")) as there:

        async def away(_: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"http://127.0.0.1:{there}/v1/models")

        async with at(away) as port:
            assert await discover(OWN, {"Ollama": port}) is None


async def test_an_endless_body_is_left() -> None:
    sent = []

    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{")
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()
            sent.append(65_536)

    async with raw(speak) as port:
        assert await discover(OWN, {"vLLM": port}) is None
    # What the sockets of both sides hold was sent too.
    assert sum(sent) < MOST_BYTES + 32_000_000


async def test_a_page_is_no_list() -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>models</html>", content_type="text/html")

    async with at(page) as port:
        assert await discover(OWN, {"vLLM": port}) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"data": [',
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    ],
)
async def test_what_speaks_otherwise_is_no_server_of_models(answer: bytes) -> None:
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with raw(speak) as port, at(lists("llama")) as other:
        assert await discover(OWN, {"vLLM": port, "llama.cpp": other}) == Found(
            "llama.cpp", f"127.0.0.1:{other}", "llama"
        )


async def test_one_that_is_silent_holds_nobody_up_for_long() -> None:
    async def speak(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw(speak) as port:
        assert await discover(OWN, {"Ollama": port}, seconds=0.1) is None


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, True),
        ({"PARLEY_LLM_DISCOVER": "on"}, True),
        ({"PARLEY_LLM_DISCOVER": "off"}, False),
        ({"PARLEY_LLM_DISCOVER": "0"}, False),
        ({"PARLEY_LLM_ENGINE": "rules"}, False),
        ({"PARLEY_LLM_URL": "http://far/v1"}, False),
        ({"PARLEY_LLM_MODEL": "x"}, False),
        ({"PARLEY_LLM_ADDRESS": "far:1"}, False),
        ({"PARLEY_LLM_ENGINE": " "}, True),
    ],
)
def test_who_has_chosen_is_not_chosen_for(settings: dict[str, str], wanted: bool) -> None:  # noqa: FBT001 - a table
    assert is_wanted(settings) is wanted


def test_another_word_is_named() -> None:
    with pytest.raises(InvalidInput, match="PARLEY_LLM_DISCOVER=maybe: not one of on, off"):
        is_wanted({"PARLEY_LLM_DISCOVER": "maybe"})
