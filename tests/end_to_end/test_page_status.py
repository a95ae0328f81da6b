"""`/status` of a real gateway in a real Chromium: what it shows, that it stays true, and that everybody can read it."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

from parley.conversation import TurnReport, UserText
from tests.edge_gateway.rig import Script, Writer, gateway, house, listening, serve_asr, serve_llm, serve_tts
from tests.end_to_end.chromium import CHROMIUM, DESKTOP, PHONE, Visitor, browsing, says, status, visiting
from tests.end_to_end.page_states import SIZES, THEMES
from tests.end_to_end.status_states import MOST, TRACES, conversations
from tests.end_to_end.test_page_accessibility import AXE, VIOLATIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page, Route

    from tests.edge_gateway.rig import Gateway, Listener

pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

SIDEWAYS: Final = """() => {
  const wide = [...document.querySelectorAll("body *")].filter(each => each.checkVisibility())
    .filter(each => !each.closest("svg, .quiet, abbr") && each.getBoundingClientRect().right > innerWidth + 0.5);
  return [document.documentElement.scrollWidth - innerWidth, wide.map(each => each.className || each.tagName)];
}"""
STATES: Final = """states =>
  [...document.querySelectorAll("#servers li")].map(each => each.dataset.state).join() === states"""
FIGURES: Final = "() => [...document.querySelectorAll('.large')].map(each => each.textContent)"


@asynccontextmanager
async def looking(parley: Gateway, visitor: Visitor | None = None) -> AsyncIterator[Page]:
    """The page, once it has its figures."""
    async with visiting(f"{parley.url}/status", visitor or Visitor()) as page:
        await page.wait_for_selector("body[data-shown]")
        yield page


async def typed(listener: Listener) -> None:
    await listener.send(UserText("and now?"))
    await listener.until(TurnReport)


async def look_at_every_size_and_theme(page: Page) -> list[str]:
    """What axe-core finds, and what reaches beyond the edge."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = []
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        for theme in THEMES:
            await theme.put_on(page)
            where = f"{theme.name} {width}x{height}"
            found.extend(f"{where} {each}" for each in await page.evaluate(VIOLATIONS))
            if (sideways := await page.evaluate(SIDEWAYS)) != [0, []]:
                found.append(f"{where} {sideways}")
    return found


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
@pytest.mark.parametrize("count", [0, 1, MOST])
async def test_everybody_can_read_it_at_any_size_however_many_talk(count: int) -> None:
    async with conversations(count) as parley, looking(parley) as page:
        # What was open, stays so while the page is looked at.
        if count:
            await page.click("#list summary")
            await page.wait_for_selector("#list details[open] .waterfall")
        assert await look_at_every_size_and_theme(page) == []
        assert (await page.evaluate(FIGURES))[0] == str(count)
        assert await page.is_visible("#empty") is (count == 0)
        assert await page.is_visible("#measured") is (count > 0)


async def test_before_anybody_speaks_it_says_what_will_be_there() -> None:
    async with conversations(0) as parley, looking(parley) as page:
        assert await page.evaluate(FIGURES) == ["0", "–", "–", "0"]
        assert "how long people waited" in await page.inner_text("#empty")
        states = await page.eval_on_selector_all("#servers .state", "all => all.map(each => each.textContent)")
        assert states == ["Works", "Works", "Works"]


async def test_a_turn_that_comes_meanwhile_is_shown_with_its_waterfall_and_its_trace() -> None:
    async with house(Script(trace_url=TRACES)) as parley, listening(parley) as listener, looking(parley) as page:
        assert await page.is_visible("#empty")
        await listener.say_something()
        report = await listener.until(TurnReport)
        await page.wait_for_selector("#list summary")
        await page.click("#list summary")
        rows = "#list .slices li"
        names = await page.eval_on_selector_all(rows, "all => all.map(each => each.dataset.name)")
        total_ms = report.mic_to_speaker_ms
        assert total_ms is not None
        # What began after the first sound is in no picture.
        assert names == [each.name for each in report.waterfall if each.start_ms < total_ms]
        assert await page.get_attribute("#list a", "href") == TRACES.replace("{trace_id}", report.trace_id)
        assert await page.text_content('#stages [data-name="asr.endpoint"] span') == "End of your turn"
        # As browsers round.
        half = f"{math.floor(round(total_ms, 3) + 0.5)} ms"
        assert (await page.evaluate(FIGURES))[1:] == [half, half, "1"]


async def test_what_is_open_and_has_the_focus_stays_so_while_turns_come() -> None:
    async with house() as parley, listening(parley) as listener:
        await typed(listener)
        async with looking(parley) as page:
            await page.check("input[value=latest]", force=True)
            await page.focus("#list summary")
            await page.keyboard.press("Enter")
            await typed(listener)
            await page.wait_for_function("() => document.querySelectorAll('#list summary').length === 2")
            places = "() => [...document.querySelectorAll('#list details')].map(each => each.open)"
            assert await page.evaluate(places) == [False, True]
            assert await page.evaluate(
                "document.activeElement.closest('li') === document.querySelector('#list').lastChild"
            )


async def test_a_server_that_goes_away_is_told_of_and_so_is_its_being_back() -> None:
    async with AsyncExitStack() as stack:
        script = Script()
        llm_server = AsyncExitStack()
        address = await serve_llm(llm_server, script)
        addresses = await serve_asr(stack, script), address, await serve_tts(stack, script)
        parley = await stack.enter_async_context(gateway(script, addresses))
        page = await stack.enter_async_context(looking(parley))
        await llm_server.aclose()
        await page.wait_for_function(STATES, arg="serving,away,serving")
        assert "not available" in (await page.text_content('[data-name="llm"] .told') or "")
        await serve_llm(stack, script, int(address.rpartition(":")[2]))
        await page.wait_for_function(STATES, arg="serving,serving,serving")


