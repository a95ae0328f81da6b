"""`python -m serving.healthcheck`: what a container's health check sees, over real ports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest

from asr_server.config import AsrConfig
from edge_gateway.config import GatewayConfig
from llm_server.config import LlmConfig
from parley.v1 import llm_pb2_grpc
from serving.config import read
from serving.grpc_server import Listen, started
from serving.probes import GrpcProbe, HttpProbe, Probe, Unhealthy, ask_all
from tests.serving.rig import SERVICE, Holding
from tts_server.config import TtsConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    import grpc.aio

# Nobody waits for it where all is well.
PATIENCE = 30.0
CONFIGS: tuple[type[GatewayConfig | AsrConfig | LlmConfig | TtsConfig], ...] = (
    GatewayConfig,
    AsrConfig,
    LlmConfig,
    TtsConfig,
)


@asynccontextmanager
async def server(host: str = "127.0.0.1") -> AsyncIterator[tuple[int, Callable[[], Awaitable[None]]]]:
    """A server that is not ready yet: its port, and what makes it ready."""

    def register(each: grpc.aio.Server) -> None:
        llm_pb2_grpc.add_LlmServiceServicer_to_server(Holding(), each)

    async with started(SERVICE, register, Listen(host, 0, "PORT", 0, 0, 64 * 1024)) as found:
        yield found


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections, on which nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A port on which one request gets these bytes."""
    finished = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        finished.set()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        await finished.wait()


async def seen(*probes: Probe, live: bool = False, seconds: float = PATIENCE) -> str:
    """What is wrong; empty: nothing."""
    try:
        await ask_all(probes, live=live, seconds=seconds)
    except Unhealthy as error:
        return str(error)
    return ""


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
async def test_a_server_is_well_from_when_it_is_ready_wherever_it_listens(host: str) -> None:
    async with server(host) as (port, ready):
        probe = GrpcProbe(host, port, SERVICE)
        assert await seen(probe) == f"{probe.where}: {SERVICE} is NOT_SERVING"
        assert await seen(probe, live=True) == ""
        await ready()
        assert await seen(probe) == ""


async def test_where_nobody_listens_the_place_is_named() -> None:
    async with server() as (port, _):
        pass
    assert (await seen(GrpcProbe("127.0.0.1", port, SERVICE))).startswith(f"127.0.0.1:{port}: UNAVAILABLE, ")
    assert "no connection (" in await seen(HttpProbe("127.0.0.1", port, "/healthz"))


async def test_another_service_on_the_port_is_not_taken_for_ours() -> None:
    async with server() as (port, ready):
        await ready()
        assert "there is no service 'parley.v1.AsrService' here" in await seen(
            GrpcProbe("127.0.0.1", port, "parley.v1.AsrService")
        )


@pytest.mark.parametrize("kind", [GrpcProbe, HttpProbe])
async def test_who_never_answers_is_not_waited_for(kind: type[GrpcProbe | HttpProbe]) -> None:
    with silent() as port:
        probe = kind("127.0.0.1", port, "/healthz")
        # Longer than the clients' channels give a connection before they try again: that is no answer either.
        assert await seen(probe, seconds=0.5) == f"{probe.where}: no answer within 0.5 s"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nok\n", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "the answer is 'HTTP/1.1 503 Service Unavailable'"),
        (b"HTTP/1.1 421\r\n\r\n", "the answer is 'HTTP/1.1 421'"),
        (b"220 mail ready\r\n", "the answer is '220 mail ready'"),
        (b"", "no answer"),
        (b"x" * 100_000, "the connection broke"),
    ],
)
async def test_a_page_is_well_when_it_answers_with_200(answer: bytes, said: str) -> None:
    async with answering(answer) as port:
        found = await seen(HttpProbe("127.0.0.1", port, "/healthz"))
    assert found.startswith(f"http://127.0.0.1:{port}/healthz: {said}") if said else found == ""


async def test_one_place_that_is_not_well_is_enough() -> None:
    async with server() as (port, ready), answering(b"HTTP/1.1 500 Oh\r\n\r\n") as page:
        await ready()
        found = await seen(GrpcProbe("127.0.0.1", port, SERVICE), HttpProbe("127.0.0.1", page, "/"))
    assert found == f"http://127.0.0.1:{page}/: the answer is 'HTTP/1.1 500 Oh'"


@pytest.mark.parametrize("config", CONFIGS)
def test_every_process_says_where_it_answers_by_its_own_variables(
    config: type[GatewayConfig | AsrConfig | LlmConfig | TtsConfig],
) -> None:
    name = config.__name__.removesuffix("Config").upper()
    variables = {"PARLEY_GATEWAY_GRPC_PORT": "7001", "PARLEY_GATEWAY_PORT": "7002", f"PARLEY_{name}_HOST": "::"}
    variables |= {f"PARLEY_{name}_PORT": "7002"}
    probes = read(config, variables).probes
    ports = (7001, 7002) if config is GatewayConfig else (7002,)
    assert tuple(probe.port for probe in probes) == ports
    assert all("[::1]:" in probe.where for probe in probes)


async def run(*arguments: str, **variables: str) -> tuple[int, list[str]]:
    """Exit status and lines on standard error of the command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "serving.healthcheck", *arguments),
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert out == b""
    assert process.returncode is not None
    return process.returncode, errors.decode().splitlines()


async def test_the_command_is_silent_when_all_is_well_and_says_in_one_line_what_is_not() -> None:
    async with server() as (port, ready):
        there = {"PARLEY_LLM_PORT": str(port)}
        patient = ("--seconds", str(PATIENCE))
        assert await run("llm_server", *patient, **there) == (
            1,
            [f"llm_server: 127.0.0.1:{port}: parley.v1.LlmService is NOT_SERVING"],
        )
        assert await run("llm_server", "--live", *patient, **there) == (0, [])
        await ready()
        assert await run("llm_server", *patient, **there) == (0, [])


@pytest.mark.parametrize(
    ("package", "variables", "said"),
    [
        ("asr_sever", {}, "asr_sever: there is no such process"),
        ("parley_cli.bench", {}, "parley_cli.bench: there is no such process"),
        ("serving", {}, "serving: its configuration does not say"),
        ("asr_server", {"PARLEY_ASR_PORT": "http"}, "asr_server: PARLEY_ASR_PORT=http: not a whole number"),
    ],
)
async def test_what_cannot_be_asked_is_said_in_one_line(package: str, variables: dict[str, str], said: str) -> None:
    status, [line] = await run(package, **variables)
    assert status == 1
    assert line.startswith(said)
