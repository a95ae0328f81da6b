"""Who may read the metrics of a server, over a real socket."""

from __future__ import annotations

import asyncio
import http.client
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter

from serving.grpc_server import Listen, serve
from serving.scrapes import is_loopback
from serving.telemetry import Telemetry, new_provider
from tests.serving.rig import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:9101", "localhost.", "a.localhost:1", "127.0.0.1", "127.9.9.9:9101", "::1"),
        *("[::1]:9101", "[::1]", "localhost.:9101"),
    ],
)
def test_the_machine_itself_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "evil.example:9101", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1:9101"),
        *("0.0.0.0", "::", "[2001:db8::1]:9101", "localhost@evil.example", "localhost/", "notlocalhost", "[::1", "a b"),
        *("127.0.0.1\r\nx", "localhost:99999999", "\u0661", "x" * 100_000),
    ],
)
def test_nobody_else_is(host: str) -> None:
    assert not is_loopback(host)


def read(port: int, host: str) -> tuple[int, str]:
    """Status and text of what is scraped under this name."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/metrics", headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()


@pytest.mark.parametrize(("bound", "stranger"), [("127.0.0.1", 421), ("0.0.0.0", 200)])
async def test_metrics_are_read_as_what_the_server_is_bound_to(
    bound: str, stranger: int, unused_tcp_port_factory: Callable[[], int]
) -> None:
    ready = asyncio.Event()

    async def load() -> None:
        ready.set()

    registry = CollectorRegistry()
    Counter("words_counted", "Something.", registry=registry)
    port = unused_tcp_port_factory()
    listen = Listen(bound, unused_tcp_port_factory(), "PARLEY_PORT", port, 0, 1_024)
    telemetry = Telemetry(new_provider("test"), registry)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(SERVICE, lambda _: None, listen, load=load, telemetry=telemetry))
        await ready.wait()
        status, text = await asyncio.to_thread(read, port, "localhost:9101")
        assert (status, "words_counted" in text) == (200, True)
        status, text = await asyncio.to_thread(read, port, "evil.example:9101")
        assert (status, "words_counted" in text) == (stranger, stranger == 200)
        serving.cancel()