async def test_when_the_gateway_gives_no_figures_the_page_says_that_those_in_sight_are_old() -> None:
    async with house() as parley, browsing(Visitor()) as context:
        page = await context.new_page()
        await page.goto(f"{parley.url}/status")
        await page.wait_for_selector("body[data-shown]")
        await page.route("**/stats", lambda route: route.abort())
        await page.wait_for_selector("#trouble:not([hidden])")
        assert "The gateway does not answer. What you see is from" in (await page.text_content("#trouble") or "")
        await page.unroute("**/stats")
        await page.wait_for_selector("#trouble", state="hidden")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
async def test_which_part_is_full_so_that_nobody_is_let_in_is_said_at_any_size() -> None:
    async def be_full(route: Route) -> None:
        figures = await (await route.fetch()).json()
        figures["sessions"] = {"active": 61, "max": 61, "full": "asr"}
        await route.fulfill(json=figures)

    async with house() as parley, looking(parley) as page:
        await page.route("**/stats", be_full)
        await says(page, "full (Speech recognition): nobody is let in", "#sessions-of")
        assert await look_at_every_size_and_theme(page) == []
        # A reading that is under way ends before the page does.
        await page.unroute_all(behavior="wait")


async def test_a_paused_page_asks_for_nothing_until_it_goes_on() -> None:
    async with house() as parley, browsing(Visitor()) as context:
        page = await context.new_page()
        asked: list[str] = []
        page.on("requestfinished", lambda request: asked.append(request.url))
        await page.clock.install()
        await page.goto(f"{parley.url}/status", wait_until="networkidle")
        await page.wait_for_selector("body[data-shown]")
        async with page.expect_event("requestfinished", lambda request: request.url.endswith("/stats")):
            await page.clock.run_for(2_100)
        await page.focus("#pause")
        await page.keyboard.press("Enter")
        await says(page, "Resume", "#pause-label")
        before = len(asked)
        await page.clock.run_for(60_000)
        assert len(asked) == before
        async with page.expect_event("requestfinished", lambda request: request.url.endswith("/stats")):
            await page.keyboard.press("Enter")
        await says(page, "Pause", "#pause-label")


async def test_all_of_it_can_be_reached_and_used_by_key() -> None:
    async with house() as parley, listening(parley) as listener, looking(parley) as page:
        for _ in range(2):
            await typed(listener)
        await page.wait_for_function("() => document.querySelectorAll('#list summary').length === 2")
        for width, height in (DESKTOP, PHONE):
            await page.set_viewport_size({"width": width, "height": height})
            await page.focus("#pause")
            stops = []
            for _ in range(5):
                await page.keyboard.press("Tab")
                stops.append(
                    await page.evaluate(
                        "(() => { const at = document.activeElement; const ring = at.closest('.orders label') ?? at;"
                        "return [at.id || at.name || at.getAttribute('href') || at.tagName,"
                        "getComputedStyle(ring).outlineStyle !== 'none']; })()"
                    )
                )
            names = ["./", "order", "SUMMARY", "SUMMARY", "stats"]
            assert stops == [[name, True] for name in names]
        await page.focus("input[value=slowest]")
        await page.keyboard.press("ArrowRight")
        assert await page.is_checked("input[value=latest]")
        assert await page.text_content("#list .what") != ""
        await page.focus("#list summary")
        await page.keyboard.press("Space")
        await page.wait_for_selector("#list details[open] .waterfall")


@pytest.mark.parametrize(
    ("locale", "heading"),
    [
        ("de-DE", "Noch hat niemand gesprochen"),
        ("fr-FR", "Personne n’a encore parlé"),
        ("es-ES", "Todavía no ha hablado nadie"),
    ],
)
async def test_it_speaks_its_readers_language_and_has_room_for_it(locale: str, heading: str) -> None:
    script = Script(writer=Writer("It is late. Good night."))
    async with house(script) as parley, listening(parley) as listener, looking(parley, Visitor(locale=locale)) as page:
        assert await page.text_content("#empty-title") == heading
        await listener.say_something()
        await listener.until(TurnReport)
        await page.wait_for_selector("#list summary")
        await page.click("#list summary")
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            assert await page.evaluate(SIDEWAYS) == [0, []]


@pytest.mark.parametrize(
    ("setting", "proxied", "linked"), [("loopback", 0, True), ("loopback", 1, False), ("off", 0, False)]
)
async def test_the_voice_page_links_to_it_for_those_alone_who_may_see_it(
    setting: str,
    proxied: int,
    linked: bool,  # noqa: FBT001 - pytest names it
) -> None:
    async with house(Script(status=setting)) as parley, browsing(Visitor(allows=False)) as context:
        page = await context.new_page()
        if proxied:
            await context.set_extra_http_headers({"X-Forwarded-For": "203.0.113.7"})
        await page.goto(parley.url, wait_until="networkidle")
        await status(page, "idle")
        await page.click("#open-settings")
        assert await page.is_visible("#status-link") is linked
        if linked:
            async with context.expect_page() as opened:
                await page.click("#status-link a")
            await (await opened.value).wait_for_selector("body[data-shown]")
