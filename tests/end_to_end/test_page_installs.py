"""The page can be installed as an app: Chromium finds its manifest and its icons, and nothing wrong with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright

from tests.end_to_end.chromium import CHROMIUM
from tests.end_to_end.scripted_gateway import scripted_gateway

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.timeout(60), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.mark.parametrize("prefix", ["", "/parley", "/a/deep/one"])
async def test_chromium_would_install_the_page(prefix: str, tmp_path: Path) -> None:
    async with scripted_gateway(prefix) as gateway, async_playwright() as playwright:
        # A private window never installs anything, so this one has a profile.
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu"]
        context = await playwright.chromium.launch_persistent_context(tmp_path, executable_path=CHROMIUM, args=flags)
        try:
            page = context.pages[0]
            await page.goto(f"{gateway.url}/", wait_until="networkidle")
            session = await context.new_cdp_session(page)
            found = await session.send("Page.getAppManifest")
            assert found["errors"] == []
            assert found["url"].endswith("manifest.webmanifest")
            assert (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"] == []
            sizes = await page.evaluate(
                """async text => {
                  const { icons, start_url, scope } = JSON.parse(text);
                  const base = document.querySelector("link[rel=manifest]").href;
                  const measured = await Promise.all(icons.map(async ({ src, sizes }) => {
                    const image = Object.assign(new Image(), { src: new URL(src, base).href });
                    await image.decode();
                    return [sizes, `${image.naturalWidth}x${image.naturalHeight}`];
                  }));
                  return { icons: measured, leads: [start_url, scope].map(each => new URL(each, base).href) };
                }""",
                found["data"],
            )
            assert all(said in {"any", is_} for said, is_ in sizes["icons"])
            assert {said for said, _ in sizes["icons"]} >= {"192x192", "512x512"}
            assert sizes["leads"] == [f"{gateway.url}/"] * 2
        finally:
            await context.close()
        manifest = json.loads(found["data"])
        assert {icon.get("purpose", "any") for icon in manifest["icons"]} == {"any", "maskable"}
        assert manifest["display"] == "standalone"
