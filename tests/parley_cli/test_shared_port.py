"""Who shares a port is asked of whoever answers there, which may be anybody."""

from __future__ import annotations

import pytest
from aiohttp import web

from parley_cli.client import open_http
from parley_cli.shared_port import gateways_at


@pytest.mark.parametrize(
    ("status", "told", "ports"),
    [
        (200, '{"gateways": [{"port": 9104, "active": 3}, {"port": 9105, "active": 2}]}', (9104, 9105)),
        (200, '{"gateways": [{"port": 9104}, {"port": 0}]}', (9104, 0)),
        (200, '{"gateways": []}', ()),
        (200, '{"sessions": {}}', ()),
        (200, '{"gateways": "two"}', ()),
        (200, "[1]", ()),
        (200, "no JSON", ()),
        (403, '{"gateways": [{"port": 9104}, {"port": 9105}]}', ()),
    ],
)
async def test_gateways_are_known_where_one_tells_of_them(status: int, told: str, ports: tuple[int, ...]) -> None:
    async def stats(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=told, content_type="application/json")

    app = web.Application()
    app.router.add_get("/stats", stats)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with open_http() as http:
            assert await gateways_at(http, f"http://127.0.0.1:{runner.addresses[0][1]}") == ports
    finally:
        await runner.cleanup()


async def test_where_nobody_answers_none_is_known() -> None:
    async with open_http() as http:
        assert await gateways_at(http, "http://127.0.0.1:9") == ()
