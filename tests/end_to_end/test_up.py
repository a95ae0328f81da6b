"""`parley up` in the world as it is: terminals that close, servers that die, ports that are taken, proxies, IPv6."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import ssl
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from parley._binding import find_problem, joined
from parley.conversation import ErrorCode, ErrorEvent, SessionConfig
from parley_cli.client import converse
from parley_cli.processes import GATEWAY, PROCESSES, TTS
from parley_cli.up.certificate import find_certificate
from tests.end_to_end.started import Up, own_ports, started

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whole Parleys are started, on machines that may have other work.
pytestmark = pytest.mark.timeout(180)

PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
NOWHERE = "http://127.0.0.1:9"


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Status, output and errors of one command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parley_cli", *arguments),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def speaks(up: Up) -> None:
    """A command that is told the same variables reaches it, and is answered."""
    assert await run("chat", "hello", **up.environment) == (0, "This is a scripted reply. It has two sentences.\n", "")


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGKILL, signal.SIGTERM])
async def test_however_it_ends_its_servers_end_and_it_can_be_started_again(end: signal.Signals) -> None:
    # Under nohup the terminal's end is ignored, and so it would be here.
    with inherited(signal.SIGHUP, signal.SIG_DFL):
        async with started() as up:
            await up.listening()
            up.process.send_signal(end)
            await up.all_gone()
            assert await up.process.wait() == (-signal.SIGKILL if end is signal.SIGKILL else 0)
    ports = [port for process in PROCESSES for _, port in process.ports(up.environment)]
    assert [find_problem("127.0.0.1", port) for port in ports] == [None] * len(ports)


async def test_told_twice_to_stop_it_waits_for_no_conversation() -> None:
    async with started(PARLEY_DRAIN_SECONDS="1000", PARLEY_LOG_LEVEL="INFO") as up:
        await up.listening()
        async with converse(page(up)) as conversation:
            await conversation.configure(SessionConfig())
            up.process.send_signal(signal.SIGINT)
            await up.told("ConversationService is stopping")
            up.process.send_signal(signal.SIGINT)
            await up.all_gone()
    assert up.process.returncode == 0


async def test_killed_while_it_starts_it_leaves_nothing_behind() -> None:
    async with started() as up:
        # The gateway is the last that is started.
        while not up.children("edge_gateway"):
            await asyncio.sleep(0)
        up.process.kill()
        await up.all_gone()


async def test_where_the_end_of_the_terminal_is_ignored_it_goes_on() -> None:
    with inherited(signal.SIGHUP, signal.SIG_IGN):
        async with started() as up:
            await up.listening()
            up.process.send_signal(signal.SIGHUP)
            await speaks(up)
            assert up.process.returncode is None


@contextmanager
def inherited(number: signal.Signals, handler: signal.Handlers) -> Iterator[None]:
    """A block in which processes begin with this handler, whatever this one began with."""
    kept = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, kept)


async def test_a_server_that_was_killed_is_named_and_comes_back() -> None:
    async with started() as up:
        await up.listening()
        before = up.child("tts_server")
        os.kill(before, signal.SIGKILL)
        assert "it is started again in 0.5 s" in await up.told("tts_server was killed", "SIGKILL")
        await up.told("tts_server is back after")
        assert up.child("tts_server") != before
        assert up.process.returncode is None
        await speaks(up)
        os.kill(up.child("edge_gateway"), signal.SIGSEGV)
        await up.told("edge_gateway was ended by SIGSEGV")
        await up.told("edge_gateway is back after")
        async with aiohttp.ClientSession() as http, http.get(page(up)) as response:
            assert response.status == 200


def page(up: Up, host: str = "127.0.0.1") -> str:
    return f"http://{joined(host, int(up.environment['PARLEY_GATEWAY_PORT']))}/"


async def test_what_crashes_at_every_start_is_told_with_its_reason(tmp_path: Path) -> None:
    broken = "import sys\nif 'tts_server' in sys.orig_argv: raise SystemExit('the disk is on fire')\n"
    (tmp_path / "usercustomize.py").write_text(broken)
    (tmp_path / "sitecustomize.py").write_text(broken)
    status, out, errors = await run("up", "--profile", "scripted", **own_ports(), PYTHONPATH=str(tmp_path))
    assert (status, out) == (1, "")
    told = [line for line in errors.splitlines() if line.startswith("parley: ")]
    assert len(told) == 3
    assert all("tts_server ended with status 1" in line for line in told)
    assert told[-1].endswith("3 times in a row")


async def test_what_crashes_again_and_again_later_is_told_as_no_accident_and_tried_on(tmp_path: Path) -> None:
    fire = tmp_path / "fire"
    broken = (
        "import os, sys\n"
        f"if 'tts_server' in sys.orig_argv and os.path.exists({str(fire)!r}): raise SystemExit('the disk is on fire')\n"
    )
    (tmp_path / "usercustomize.py").write_text(broken)
    (tmp_path / "sitecustomize.py").write_text(broken)
    async with started(PYTHONPATH=str(tmp_path)) as up:
        await up.listening()
        fire.touch()
        os.kill(up.child("tts_server"), signal.SIGKILL)
        told = await up.told("no accident")
        assert "tts_server ended with status 1: SystemExit: the disk is on fire" in told
        assert "ended 5 times in a row" in told
        fire.unlink()
        await up.told("tts_server is back after")
        await speaks(up)


async def test_a_second_start_says_where_parley_already_runs() -> None:
    async with started() as up:
        await up.listening()
        status, out, errors = await run("up", "--profile", "scripted", **up.environment)
        assert (status, out) == (1, "")
        port = up.environment["PARLEY_GATEWAY_PORT"]
        assert errors.startswith(f"parley: Parley already runs at http://127.0.0.1:{port}: open that page")
        assert errors.count("\n") == 1
        other = {**own_ports(), "PARLEY_TTS_PORT": up.environment["PARLEY_TTS_PORT"]}
        status, _, errors = await run("up", "--profile", "scripted", **{**up.environment, **other})
        assert status == 1
        assert errors.startswith(f"parley: another Parley's tts_server is at port {other['PARLEY_TTS_PORT']}")


async def test_behind_a_proxy_its_processes_and_commands_reach_each_other(speech_dir: Path) -> None:
    proxies = dict.fromkeys(PROXIES, NOWHERE)
    async with started(**proxies, no_proxy="", NO_PROXY="") as up:
        await up.listening()
        await speaks(up)
        status, out, errors = await run("talk", str(speech_dir / "v2j-time.flac"), **up.environment)
        assert (status, errors) == (0, "")
        assert "This is a scripted reply." in out


@pytest.mark.parametrize("host", ["127.0.0.2", "0.0.0.0", "::1", "::", "localhost"])
async def test_on_any_address_of_this_machine_it_listens_and_is_found(host: str) -> None:
    if (problem := find_problem(host, 0)) is not None:
        pytest.skip(f"this machine has no {host}: {problem}")
    hosts = {f"PARLEY_{name}_HOST": host for name in ("GATEWAY", "ASR", "LLM", "TTS")}
    async with started(**hosts) as up:
        line = await up.listening()
        url = line.split()[4]
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert response.status == 200
        if host in {"::", "0.0.0.0"}:
            assert up.process.stdout is not None
            assert b"parley up --lan" in await up.process.stdout.readline()
            async with aiohttp.ClientSession() as http, http.get(page(up)) as response:
                assert response.status == 200
        await speaks(up)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"PARLEY_GATEWAY_PORT": "abc"}, "PARLEY_GATEWAY_PORT=abc: not a whole number"),
        ({"PARLEY_ASR_METRICS_PORT": "99999"}, "PARLEY_ASR_METRICS_PORT=99999: more than 65535"),
        ({"PARLEY_TTS_PORT": "0"}, "PARLEY_TTS_PORT=0: `parley up` must know the port"),
        (
            {"PARLEY_LLM_PORT": "22999", "PARLEY_ASR_PORT": "22999"},
            "PARLEY_ASR_PORT and PARLEY_LLM_PORT are both 22999",
        ),
        ({"PARLEY_GATEWAY_HOST": "203.0.113.7"}, "PARLEY_GATEWAY_HOST=203.0.113.7 is no address of this machine"),
        ({"PARLEY_TTS_HOST": "nobody.invalid"}, "PARLEY_TTS_HOST=nobody.invalid is no address of this machine"),
        ({"PARLEY_LOG_LEVEL": "loud"}, "PARLEY_LOG_LEVEL=loud: not one of DEBUG, INFO"),
        (
            {"PARLEY_TTS_ENGINE": "espeek"},
            "tts_server cannot run: PARLEY_TTS_ENGINE=espeek: not one of espeak, hibari, piper",
        ),
        (
            {"PARLEY_GRAFANA_URL": "localhost:3000"},
            "edge_gateway cannot run: PARLEY_GRAFANA_URL=localhost:3000: not the address of a Grafana",
        ),
        ({"PARLEY_LEAD_MS": "1"}, "edge_gateway cannot run: PARLEY_LEAD_MS=1: less than 100"),
        (
            {"PARLEY_HTTPS_CERTIFICATE": "/nowhere.pem"},
            "PARLEY_HTTPS_CERTIFICATE=/nowhere.pem cannot be read",
        ),
        ({"PARLEY_TLS_KEY": "/nowhere.pem"}, "PARLEY_TLS_KEY is set, and PARLEY_TLS_CERT and PARLEY_TLS_CA are not"),
        (
            {"PARLEY_GATEWAY_TLS_CERT": "/nowhere.pem"},
            "PARLEY_GATEWAY_TLS_CERT is set, and PARLEY_GATEWAY_TLS_KEY is not",
        ),
        ({"PARLEY_ASR_ENGINE": "faster-whisper", "HF_HOME": "/nowhere"}, "parley models pull whisper:small"),
        ({"PARLEY_TTS_ENGINE": "piper", "PARLEY_TTS_VOICES_DIR": "/nowhere"}, "parley models pull piper:en_US"),
        ({"PARLEY_LLM_ENGINE": "openai"}, "llm_server cannot run: PARLEY_LLM_MODEL is empty"),
    ],
)
async def test_what_is_set_wrong_is_one_line_with_the_variable(settings: dict[str, str], told: str) -> None:
    status, out, errors = await run("up", "--profile", "scripted", **{**own_ports(), **settings})
    assert (status, out) == (1, "")
    assert errors.startswith("parley: ")
    assert told in errors
    assert errors.count("\n") == 1


async def test_a_misspelt_variable_is_told_of_once_and_stops_nothing() -> None:
    async with started(PARLEY_GATWAY_PORT="9") as up:
        await up.listening()
        up.process.send_signal(signal.SIGINT)
        await up.told("PARLEY_GATWAY_PORT is set, and nothing reads it: did you mean PARLEY_GATEWAY_PORT?")
        assert up.process.stderr is not None
        assert await up.process.stderr.read() == b""


async def test_an_endpoint_that_is_not_there_is_told_of_at_the_start_and_on_the_page() -> None:
    settings = {"PARLEY_LLM_ENGINE": "openai", "PARLEY_LLM_MODEL": "llama3.2", "PARLEY_LLM_URL": f"{NOWHERE}/v1"}
    async with started(**settings) as up:
        await up.listening()
        await up.told("PARLEY_LLM_URL: llama3.2@127.0.0.1:9 cannot be reached")
        async with converse(page(up)) as conversation:
            await conversation.configure(SessionConfig())
            async with asyncio.timeout(30):
                error = await anext(event async for event in conversation if isinstance(event, ErrorEvent))
        assert (error.code, error.hop, error.ends_session) == (ErrorCode.UNAVAILABLE, "llm", False)
        assert "PARLEY_LLM_URL: llama3.2@127.0.0.1:9 cannot be reached" in error.message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
async def test_a_full_disk_behind_its_output_stops_nothing() -> None:
    environment = {**os.environ, **own_ports()}
    with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230 - a device
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "parley_cli", "up", "--profile", "scripted"),
            env=environment,
            stdout=full,
            stderr=full,
        )
    try:
        async with asyncio.timeout(60):
            while (await run("chat", "hello", **environment))[0]:
                assert process.returncode is None
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_server_started_alone_says_what_is_set_wrong_in_one_line() -> None:
    for module, settings, told in (
        ("asr_server", {"PARLEY_LOG_LEVEL": "loud"}, "asr: PARLEY_LOG_LEVEL=loud: not one of DEBUG"),
        ("llm_server", {"PARLEY_LLM_HOST": "203.0.113.7"}, "llm: PARLEY_LLM_HOST=203.0.113.7 is no address"),
        ("tts_server", {"PARLEY_TTS_ENGINE": "scripted", "PARLEY_TTS_HOST": "[::1"}, "tts: PARLEY_TTS_HOST=[::1"),
        ("edge_gateway", {"PARLEY_GATEWAY_PORT": "http"}, "gateway: PARLEY_GATEWAY_PORT=http: not a whole number"),
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            env={**os.environ, **own_ports(), "PARLEY_ASR_ENGINE": "scripted", **settings},
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            _, errors = await process.communicate()
        assert (process.returncode, errors.decode().count("\n")) == (2, 1), errors.decode()
        assert errors.decode().startswith(told)


async def test_for_the_network_the_page_is_served_over_https_and_its_address_printed(tmp_path: Path) -> None:
    async with started("--lan", "127.0.0.3", XDG_DATA_HOME=str(tmp_path), PARLEY_ALLOWED_HOSTS="box.local") as up:
        await up.listening()
        assert up.process.stdout is not None
        url = f"https://127.0.0.3:{up.environment['PARLEY_HTTPS_PORT']}"
        assert (await up.process.stdout.readline()).decode().endswith(f"open {url}\n")
        [certificate] = (tmp_path / "parley" / "lan").iterdir()
        assert certificate.stat().st_mode & 0o077 == 0
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with aiohttp.ClientSession() as http:
            async with http.get(url, ssl=trusting) as response:
                assert response.status == 200
            async with http.ws_connect(f"{url}/v1/conversation", ssl=trusting, headers={"Origin": url}) as socket:
                await socket.send_str('{"configure": {}}')
                assert '"ready"' in await socket.receive_str()
            # What is for this machine stays as it was.
            async with http.get(page(up)) as response:
                assert response.status == 200
        up.process.send_signal(signal.SIGINT)
        rest = await up.all_gone()
        assert "Everyone in this network can now open the page" in rest
        assert "▀" in rest
    assert (PROCESSES[3], PROCESSES[2]) == (GATEWAY, TTS)


async def test_with_a_certificate_of_ones_own_the_page_is_served_over_https_too(tmp_path: Path) -> None:
    certificate = find_certificate("localhost", tmp_path, dt.datetime.now(dt.UTC))
    async with started(PARLEY_HTTPS_CERTIFICATE=str(certificate), PARLEY_HTTPS_HOST="localhost") as up:
        await up.listening()
        assert up.process.stdout is not None
        url = f"https://localhost:{up.environment['PARLEY_HTTPS_PORT']}"
        assert (await up.process.stdout.readline()).decode() == f"Over HTTPS: open {url}\n"
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with aiohttp.ClientSession() as http, http.get(url, ssl=trusting) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("203.0.113.7", "--lan 203.0.113.7 is no address of this machine"),
        ("0.0.0.0", "--lan 0.0.0.0 stands for all addresses"),
        ("nobody.invalid", "--lan nobody.invalid is no address of this machine"),
    ],
)
async def test_a_network_address_that_cannot_be_had_is_named(address: str, told: str) -> None:
    status, _, errors = await run("up", "--profile", "scripted", "--lan", address, **own_ports())
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.startswith(f"parley: {told}")


async def test_where_a_certificate_cannot_be_kept_the_folder_is_named() -> None:
    settings = {**own_ports(), "XDG_DATA_HOME": "/proc/nowhere"}
    status, _, errors = await run("up", "--profile", "scripted", "--lan", "127.0.0.3", **settings)
    assert (status, errors.count("\n")) == (1, 1)
    assert "/proc/nowhere/parley/lan" in errors
    assert "XDG_DATA_HOME" in errors


# All is imported while it may still be read.
PORT_80 = """
import asyncio, os, socket, sys
from parley_cli.up import up
socket.getaddrinfo("127.0.0.1", 0)
if os.geteuid() == 0: os.setuid(65534)
sys.exit(asyncio.run(up("scripted")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere port 80 may be anybody's")
async def test_a_port_for_administrators_is_named_to_who_is_none() -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii")) <= 80:
        pytest.skip("port 80 is anybody's here")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PORT_80),
        env={**os.environ, **own_ports(), "PARLEY_GATEWAY_PORT": "80"},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"port 80 on 127.0.0.1 needs the rights of an administrator" in errors
    assert b"PARLEY_GATEWAY_PORT" in errors
