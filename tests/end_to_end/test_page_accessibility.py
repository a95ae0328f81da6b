"""Nothing that axe-core knows is wrong with the page, and whatever can be done on it can be done by key and seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.end_to_end.chromium import CHROMIUM, PHONE, Visitor, status, visiting
from tests.end_to_end.page_states import SIZES, THEMES, in_state, look_at_all
from tests.end_to_end.scripted_gateway import scripted_gateway

if TYPE_CHECKING:
    from playwright.async_api import Page

AXE: Final = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

VIOLATIONS: Final = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(each => `${id}: ${each.target} ${each.failureSummary}`));
}"""

# Contrast of what stands on the orb with each pixel under it: with all of them where it is a drawing beside the canvas,
# with the middle one where it is drawn on the canvas itself.
ORB_CONTRAST: Final = """() => {
  const canvas = document.getElementById("orb"), { width } = canvas, side = Math.round(0.2 * width);
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = rgb => rgb.slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ratio = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const glyph = [...document.querySelectorAll(".glyph")].find(each => each.checkVisibility());
  const ink = light(parse(glyph ? getComputedStyle(glyph).color : getComputedStyle(canvas).borderTopColor));
  const { data } = canvas.getContext("2d").getImageData((width - side) / 2, (width - side) / 2, side, side);
  const ratios = [];
  for (let at = 0; at < data.length; at += 4) {
    const over = data[at + 3] / 255;
    if (over > 0.99) ratios.push(ratio(ink, light([data[at], data[at + 1], data[at + 2]])));
  }
  ratios.sort((one, other) => one - other);
  return ratios.length ? ratios[glyph ? 0 : ratios.length >> 1] : 0;
}"""
# WCAG 2.2, 1.4.11.
LEAST_CONTRAST: Final = 3

FOCUSED: Final = """() => {
  const focused = document.activeElement, box = focused.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const ring = focused.closest(".composer") ?? focused.closest(".choices label") ?? focused;
  const { outlineStyle, outlineWidth } = getComputedStyle(ring);
  return {
    id: focused.id || focused.className || focused.name || focused.tagName,
    seen: focused.contains(top) || top?.closest("label")?.control === focused,
    ringed: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
  };
}"""


DRAWN: Final = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
async def test_axe_finds_nothing_in_any_state_and_theme_at_any_size() -> None:
    found: list[str] = []

    async def look(name: str, page: Page) -> None:
        if await page.evaluate("typeof axe === 'undefined'"):
            await page.evaluate(AXE.read_text(encoding="utf-8"))
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            for theme in THEMES:
                await theme.put_on(page)
                found.extend(f"{name} {theme.name} {width}x{height} {each}" for each in await page.evaluate(VIOLATIONS))

    await look_at_all(look)
    assert found == []


async def test_what_stands_on_the_orb_can_be_seen_in_every_state_and_theme() -> None:
    async def look(_name: str, page: Page) -> None:
        for theme in THEMES:
            await theme.put_on(page)
            await page.wait_for_function(f"() => ({ORB_CONTRAST})() >= {LEAST_CONTRAST}")

    await look_at_all(look)


async def tabbed(page: Page, times: int) -> list[dict[str, object]]:
    """What the tabulator leads to, press after press."""
    found = []
    for _ in range(times):
        await page.keyboard.press("Tab")
        # The transcript follows the focus; the button to its end goes once that has been drawn.
        await page.evaluate(DRAWN)
        found.append(await page.evaluate(FOCUSED))
    return found


async def test_the_tabulator_leads_to_everything_in_sight() -> None:
    async with in_state("long transcript") as page:
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            await page.focus("#open-settings")
            stops: list[dict[str, object]] = []
            # An empty message cannot be sent, so behind its field the conversation ends.
            while not stops or stops[-1]["id"] != "text":
                stops += await tabbed(page, 1)
            order = ["scroll", "mute", "talk", "end", "text"]
            assert [each["id"] for each in stops if each["id"] in order] == order
            assert [stop for stop in stops if not (stop["seen"] and stop["ringed"])] == []


async def test_the_transcript_can_be_read_back_by_key() -> None:
    async with in_state("long transcript") as page:
        await page.set_viewport_size({"width": 640, "height": 400})
        await page.focus("#mute")
        await page.keyboard.press("Shift+Tab")
        assert await page.evaluate("document.activeElement.id") == "latest"
        await page.keyboard.press("Enter")
        # The button has gone: its keys are now those of what it led to.
        assert await page.evaluate("document.activeElement.id") == "scroll"
        await page.keyboard.press("Home")
        await page.wait_for_function("document.getElementById('scroll').scrollTop === 0")
        await page.keyboard.press("End")
        await page.wait_for_selector("#latest", state="hidden")


async def test_settings_and_waterfall_open_and_close_by_key() -> None:
    async with in_state("interrupted") as page:
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await page.focus("#timing-toggle")
        await page.keyboard.press("Enter")
        assert await page.is_visible("#waterfall")
        [first] = await tabbed(page, 1)
        assert await page.evaluate("document.activeElement.closest('#timing-body') !== null"), first
        await page.focus("#timing-toggle")
        await page.keyboard.press("Space")
        assert await page.is_hidden("#waterfall")
        await page.focus("#open-settings")
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.closest('#settings') !== null")
        await page.keyboard.press("Escape")
        assert await page.evaluate("document.activeElement.id") == "open-settings"


async def test_before_the_first_word_there_is_no_empty_region_to_stop_at() -> None:
    async with scripted_gateway() as gateway, visiting(gateway.url, Visitor(allows=False)) as page:
        await status(page, "idle")
        stops = await tabbed(page, 3)
        assert "scroll" not in [stop["id"] for stop in stops]
        assert [stop for stop in stops if not (stop["seen"] and stop["ringed"])] == []


async def test_the_headings_make_one_outline() -> None:
    async with scripted_gateway() as gateway, visiting(gateway.url, Visitor(allows=False)) as page:
        levels = await page.eval_on_selector_all(
            "h1, h2, h3, h4", "all => all.map(each => [each.tagName, each.textContent.trim()])"
        )
        assert levels[0] == ["H1", "Parley"]
        assert [tag for tag, _ in levels[1:]] == ["H2"] * (len(levels) - 1)
        assert all(words for _, words in levels)
