"""The page below a path of somebody's own, as proxies serve it that take the path away."""

from __future__ import annotations

import pytest

from parley.conversation import UserText
from tests.end_to_end.chromium import CHROMIUM, Visitor, status, visiting
from tests.end_to_end.scripted_gateway import scripted_gateway

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.mark.parametrize("prefix", ["", "/parley", "/house/api/ingress/a-b_c", "/web", "/v1"])
async def test_everything_that_the_page_asks_for_comes_below_the_prefix(prefix: str) -> None:
    async with scripted_gateway(prefix) as gateway, visiting(f"{gateway.url}/?q=1#top", Visitor()) as page:
        missing: list[str] = []
        page.on("response", lambda response: missing.append(response.url) if response.status >= 400 else None)
        await page.reload(wait_until="networkidle")
        await page.click("#talk")
        listener = await gateway.session()
        await listener.ready()
        await status(page, "listening")
        await page.fill("#text", "Hello")
        await page.press("#text", "Enter")
        assert (await listener.expect(UserText)).text == "Hello"
    assert missing == []
