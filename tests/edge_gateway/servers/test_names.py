"""Servers that a name stands for, over TLS: each is asked at its address, and must show a certificate for the name."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from asr_server.engines.scripted import ScriptedEngine
from asr_server.scheduler import Scheduler
from asr_server.service import AsrServicer
from asr_server.transcriber import Models
from edge_gateway.servers.connect import Addresses, open_pools
from parley import asr
from parley.errors import InvalidInput, Unavailable
from parley.v1.asr_pb2_grpc import add_AsrServiceServicer_to_server
from serving.grpc_server import Listen, started
from serving.threads import Worker
from tests.certificates import Authority
from tests.edge_gateway.fleet import until
from tests.edge_gateway.rig import Script

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import grpc.aio

    from parley import Tls

NOBODY = "127.0.0.1:9"


async def serve(stack: AsyncExitStack, tls: Tls) -> int:
    """An ASR server that speaks TLS; gives its port."""
    worker = Worker("asr")
    stack.callback(worker.close)
    telemetry = Script().recorded.telemetry("asr")
    servicer = AsrServicer(Models(ScriptedEngine(("hello",), 0.0), Scheduler(worker)), telemetry, 10)

    def register(server: grpc.aio.Server) -> None:
        add_AsrServiceServicer_to_server(servicer, server)

    listen = Listen("127.0.0.2", 0, "PORT", 0, 0.0, 64 * 1024, tls)
    port, ready = await stack.enter_async_context(started(asr.SERVICE, register, listen))
    await ready()
    return port


async def resolve(host: str, port: int) -> Collection[str]:
    del host, port
    return ["127.0.0.2"]


@pytest.mark.parametrize("scheme", ["", "https://"])
async def test_a_certificate_is_held_against_the_name_and_not_the_number(tmp_path: Path, scheme: str) -> None:
    tls = Authority().issue(tmp_path, "asr", "gateway")
    async with AsyncExitStack() as stack:
        port = await serve(stack, tls)
        addresses = Addresses(f"{scheme}asr:{port}", NOBODY, NOBODY)
        pools = await stack.enter_async_context(open_pools(addresses, tls=tls, resolve=resolve))
        await until(pools.asr.has_choice)
        assert (await pools.listens.languages()).engine == "scripted"
        [server] = pools.asr.servers
        assert server.address == f"127.0.0.2:{port}"


async def test_a_server_whose_certificate_is_for_another_name_is_not_asked(tmp_path: Path) -> None:
    tls = Authority().issue(tmp_path, "asr", "gateway")
    async with AsyncExitStack() as stack:
        port = await serve(stack, tls)
        addresses = Addresses(f"tts:{port}", NOBODY, NOBODY)
        pools = await stack.enter_async_context(open_pools(addresses, tls=tls, resolve=resolve))
        await until(lambda: bool(pools.asr.servers) and bool(pools.asr.servers[0].standing.reason))
        with pytest.raises(Unavailable, match="the asr server is not available"):
            await pools.listens.languages()


async def test_an_address_that_asks_for_plaintext_where_there_are_certificates_is_refused(tmp_path: Path) -> None:
    tls = Authority().issue(tmp_path, "asr")
    with pytest.raises(InvalidInput, match="asks for plaintext"):
        async with open_pools(Addresses("http://127.0.0.2:1", NOBODY, NOBODY), tls=tls):
            pass
