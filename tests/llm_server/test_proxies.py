"""Endpoints behind the proxy of a company, as the environment names it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
from aiohttp import web

from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.endpoint import Endpoint
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.endpoints.proxies import proxy_for
from parley.errors import Unavailable
from tests.llm_server.endpoint_rig import serving, whole, writes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.llm_server.endpoint_rig import Answer

PROXY = "http://proxy.example:3128"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@asynccontextmanager
async def proxying(answer: Answer) -> AsyncIterator[tuple[str, list[web.BaseRequest]]]:
    """A proxy's address, and what it was asked."""
    asked: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request)
        return await answer(cast("web.Request", request))

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def test_what_is_elsewhere_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxying(writes("Hello.")) as (address, asked):
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{address}")
        engine = EndpointsEngine((Endpoint("http://model.invalid/v1", "m", "key"),))
        assert (await whole(engine))[0] == "Hello."
        await engine.close()
    assert [str(each.url) for each in asked] == ["http://model.invalid/v1/chat/completions"]
    assert asked[0].headers["Authorization"] == "Bearer key"
    assert asked[0].headers["Proxy-Authorization"].startswith("Basic ")


async def test_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES[:3]:
        monkeypatch.setenv(name, PROXY)
    async with serving(writes("Hello.")) as (engine, _):
        assert (await whole(engine))[0] == "Hello."


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_is_the_endpoints_failure_and_its_password_is_not_told(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async def refuses(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=f"no way to {request.url} for //me:secret@proxy")

    async with proxying(refuses) as (address, _):
        monkeypatch.setenv("all_proxy", f"http://me:secret@{address}")
        for url in ("http://model.invalid/v1", "https://model.invalid/v1"):
            engine = EndpointsEngine((Endpoint(url, "m"),))
            with pytest.raises(Unavailable, match=str(status)) as raised:
                await whole(engine)
            assert "secret" not in str(raised.value)
            await engine.close()


async def test_a_proxy_that_is_not_there_is_the_endpoints_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:1")
    async with serving(writes("Here I am.")) as (_, [asked]):
        engine = EndpointsEngine((Endpoint("https://model.invalid/v1", "m"), Endpoint(asked.url, "b")))
        assert (await whole(engine))[0] == "Here I am."
        await engine.close()


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"http_proxy": PROXY}, "http://host/v1", PROXY),
        ({"HTTPS_PROXY": PROXY}, "https://host/v1", PROXY),
        ({"http_proxy": PROXY}, "https://host/v1", None),
        ({"all_proxy": PROXY}, "https://host/v1", PROXY),
        ({"all_proxy": "proxy.example:3128"}, "https://host/v1", PROXY),
        ({"http_proxy": PROXY}, "http://localhost:11434/v1", None),
        ({"http_proxy": PROXY}, "http://ollama.localhost/v1", None),
        ({"http_proxy": PROXY}, "http://127.1.2.3/v1", None),
        ({"http_proxy": PROXY}, "http://[::1]:8000/v1", None),
        ({"http_proxy": PROXY, "no_proxy": "host"}, "http://host:8000/v1", None),
        ({"http_proxy": PROXY, "no_proxy": "host:8000"}, "http://host:8000/v1", None),
        ({"http_proxy": PROXY, "no_proxy": "host:8000"}, "http://host:9000/v1", PROXY),
        ({"http_proxy": PROXY, "NO_PROXY": ".example, other"}, "http://gpu.example/v1", None),
        ({"http_proxy": PROXY, "no_proxy": "*"}, "http://host/v1", None),
        ({"http_proxy": PROXY, "no_proxy": "10.0.0.0/8, nonsense/99"}, "http://10.1.2.3:8000/v1", None),
        ({"http_proxy": PROXY, "no_proxy": "10.0.0.0/8"}, "http://11.1.2.3:8000/v1", PROXY),
        ({"http_proxy": PROXY, "no_proxy": "fd00::/8"}, "http://[fd00::1]:8000/v1", None),
        ({"http_proxy": PROXY, "no_proxy": "10.1.2.3"}, "http://10.1.2.3:8000/v1", None),
        ({"http_proxy": ""}, "http://host/v1", None),
    ],
)
def test_the_environment_says_what_goes_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("socks5://me:secret@proxy:1080", "a socks5 address"),
        ("http://me:secret@proxy:port", "none that is an address"),
        ("http://me:secret@[::1", "none that is an address"),
        ("http://", "none that is an address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str, why: str) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(EndpointFailed, match=f"{why}: give https_proxy an http address") as raised:
        proxy_for("https://host/v1")
    assert "secret" not in str(raised.value)
