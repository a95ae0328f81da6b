"""Where things stand on the page: the transcript keeps its room on every screen, and nothing lies over the composer."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.end_to_end.chromium import CHROMIUM, Visitor, status, visiting
from tests.end_to_end.page_states import SIZES, SLICES, look_at_all, report
from tests.end_to_end.scripted_gateway import scripted_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

PHONES: Final = ((390, 844), (320, 568))
# Phones, and the desktop at 200 %; the lowest leaves the smallest room.
LOW: Final = ((844, 390), (640, 400), (320, 568))

# Boxes of what stands on the page, in CSS pixels, and what is wrong with them whatever the state is.
MEASURED: Final = """() => {
  const box = selector => {
    const element = document.querySelector(selector), { width, height } = element.getBoundingClientRect();
    return element.checkVisibility({ visibilityProperty: true }) ? { width, height } : null;
  };
  const wrong = [];
  const page = document.documentElement;
  if (page.scrollWidth > innerWidth || page.scrollHeight > innerHeight) wrong.push("the page scrolls");
  if (!document.querySelector("dialog[open]")) {
    const on = (element, share) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return element.contains(document.elementFromPoint(x + share * width, y + height / 2));
    };
    const controls = ["#composer", "#talk", "#open-settings", "#mute", "#end", "#cancel", "#latest", "#timing-toggle"];
    for (const selector of controls) {
      const element = document.querySelector(selector);
      if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const shares = selector === "#composer" ? [0.05, 0.25, 0.5, 0.75, 0.95] : [0.5];
      if (!shares.every(share => on(element, share))) wrong.push(`${selector} is covered`);
    }
    for (const selector of ["#composer", "#talk", "#state", "#cancel", ".bar"]) {
      const element = document.querySelector(selector);
      const { left, top, right, bottom } = element.getBoundingClientRect();
      if (!element.checkVisibility()) continue;
      const inside = left >= 0 && top >= 0 && right <= innerWidth + 0.5 && bottom <= innerHeight + 0.5;
      if (!inside) wrong.push(`${selector} is cut`);
    }
  }
  const live = document.body.hasAttribute("data-live");
  return { scroll: box("#scroll"), stage: box(".stage"), controls: box(".controls"), live, wrong };
}"""

CUT_LABELS: Final = """() => {
  const cut = element => {
    const words = document.createRange();
    words.selectNodeContents(element);
    const inner = words.getBoundingClientRect(), outer = element.getBoundingClientRect();
    const overflows = element.clientWidth && element.scrollWidth > element.clientWidth;
    return overflows || inner.right > outer.right + 0.5 || inner.bottom > outer.bottom + 0.5;
  };
  const labels = "#slices .label, #slices .ms, .figures dt, .figures dd, #what, #which";
  return [...document.querySelectorAll(labels)].filter(cut).map(each => each.textContent);
}"""


ENDS: Final = "each => { const { left, right } = each.getBoundingClientRect(); return [left, right]; }"
LEAST_BAR_PIXELS: Final = 100


def amiss(size: tuple[int, int], measured: dict[str, Any]) -> list[str]:
    """What is wrong with the boxes of a page of this size."""
    wrong: list[str] = measured["wrong"]
    height, scroll, stage, controls = size[1], measured["scroll"], measured["stage"], measured["controls"]
    if scroll and size in LOW and scroll["height"] < height / 2:
        wrong.append(f"the transcript has {scroll['height']} pixels")
    if measured["live"] and size != SIZES[0] and controls["height"] > height / 4:
        wrong.append(f"the orb and its buttons have {controls['height']} pixels")
    if measured["live"] and size in PHONES and scroll and stage["height"] > height / 4:
        wrong.append(f"orb, buttons and status have {stage['height']} pixels")
    return wrong


async def resized(page: Page, size: tuple[int, int]) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await page.set_viewport_size({"width": size[0], "height": size[1]})


async def test_in_every_state_the_transcript_has_its_room_and_nothing_is_covered() -> None:
    wrong: list[str] = []

    async def look(name: str, page: Page) -> None:
        for size in SIZES:
            await resized(page, size)
            wrong.extend(f"{name} {size}: {each}" for each in amiss(size, await page.evaluate(MEASURED)))

    await look_at_all(look)
    assert wrong == []


@asynccontextmanager
async def measured_turns(count: int) -> AsyncIterator[Page]:
    """The page after so many turns; each has another slowest slice."""
    async with scripted_gateway() as gateway, visiting(gateway.url, Visitor()) as page:
        await page.click("#talk")
        listener = await gateway.session()
        await listener.ready()
        await status(page, "listening")
        for turn, slowest in enumerate(SLICES[:count], start=1):
            await listener.send(report(turn, slowest))
        await page.wait_for_function(f"document.querySelectorAll('#history li').length === {count}")
        # On a wide page it is always open.
        await page.eval_on_selector("#timing-toggle", "button => button.click()")
        yield page


async def test_no_label_of_the_waterfall_is_cut() -> None:
    async with measured_turns(len(SLICES)) as page:
        for size in (*SIZES, (1280, 400), (360, 640), (768, 1024), (912, 540)):
            await resized(page, size)
            # Each of them is bold once, where it is the slowest.
            for place in range(len(SLICES)):
                await page.eval_on_selector(f"#history li:nth-child({place + 1}) button", "button => button.click()")
                assert await page.evaluate(CUT_LABELS) == [], size
                shown = await page.eval_on_selector_all("#slices .label", "all => all.map(each => each.innerText)")
                assert "End of your turn" in shown
                assert len(shown) == len(SLICES)


async def test_bars_and_axis_stand_on_one_scale() -> None:
    async with measured_turns(1) as page:
        for size in SIZES:
            await resized(page, size)
            bars, axis = [await page.eval_on_selector(selector, ENDS) for selector in ("#slices svg", "#axis")]
            assert axis == pytest.approx(bars, abs=0.5), size
            assert bars[1] - bars[0] > LEAST_BAR_PIXELS, size
