"""`parley doctor` finds what keeps Parley from working, names the remedy, and says so in its status."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from parley_cli.doctor import network
from parley_cli.doctor.engines import look_at_engines
from parley_cli.doctor.findings import Finding, State, as_object, is_well, lines
from tests.end_to_end.started import own_ports, started
from tests.parley_cli.up.test_discovery import OWN, at, discover, lists

if TYPE_CHECKING:
    from pathlib import Path

# Servers are started, on machines that may have other work.
pytestmark = pytest.mark.timeout(180)


async def doctor(*arguments: str, **settings: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Status, and what was found by what was looked at."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parley_cli", "doctor", "--json", *arguments),
        env={**os.environ, **own_ports(), **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    answer = json.loads(out)
    found: dict[str, list[dict[str, str]]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    assert answer["well"] == (process.returncode == 0)
    assert process.returncode is not None
    return process.returncode, found


def told(found: list[dict[str, str]]) -> str:
    """What is wrong, with the remedies."""
    return "\n".join(f"{each['what']} -> {each['remedy']}" for each in found if each["state"] == "wrong")


async def test_where_nothing_is_wrong_it_says_so() -> None:
    status, found = await doctor("--profile", "scripted")
    assert status == 0
    assert {each["state"] for each in chain.from_iterable(found.values())} <= {"fine", "note"}
    assert {"settings", "engines", "ports", "models", "page", "proxy"} <= found.keys()


def test_an_engine_that_is_missing_is_wrong_unless_another_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hibari", None)
    [finding] = look_at_engines({})
    assert finding.state is State.NOTE
    assert finding.what == "PARLEY_TTS_ENGINE=hibari needs hibari, which is not installed; espeak stands in"
    assert finding.remedy == "pip install '.[hibari]' in the folder of Parley"
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    for engine, lacks in (("hibari", 2), ("espeak", 1)):
        assert [each.state for each in look_at_engines({"PARLEY_TTS_ENGINE": engine})] == [State.WRONG] * lacks


@pytest.mark.parametrize(
    ("settings", "check", "words"),
    [
        ({"PARLEY_GATWAY_PORT": "1"}, "settings", ("PARLEY_GATWAY_PORT", "did you mean PARLEY_GATEWAY_PORT?")),
        ({"PARLEY_GATEWAY_PORT": "abc"}, "settings", ("PARLEY_GATEWAY_PORT=abc", "give a port")),
        ({"PARLEY_LOG_LEVEL": "loud"}, "settings", ("PARLEY_LOG_LEVEL=loud: not one of",)),
        ({"PARLEY_LLM_PARALLEL": "0"}, "settings", ("PARLEY_LLM_PARALLEL=0: less than 1",)),
        ({"PARLEY_TTS_HOST": "203.0.113.7"}, "ports", ("PARLEY_TTS_HOST=203.0.113.7 is no address",)),
        ({"PARLEY_ASR_ENGINE": "faster-whisper"}, "models", ("whisper:small", "parley models pull whisper:small")),
        ({"PARLEY_TTS_ENGINE": "piper"}, "models", ("no voice in", "parley models pull piper:")),
        ({"PARLEY_LLM_ENGINE": "openai"}, "engines", ("PARLEY_LLM_MODEL is empty",)),
        ({"PARLEY_LLAMACPP_MODEL": "a/b:c.gguf"}, "models", ("gguf:a/b:c.gguf", "parley models pull gguf:a/b:c.gguf")),
        (
            {"PARLEY_LLM_ENGINE": "openai", "PARLEY_LLM_URL": "http://me:secret@127.0.0.1:9/v1"},
            "endpoint",
            ("nothing answers at http://127.0.0.1:9/v1", "PARLEY_LLM_URL"),
        ),
    ],
)
async def test_what_is_wrong_is_named_with_its_remedy(
    settings: dict[str, str], check: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    empty = {"HF_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    status, found = await doctor("--profile", "scripted", **{**empty, **settings})
    assert status == 1
    assert [word for word in words if word not in told(found[check])] == []
    assert "secret" not in str(found)


async def test_a_port_that_somebody_has_is_named_with_its_variable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, found = await doctor("--profile", "scripted", PARLEY_LLM_PORT=port)
    assert status == 1
    assert f"port {port} on 127.0.0.1 is taken" in told(found["ports"])
    assert "PARLEY_LLM_PORT" in told(found["ports"])


@pytest.mark.parametrize(("answer", "states"), [(200, ["fine"]), (401, ["wrong"]), (404, ["note"])])
async def test_an_endpoint_is_asked_for_its_models(answer: int, states: list[str]) -> None:
    asked = []

    async def models(request: web.BaseRequest) -> web.Response:
        asked.append((request.path_qs, request.headers["Authorization"]))
        return web.Response(status=answer)

    runner = web.ServerRunner(web.Server(models))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1?api-version=7"
        settings = {"PARLEY_LLM_ENGINE": "openai", "PARLEY_LLM_URL": url, "PARLEY_LLM_MODEL": "m"}
        status, found = await doctor("--profile", "scripted", **settings, PARLEY_LLM_API_KEY="secret")
    finally:
        await runner.cleanup()
    assert asked == [("/v1/models?api-version=7", "Bearer secret")]
    assert [each["state"] for each in found["endpoint"]] == states
    assert status == (1 if states == ["wrong"] else 0)
    assert "secret" not in str(found)


async def test_a_model_that_would_be_found_is_named_and_what_to_do_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with at(lists("llama3.2")) as port:
        monkeypatch.setattr(network, "discover", partial(discover, ports={"Ollama": port}))
        [found] = await network.look_for_model({}, OWN)
        assert found.state is State.FINE
        assert f"takes llama3.2 at 127.0.0.1:{port}" in found.what
        assert await network.look_for_model({"PARLEY_LLM_DISCOVER": "off"}, OWN) == []
        assert await network.look_for_model({}, {**OWN, "PARLEY_LLM_ENGINE": "scripted"}) == []
    monkeypatch.setattr(network, "discover", partial(discover, ports={}))
    [none] = await network.look_for_model({}, OWN)
    assert (none.state, "make run MODELS=small" in none.remedy) == (State.NOTE, True)
    [wrong] = await network.look_for_model({"PARLEY_LLM_DISCOVER": "maybe"}, OWN)
    assert (wrong.state, "not one of on, off" in wrong.what) == (State.WRONG, True)


async def test_a_parley_that_runs_is_looked_at_and_what_is_away_is_named() -> None:
    async with started() as up:
        await up.listening()
        status, found = await doctor("--profile", "scripted", **up.environment)
        assert status == 0, found
        assert "all its processes serve" in found["ports"][0]["what"]
        assert "opens" in found["page"][0]["what"]


async def test_a_proxy_that_is_not_there_is_noted_without_its_password() -> None:
    status, found = await doctor("--profile", "scripted", http_proxy="http://me:secret@127.0.0.1:9")
    assert status == 0
    [note] = found["proxy"]
    assert (note["state"], "http_proxy=127.0.0.1:9" in note["what"]) == ("note", True)
    assert "secret" not in str(found)


def test_people_read_a_line_for_each_and_what_to_do_below_it() -> None:
    fine, wrong = Finding("ports", State.FINE, "free"), Finding("models", State.WRONG, "gone", "fetch it")
    assert lines([fine])[-1] == "Nothing is in the way of Parley."
    assert [line.split() for line in lines([fine, wrong])[1:3]] == [["WRONG", "models", "gone"], ["->", "fetch", "it"]]
    assert (is_well([fine]), is_well([fine, wrong])) == (True, False)
    assert as_object([fine])["well"] is True
