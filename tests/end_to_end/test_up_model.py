"""`parley up` and who writes: a model that is found, one that is fetched and served, and rules while it is away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.end_to_end.started import Up, started
from tests.end_to_end.test_up import page, run
from tests.llm_server.tiny_gguf import write_gguf
from tests.parley_cli.hub_server import open_hub
from tests.programs import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Whole Parleys are started, on machines that may have other work.
pytestmark = pytest.mark.timeout(300)

LOOKS_AT: Final = (
    "from functools import partial; from aiohttp import ClientTimeout; "
    "from parley_cli.up import discovery, language_model as chosen; "
    "chosen.discover = partial(discovery.discover, ports={{'Ollama': {port}}}, patience=ClientTimeout(total=60))"
)
WHISPER: Final = "Systran/faster-whisper-tiny.en"
WRITER: Final = "some/writer"
SAID: Final = "Hello! I am fine, thank you. How can I help you?\n"
SPOKEN: Final = {"PARLEY_ASR_ENGINE": "scripted", "PARLEY_TTS_ENGINE": "scripted"}


@pytest.fixture(scope="module")
def models() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared" / "models"
    folder = Path(os.environ.get("PARLEY_TEST_MODELS", default))
    if not folder.is_dir():
        pytest.skip(f"{folder}: no models there; name their folder in PARLEY_TEST_MODELS")
    return folder


class Ollama:
    """A server of one model, which may be away."""

    def __init__(self) -> None:
        self.away = False

    async def list(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"data": [{"id": "nomic-embed-text"}, {"id": "llama3.2:latest"}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        if self.away:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = await request.json()
        assert body["model"] == "llama3.2:latest"
        if not body.get("stream"):
            return web.json_response({"choices": [{"message": {"content": "H"}}]})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for choice in ({"delta": {"content": "From the model."}}, {"delta": {}, "finish_reason": "stop"}):
            await response.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


@pytest.fixture
async def ollama() -> AsyncIterator[tuple[Ollama, int]]:
    served, app = Ollama(), web.Application()
    app.router.add_get("/v1/models", served.list)
    app.router.add_post("/v1/chat/completions", served.chat)
    async with TestServer(app, host="127.0.0.1") as server:
        assert server.port is not None
        yield served, server.port


async def next_line(up: Up) -> str:
    """What it says after the line that it is listening."""
    assert up.process.stdout is not None
    async with asyncio.timeout(60):
        return (await up.process.stdout.readline()).decode()


async def ask(up: Up, text: str) -> str:
    status, out, errors = await run("chat", text, **up.environment)
    assert status == 0, errors
    return out


async def writer(up: Up) -> dict[str, object]:
    """What the page is told of who writes; a server that does not answer in time has no name there."""

    async def asked() -> dict[str, object] | None:
        async with aiohttp.ClientSession() as http, http.get(f"{page(up)}v1/page") as response:
            facts: dict[str, dict[str, dict[str, object]]] = await response.json()
        return facts["engines"]["llm"] if facts["engines"]["llm"]["name"] else None

    return await eventually(asked, "the name of who writes")


async def test_a_server_that_is_found_writes_and_rules_do_while_it_is_away(ollama: tuple[Ollama, int]) -> None:
    served, port = ollama
    before = LOOKS_AT.format(port=port)
    settings = {**SPOKEN, "PARLEY_LLM_DISCOVER": "on", "PARLEY_LOG_LEVEL": "WARNING"}
    async with started("--profile", "embedded", before=before, **settings) as up:
        await up.listening()
        line = await next_line(up)
        assert f"llama3.2:latest at 127.0.0.1:{port}" in line
        assert "PARLEY_LLM_DISCOVER=off" in line
        told = await writer(up)
        assert (told["name"], told["found_at"]) == ("openai llama3.2:latest", f"127.0.0.1:{port}")
        assert await ask(up, "hello") == "From the model.\n"
        served.away = True
        assert "six" in (await ask(up, "what is two times three")).lower()
        await up.told("the rules answer meanwhile", f"127.0.0.1:{port}")
        served.away = False
        assert await ask(up, "hello") == "From the model.\n"
        await up.told("llama3.2:latest answers again")


async def test_who_turned_it_off_gets_the_rules(ollama: tuple[Ollama, int]) -> None:
    before = LOOKS_AT.format(port=ollama[1])
    async with started("--profile", "embedded", before=before, PARLEY_LLM_DISCOVER="off", **SPOKEN) as up:
        await up.listening()
        told = await writer(up)
        assert (told["name"], told["found_at"]) == ("rules built-in", "")


async def test_a_whole_set_is_fetched_served_and_asked_and_the_second_start_is_offline(
    models: Path, tmp_path: Path
) -> None:
    gguf = tmp_path / "tiny.gguf"
    write_gguf(models / "llama-tiny-chat", gguf)
    whisper = {path.name: path.read_bytes() for path in (models / "whisper-tiny-commands").iterdir()}
    settings = {
        "PARLEY_ASR_MODEL": "tiny.en",
        "PARLEY_LLAMACPP_MODEL": f"{WRITER}:{gguf.name}",
        "PARLEY_LLM_CONTEXT_TOKENS": "512",
        "HF_HOME": str(tmp_path / "hub"),
    }
    async with open_hub({WHISPER: whisper, WRITER: {gguf.name: gguf.read_bytes()}}) as hub:
        hub.licenses |= {WHISPER: "mit", WRITER: "apache-2.0"}
        async with started("--profile", "cpu", "--pull", "--yes", **settings, **hub.settings()) as up:
            shown = [await next_line(up) for _ in range(6)]
            assert "apache-2.0" in "".join(shown)
            assert shown[-1] == "All models are here.\n"
            await up.listening()
            assert "tiny.gguf" in await next_line(up)
            assert await ask(up, "hello how are you") == SAID
            told = await writer(up)
            assert told["name"] == "openai tiny"
            # Its process is one of Parley's: it comes back, and meanwhile rules answer.
            os.kill(up.child("llm_server.engines.llamacpp"), signal.SIGKILL)
            await up.told("llm_server.engines.llamacpp is back after")
            assert await ask(up, "hello how are you") == SAID
        asked = hub.lists
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    async with started("--profile", "cpu", "--pull", **settings, **nobody) as up:
        await up.listening()
        assert await ask(up, "hello how are you") == SAID
    assert asked == 2


async def test_without_its_model_the_profile_says_how_to_get_it(tmp_path: Path) -> None:
    status, out, errors = await run("up", "--profile", "cpu", HF_HOME=str(tmp_path), **SPOKEN)
    assert (status, out) == (1, "")
    assert errors.count("\n") == 1
    assert "is not on this machine: add --pull, which fetches it" in errors


async def test_a_file_that_is_no_model_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"no model")
    async with started("--profile", "embedded", PARLEY_LLAMACPP_MODEL=str(path), **SPOKEN) as up:
        assert f"llama.cpp cannot load {path}" in await up.told("llm_server.engines.llamacpp cannot run")
        assert await up.process.wait() == 1
