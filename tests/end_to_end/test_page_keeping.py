"""What becomes of a conversation: it survives a reload, can be copied, saved or left behind, and has one tab."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from parley.conversation import Outcome, ReplyFinished, ReplyStarted, ReplyText, ToolUsed, UserText, UserUtterance
from parley.llm import ToolUse
from tests.end_to_end.chromium import CHROMIUM, lines, status
from tests.end_to_end.test_page_events import IDLE, asked, report

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

    from tests.end_to_end.scripted_gateway import Listener, ScriptedGateway

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

FORGOTTEN: Final = "What stands above is an earlier conversation, which Parley does not remember."
CALLED: Final = 'Function called: time({"zone":"CET"}) → noon'


async def answered(gateway: ScriptedGateway, page: Page) -> Listener:
    """A turn in which a function was called, over and done with."""
    listener = await asked(gateway, page, "What time is it?")
    await listener.send(ReplyStarted(1, 1), ToolUsed(1, ToolUse("time", '{"zone":"CET"}', "noon", failed=False)))
    await listener.send(ReplyText(1, "It is noon."), ReplyFinished(1, Outcome.COMPLETED, "It is noon.", ""))
    await listener.send(report(1, 1, Outcome.COMPLETED, "What time is it?"), IDLE)
    await page.wait_for_selector(".line.assistant.is-over")
    return listener


async def test_a_function_that_was_called_stands_before_the_words_that_came_of_it(
    gateway: ScriptedGateway, page: Page
) -> None:
    await answered(gateway, page)
    assert await lines(page) == ["What time is it?", CALLED, "It is noon."]
    assert CALLED in await page.inner_text("#announce")


async def test_a_reload_keeps_the_transcript_and_says_that_the_model_has_forgotten_it(
    gateway: ScriptedGateway, page: Page
) -> None:
    await answered(gateway, page)
    await page.reload(wait_until="networkidle")
    assert await lines(page) == ["What time is it?", CALLED, "It is noon.", FORGOTTEN]
    assert await page.locator(".line.is-earlier").count() == 4
    assert await page.inner_text("#announce") == "", "nothing of it is news"
    await page.fill("#text", "And now?")
    await page.press("#text", "Enter")
    listener = await gateway.session()
    await listener.ready()
    await listener.expect(UserText)
    await listener.send(UserUtterance(1, "And now?", typed=True), ReplyStarted(1, 1), ReplyText(1, "Still noon."))
    await page.wait_for_selector(".line.assistant:not(.is-earlier)")
    assert (await lines(page))[3:] == [FORGOTTEN, "And now?", "Still noon."]
    assert (await lines(page))[2] == "It is noon.", "replies of both conversations have the number 1"


async def test_another_tab_knows_nothing_of_it(gateway: ScriptedGateway, page: Page) -> None:
    await answered(gateway, page)
    other = await page.context.new_page()
    await other.goto(gateway.url, wait_until="networkidle")
    assert await lines(other) == []


async def test_a_new_conversation_leaves_nothing_of_the_old_one(gateway: ScriptedGateway, page: Page) -> None:
    await answered(gateway, page)
    await page.click("#new")
    assert await lines(page) == []
    await status(page, "idle")
    assert await page.is_visible(".welcome")
    assert await page.is_hidden("#new")
    await page.reload(wait_until="networkidle")
    assert await lines(page) == []


async def test_who_talks_goes_on_talking_in_the_new_conversation(gateway: ScriptedGateway, page: Page) -> None:
    await page.click("#talk")
    first = await gateway.session()
    await first.ready()
    await first.send(UserUtterance(1, "Hello", typed=False))
    await page.wait_for_selector(".line.user")
    await page.click("#new")
    second = await gateway.session()
    await second.ready()
    await status(page, "listening")
    assert await lines(page) == []


async def test_the_conversation_can_be_copied_and_saved_as_text_and_as_json(
    gateway: ScriptedGateway, page: Page, tmp_path: Path
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await answered(gateway, page)
    said = f"You: What time is it?\n– {CALLED} –\nParley: It is noon."
    await page.click("#keep")
    await page.click("#copy")
    await page.wait_for_function("() => document.querySelector('#copy').textContent === 'Copied'")
    assert await page.evaluate("navigator.clipboard.readText()") == said
    for button, name in (("#save-text", "txt"), ("#save-json", "json")):
        if await page.is_hidden("#keep-menu"):
            await page.click("#keep")
        async with page.expect_download() as waiting:
            await page.click(button)
        download = await waiting.value
        assert download.suggested_filename.endswith(f".{name}")
        await download.save_as(tmp_path / name)
    assert (tmp_path / "txt").read_text(encoding="utf-8") == said
    (session,) = json.loads((tmp_path / "json").read_text(encoding="utf-8"))["sessions"]
    assert session["turns"][0]["transcript"] == "What time is it?"
    assert session["functions"][0]["name"] == "time"
    assert session["engines"] == ["moonshine tiny-en", "openai llama3.2", "espeak-ng"]


async def listens(gateway: ScriptedGateway, page: Page) -> Listener:
    await page.click("#talk")
    listener = await gateway.session()
    await listener.ready()
    await status(page, "listening")
    return listener


async def test_a_second_tab_asks_before_it_listens_too(gateway: ScriptedGateway, page: Page) -> None:
    await listens(gateway, page)
    other = await page.context.new_page()
    await other.goto(gateway.url, wait_until="networkidle")
    await other.click("#talk")
    await other.wait_for_selector("#elsewhere[open]")
    await other.click("#elsewhere button[value='']")
    await status(other, "idle")
    assert gateway.arrivals.empty(), "it has opened no session"
    assert await page.get_attribute("body", "data-status") == "listening"
    await other.click("#talk")
    await other.click("#elsewhere button[value='here']")
    await (await gateway.session()).ready()
    await status(other, "listening")
    await status(page, "idle")
    assert "another tab now" in await page.inner_text("#error")


async def test_a_tab_that_has_stopped_listening_leaves_the_other_one_alone(
    gateway: ScriptedGateway, page: Page
) -> None:
    for _ in range(2):
        await listens(gateway, page)
        await page.click("#end")
        await status(page, "idle")
    other = await page.context.new_page()
    await other.goto(gateway.url, wait_until="networkidle")
    await listens(gateway, other)
    await other.close()
    await page.wait_for_function("() => navigator.locks.query().then(({ held }) => held.length === 0)")
    await listens(gateway, page)


async def test_who_only_types_needs_to_ask_nobody(gateway: ScriptedGateway, page: Page) -> None:
    await listens(gateway, page)
    other = await page.context.new_page()
    await other.goto(gateway.url, wait_until="networkidle")
    await asked(gateway, other, "Hello")
    assert await other.is_hidden("#elsewhere")
    assert await page.get_attribute("body", "data-status") == "listening"
