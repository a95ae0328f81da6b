"""A whole Parley whose processes speak TLS, as real processes: a conversation, commands, and files that rotate."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest

from parley import ConversationClient, LlmClient, Outcome, ReplyFinished, SessionConfig, Tls, Unavailable
from parley_cli.client import converse
from parley_cli.processes import PROCESSES
from tests.certificates import Authority, variables
from tests.end_to_end.started import started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from parley import Conversation
    from tests.end_to_end.started import Up

pytestmark = pytest.mark.timeout(180)


def page(up: Up) -> str:
    return f"http://127.0.0.1:{up.environment['PARLEY_GATEWAY_PORT']}"


async def parley(up: Up, *arguments: str, **settings: str) -> tuple[int, str]:
    """A command in the environment of a running Parley: its status, and all that it said."""
    return await command(up, "parley_cli", *arguments, **settings)


async def healthcheck(up: Up, package: str, **settings: str) -> tuple[int, str]:
    """What a container's health check sees."""
    return await command(up, "serving.healthcheck", package, "--seconds", "30", **settings)


async def command(up: Up, *arguments: str, **settings: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        env={**up.environment, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def answered(conversation: Conversation) -> None:
    """Say something, and wait until the reply to it has ended well."""
    await conversation.send_text("hello")
    async with asyncio.timeout(60):
        async for event in conversation:
            if isinstance(event, ReplyFinished):
                assert event.outcome is Outcome.COMPLETED
                return
    raise AssertionError("the conversation is over")


async def test_a_conversation_goes_on_while_all_certificates_rotate_to_another_authority(tmp_path: Path) -> None:
    old, new = Authority("Old"), Authority("New")
    tls, left_behind = old.issue(tmp_path / "tls"), old.issue(tmp_path / "left behind")
    async with started(**variables(tls)) as up:
        await up.listening()
        server = f"127.0.0.1:{up.environment['PARLEY_LLM_PORT']}"
        async with LlmClient(server, tls=left_behind) as client:
            assert (await client.models()).engine == "scripted"
        async with converse(page(up)) as conversation:
            await conversation.configure(SessionConfig())
            await answered(conversation)
            new.issue(tmp_path / "tls")
            await answered(conversation)
            async with converse(page(up)) as another:
                await another.configure(SessionConfig())
                await answered(another)
            async with LlmClient(server, tls=left_behind) as client:
                with pytest.raises(Unavailable, match="is of an authority that is not believed here"):
                    await client.models()
            await answered(conversation)


async def test_commands_and_the_status_page_ask_over_tls_and_say_why_they_cannot(tmp_path: Path) -> None:
    tls = Authority().issue(tmp_path)
    async with started(**variables(tls)) as up:
        await up.listening()
        assert await parley(up, "chat", "hello") == (0, "This is a scripted reply. It has two sentences.\n")
        status, said = await parley(up, "doctor", "--profile", "scripted")
        assert status == 0, said
        for process in PROCESSES:
            assert await healthcheck(up, process.module) == (0, "")
        assert "takes TLS alone" in (await healthcheck(up, "asr_server", **dict.fromkeys(variables(tls), "")))[1]
        async with aiohttp.ClientSession() as http, http.get(f"{page(up)}/stats") as response:
            servers = (await response.json())["servers"]
        assert [each["state"] for each in servers] == ["serving"] * 3
        plaintext = dict.fromkeys(variables(tls), "")
        status, said = await parley(up, "chat", "hello", **plaintext)
        assert status == 1
        assert "takes TLS alone" in said
        status, said = await parley(up, "chat", "hello", PARLEY_TLS_KEY="")
        assert (status, said) == (
            1,
            "parley: PARLEY_TLS_CERT and PARLEY_TLS_CA are set, and PARLEY_TLS_KEY is not: set each of them, or none\n",
        )


async def test_a_parley_that_cannot_use_its_certificates_does_not_start(tmp_path: Path) -> None:
    tls = Authority().issue(tmp_path, days=-1)
    async with started(**variables(tls)) as up:
        assert "has expired on" in await up.told("PARLEY_TLS_CERT=")
        assert await up.process.wait() == 1


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[tuple[Up, Tls]]:
    full = Authority().issue(tmp_path, "localhost")
    settings = {"PARLEY_GATEWAY_TLS_CERT": full.cert, "PARLEY_GATEWAY_TLS_KEY": full.key}
    async with started(**settings) as up:
        assert "open https://localhost:" in await up.listening()
        yield up, full


async def test_the_gateway_itself_serves_the_page_and_programs_over_tls(edge: tuple[Up, Tls]) -> None:
    up, full = edge
    url = f"https://localhost:{up.environment['PARLEY_GATEWAY_PORT']}"
    trusting = ssl.create_default_context(cafile=full.ca)
    async with aiohttp.ClientSession() as http, http.get(url, ssl=trusting) as response:
        assert response.status == 200
    assert await healthcheck(up, "edge_gateway") == (0, "")
    programs = f"https://localhost:{up.environment['PARLEY_GATEWAY_GRPC_PORT']}"
    async with ConversationClient(programs, tls=Tls(ca=full.ca)) as client, client.open(SessionConfig()) as program:
        await answered(program)
    with pytest.raises(Unavailable, match="name that authority in PARLEY_TLS_CA"):
        # By its number, for a name may stand for several addresses, of which gRPC tells of the last alone.
        async with ConversationClient(programs.replace("localhost", "127.0.0.1")) as client, client.open():
            pass
    status, said = await parley(up, "talk", "--url", url, PARLEY_TLS_CA=full.ca)
    assert status == 0, said


async def test_who_does_not_believe_the_gateway_or_speaks_plaintext_is_told_so(edge: tuple[Up, Tls]) -> None:
    up, full = edge
    port = up.environment["PARLEY_GATEWAY_PORT"]
    status, said = await parley(up, "talk", "--url", f"https://localhost:{port}")
    assert status == 1
    assert "shows a certificate that is not believed (unable to get local issuer certificate): name its" in said
    status, said = await parley(up, "talk", "--url", f"https://127.0.0.1:{port}", PARLEY_TLS_CA=full.ca)
    assert "or ask by a name that the certificate is for" in said
    status, said = await parley(up, "talk", "--url", f"http://localhost:{port}")
    assert "one that speaks TLS is asked for with https://" in said
    status, said = await parley(up, "talk", "--url", f"https://localhost:{up.environment['PARLEY_ASR_METRICS_PORT']}")
    assert "speaks no TLS" in said


async def test_new_visitors_are_shown_the_certificate_that_has_rotated(edge: tuple[Up, Tls], tmp_path: Path) -> None:
    up, full = edge
    url = f"https://localhost:{up.environment['PARLEY_GATEWAY_PORT']}"
    old = ssl.create_default_context(cafile=full.ca)
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/conversation", ssl=old) as socket:
        Authority("New").issue(tmp_path, "localhost")
        new = ssl.create_default_context(cafile=full.ca)
        async with aiohttp.ClientSession() as others:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await others.get(url, ssl=old)
            async with others.get(url, ssl=new) as response:
                assert response.status == 200
        await socket.send_str('{"configure": {}}')
        assert '"ready"' in await socket.receive_str()
