"""What the page offers: questions to begin with, voices that can be heard, languages that are understood, its own words
in the reader's language.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from parley.conversation import SessionConfig, UserText, UserUtterance
from tests.end_to_end.chromium import CHROMIUM, Visitor, lines, status, visiting

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.end_to_end.scripted_gateway import ScriptedGateway

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

LOCALES: Final = Path(__file__).resolve().parents[2] / "edge_gateway" / "web" / "locales"


def texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))
    return found


async def offered(page: Page, selector: str) -> list[str]:
    found: list[str] = await page.eval_on_selector_all(f"{selector} option", "all => all.map(each => each.value)")
    return found


async def test_a_question_to_begin_with_is_asked_by_a_press(gateway: ScriptedGateway) -> None:
    async with visiting(gateway.url, Visitor(allows=False)) as page:
        await page.wait_for_selector("#examples button")
        assert await page.locator("#examples button").count() == 3
        await page.click("#examples button >> nth=1")
        listener = await gateway.session()
        await listener.ready()
        assert (await listener.expect(UserText)).text == "What time is it?"
        await listener.send(UserUtterance(1, "What time is it?", typed=True))
        await page.wait_for_selector(".line.user")
        assert await lines(page) == ["What time is it?"]
        assert await page.is_hidden("#examples")


async def test_the_questions_are_in_the_language_of_the_conversation_and_not_of_the_page(
    gateway: ScriptedGateway,
) -> None:
    gateway.facts.languages = ("en", "fr", "pt")
    async with visiting(gateway.url, Visitor(locale="de-DE")) as page:
        questions = page.locator("#examples button")
        assert await questions.all_inner_texts() == [texts("en")[f"example.{number}"] for number in (1, 2, 3)]
        await page.click("#open-settings")
        await page.select_option("#language", "fr")
        french = texts("fr")["example.1"]
        await page.wait_for_function(
            "text => document.querySelector('#examples button').textContent === text", arg=french
        )
        await page.select_option("#language", "pt")
        await page.wait_for_function(
            "text => document.querySelector('#examples button').textContent === text", arg=texts("en")["example.1"]
        )


async def test_only_languages_that_the_recogniser_has_are_offered(gateway: ScriptedGateway) -> None:
    gateway.facts.languages = ("de", "auto")
    async with visiting(gateway.url, Visitor()) as page:
        await page.click("#open-settings")
        assert sorted(await offered(page, "#language")) == ["auto", "de"]
        assert await page.input_value("#language") == "de", "English is not understood here"
        assert await offered(page, "#voice") == ["", "de"]
        assert await page.is_visible("#voice-note")
        await page.keyboard.press("Escape")
        await page.click("#talk")
        assert (await (await gateway.session()).expect(SessionConfig)).language == "de"


async def test_a_voice_can_be_heard_before_it_is_chosen_and_be_stopped(gateway: ScriptedGateway) -> None:
    async with visiting(gateway.url, Visitor()) as page:
        await page.click("#open-settings")
        await page.select_option("#voice", "en-us")
        await page.click("#preview")
        await page.wait_for_function("() => document.querySelector('#preview').textContent === 'Stop the voice'")
        await page.wait_for_function("() => document.querySelector('#preview').textContent === 'Hear this voice'")
        assert gateway.previews[0] == {"voice": "en-us", "language": "en", "speed": "1"}
        await page.click("#preview")
        await page.wait_for_function("() => document.querySelector('#preview').textContent === 'Stop the voice'")
        await page.click("#preview")
        assert await page.inner_text("#preview") == "Hear this voice"
        assert await page.is_hidden("#voice-note")


async def test_a_voice_that_is_away_is_said_to_be_silent(gateway: ScriptedGateway) -> None:
    async with visiting(gateway.url, Visitor()) as page:
        await page.route("**/v1/voice-preview*", lambda route: route.fulfill(status=200, body="x"))
        await page.click("#open-settings")
        await page.click("#preview")
        await page.wait_for_function(
            "() => document.querySelector('#voice-note').textContent === 'This voice cannot be heard just now.'"
        )


@pytest.mark.parametrize("listens", [True, False])
async def test_instructions_are_asked_for_only_where_the_model_listens_to_them(
    gateway: ScriptedGateway, *, listens: bool
) -> None:
    gateway.facts.instructions = listens
    async with visiting(gateway.url, Visitor()) as page:
        await page.click("#open-settings")
        assert await page.is_visible("#instructions") is listens


@pytest.mark.parametrize(
    ("browser", "language"), [("de-AT", "de"), ("fr-CA", "fr"), ("es-419", "es"), ("en-GB", "en"), ("ja-JP", "en")]
)
async def test_the_page_speaks_the_language_of_its_reader(
    gateway: ScriptedGateway, browser: str, language: str
) -> None:
    async with visiting(gateway.url, Visitor(allows=False, locale=browser)) as page:
        known = texts(language)
        assert await page.get_attribute("html", "lang") == language
        assert await page.inner_text(".welcome h2") == known["welcome.title"]
        assert await page.inner_text("#state") == known["status.idle.word"]
        assert await page.get_attribute("#text", "placeholder") == known["composer.placeholder"]
        await page.click("#talk")
        await status(page, "failed")
        assert await page.inner_text("#error") == known["microphone.refused"]
        await page.click("#open-settings")
        assert await page.inner_text("#settings-title") == known["settings.title"]
        assert await page.get_attribute("#mute", "title") == known["mute.on"]


async def test_a_page_whose_texts_cannot_be_loaded_speaks_english(gateway: ScriptedGateway) -> None:
    async with visiting(gateway.url, Visitor(locale="de-DE")) as page:
        await page.route("**/locales/de.json", lambda route: route.fulfill(status=200, body="no JSON"))
        await page.reload(wait_until="networkidle")
        assert await page.inner_text(".welcome h2") == "Talk with Parley"
        assert await page.inner_text("#state") == "Press the button and speak."


@pytest.mark.parametrize("locale", ["de-DE", "fr-FR", "es-ES"])
async def test_longer_words_make_no_page_wider(gateway: ScriptedGateway, locale: str) -> None:
    async with visiting(gateway.url, Visitor(allows=False, locale=locale)) as page:
        for width, height in ((1280, 800), (390, 844), (320, 568)):
            await page.set_viewport_size({"width": width, "height": height})
            # The words alone: what holds the buttons is as wide in every language.
            wide = await page.eval_on_selector_all(
                "h1, p, .pill, label, summary",
                "all => all.filter(each => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth)",
            )
            assert wide == []
            await page.click("#open-settings")
            assert await page.evaluate("document.querySelector('.fields').scrollWidth <= innerWidth")
            await page.keyboard.press("Escape")
