"""What a person can do on the page, and what it says when something is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.chromium import CHROMIUM, PHONE, Visitor, ask, lines, settle, speech, status, visiting
from tests.end_to_end.whole import House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

TRACES = "https://grafana.example/explore?trace={trace_id}"

# WCAG 2.2: 4.5 to 1, and 3 to 1 for large text. Disabled controls and what is not shown are left out.
CONTRAST = """() => {
  const parse = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const [r, g, b, alpha = 1] = parse(getComputedStyle(each).backgroundColor);
      if (alpha > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest(".quiet, :disabled, script, .orb")) continue;
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    if (style.visibility === "hidden") continue;
    const colour = element.closest("svg") ? style.fill : style.color;
    const [front, back] = [light(parse(colour)), light(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) faint.push(`${node.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house(PARLEY_TRACE_URL=TRACES) as opened:
        yield opened


async def test_typed_words_are_answered_without_a_microphone(house: House) -> None:
    async with visiting(house.url, Visitor(allows=False)) as page:
        await ask(page, "What is seven times eight?")
        assert await lines(page) == ["What is seven times eight?", "Seven times eight is fifty-six."]
        assert await page.inner_text("#what") == "Text to speaker"
        assert "fifty-six" in await page.inner_text("#announce")
        assert await page.input_value("#text") == ""
        await ask(page, "And seven times nine?", turns=2)
        assert len(await lines(page)) == 4
        link = await page.get_attribute("#trace", "href")
        assert link is not None
        assert link.startswith("https://grafana.example/explore?trace=")


async def test_what_was_said_and_measured_can_be_saved(house: House, tmp_path: Path) -> None:
    async with visiting(house.url, Visitor(allows=False)) as page:
        await ask(page, "What is seven times eight?")
        async with page.expect_download() as waiting:
            await page.click("#export")
        download = await waiting.value
        assert download.suggested_filename.startswith("parley-")
        await download.save_as(tmp_path / "export.json")
        saved = json.loads((tmp_path / "export.json").read_text())
        (turn,) = saved["sessions"][0]["turns"]
        assert turn["transcript"] == "What is seven times eight?"
        assert turn["heard"] == turn["reply_text"] == "Seven times eight is fifty-six."
        assert round(turn["mic_to_speaker_ms"]) == int(await page.inner_text("#total"))
        assert len(turn["trace_id"]) == 32


async def test_a_voice_is_chosen_from_the_servers_list_and_kept(house: House) -> None:
    async with visiting(house.url, Visitor()) as page:
        await page.click("#open-settings")
        await page.select_option("#voice", label="English (America), female, espeak")
        await page.check("#push-to-talk")
        await page.keyboard.press("Escape")
        await page.reload(wait_until="networkidle")
        await page.click("#open-settings")
        assert await page.input_value("#voice") == "en-us+f3"
        assert await page.is_checked("#push-to-talk")
        voices = await page.eval_on_selector_all("#voice option", "all => all.map(each => each.textContent)")
        assert all("English" in voice for voice in voices[1:])
        assert voices[1] == "Heart, American English, female, neural"
        assert await page.is_hidden("#instructions"), "the rules do not listen to any"


async def test_a_language_that_nobody_here_understands_is_given_back(house: House) -> None:
    async with visiting(house.url, Visitor()) as page:
        await page.evaluate("localStorage.setItem('parley.settings', JSON.stringify({language: 'de'}))")
        await page.reload(wait_until="networkidle")
        await page.click("#open-settings")
        # What the recogniser has is asked for once the page is there.
        await page.wait_for_function("document.querySelector('#language').value === 'en'")
        assert await page.eval_on_selector_all("#language option", "all => all.map(each => each.value)") == ["en"]
        assert "Nobody here understands" in await page.inner_text("#voice-note")
        await page.keyboard.press("Escape")
        await page.click("#talk")
        await status(page, "listening")


async def test_the_keyboard_talks_mutes_types_and_stops(house: House) -> None:
    async with visiting(house.url, Visitor()) as page:
        await page.keyboard.press("Space")
        await status(page, "listening")
        await page.keyboard.press("m")
        await status(page, "muted")
        assert await page.get_attribute("#mute", "aria-pressed") == "true"
        await page.keyboard.press("/")
        await page.keyboard.type("Say after me: m is a letter of the alphabet and so is every other one of them")
        await page.keyboard.press("Enter")
        await status(page, "speaking")
        await page.keyboard.press("Escape")
        await status(page, "interrupted")
        await settle(page)
        assert "Stopped" in await page.inner_text("#transcript")
        assert await page.locator("#transcript s").count() == 1
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("Space")
        await status(page, "idle")


async def test_words_are_spoken_only_while_the_button_is_held(house: House, speech_dir: Path, tmp_path: Path) -> None:
    visitor = Visitor(speech(tmp_path / "microphone.wav", speech_dir / "v2j-time.flac", silence_seconds=3))
    async with visiting(house.url, visitor) as page:
        await page.click("#open-settings")
        await page.check("#push-to-talk")
        await page.keyboard.press("Escape")
        await page.click("#talk")
        await status(page, "waiting")
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.down("Space")
        await status(page, "listening")
        await page.wait_for_selector(".line.user", timeout=10_000)
        await page.wait_for_function("() => /is it/i.test(document.querySelector('.line.user').textContent)")
        await page.keyboard.up("Space")
        await settle(page)
        assert (await lines(page))[0].lower().startswith("what time is it")


async def test_a_denied_microphone_is_explained_and_typing_goes_on(house: House) -> None:
    async with visiting(house.url, Visitor(allows=False)) as page:
        await page.click("#talk")
        await status(page, "failed")
        assert "microphone" in (await page.inner_text("#error")).lower()
        assert await page.get_attribute("#talk", "aria-pressed") == "false"
        await ask(page, "What is seven times eight?")
        assert (await lines(page))[1] == "Seven times eight is fifty-six."
        assert await page.is_hidden("#notice")


async def test_a_full_house_says_so() -> None:
    async with open_house(PARLEY_MAX_SESSIONS="1") as house, visiting(house.url, Visitor()) as first:
        await first.click("#talk")
        await status(first, "listening")
        second = await first.context.new_page()
        await second.goto(house.url, wait_until="networkidle")
        # Typed, for a second tab that wants to listen asks first.
        await second.fill("#text", "What is seven times eight?")
        await second.press("#text", "Enter")
        await second.wait_for_selector("#notice:not([hidden])")
        assert await second.inner_text("#error") == "All places are taken just now. The page tries again by itself."


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_word_can_be_read_on_every_screen(house: House, scheme: str) -> None:
    visitor = Visitor(allows=False, scheme="dark" if scheme == "dark" else "light")
    async with visiting(house.url, visitor) as page:
        assert await page.evaluate(CONTRAST) == []
        await page.click("#talk")
        await status(page, "failed")
        assert await page.evaluate(CONTRAST) == []
        await ask(page, "What is seven times eight?")
        for width, height in ((1360, 860), PHONE, (320, 568), (768, 1024)):
            await page.set_viewport_size({"width": width, "height": height})
            assert await page.evaluate(CONTRAST) == []
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{width} is too narrow"
            await reachable(page)
        await page.click("#open-settings")
        assert await page.evaluate(CONTRAST) == []


async def reachable(page: Page) -> None:
    """The controls are on the screen, and nothing lies over them."""
    for selector in ("#talk", "#text", "#open-settings"):
        covered = await page.eval_on_selector(
            selector,
            """element => { const box = element.getBoundingClientRect();
            const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return !element.contains(top); }""",
        )
        assert not covered, selector


async def test_a_screen_reader_finds_names_and_hears_only_what_is_final(house: House) -> None:
    async with visiting(house.url, Visitor(allows=False)) as page:
        nameless = await page.eval_on_selector_all(
            "button, input, select, textarea, canvas:not([aria-hidden])",
            """all => all.filter(each => !each.ariaLabel && !each.labels?.length && !each.textContent.trim())
            .map(each => each.outerHTML)""",
        )
        assert nameless == []
        live = await page.eval_on_selector_all(
            "[aria-live], [role=alert], [role=status], [role=log]", "all => all.map(each => each.id)"
        )
        assert sorted(live) == ["announce", "notice"]


async def test_nothing_moves_for_those_who_asked_for_that(house: House) -> None:
    async with visiting(house.url, Visitor(allows=False)) as page:
        await page.emulate_media(reduced_motion="reduce")
        moving = await page.evaluate("document.getAnimations().filter(each => each.playState === 'running').length")
        assert moving == 0
