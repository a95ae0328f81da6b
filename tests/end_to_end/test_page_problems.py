"""What the page says when a part of Parley is away, and when it is back: in people's words, and without an alarm."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from parley.conversation import (
    ErrorCode,
    ErrorEvent,
    Outcome,
    Recovered,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    ReplyWord,
    UserSpeechStarted,
)
from tests.end_to_end.chromium import CHROMIUM, Visitor, lines, says, status, visiting
from tests.end_to_end.test_page_audio import UNPLUGGED
from tests.end_to_end.test_page_events import SPEAKING, asked, report

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.end_to_end.scripted_gateway import Listener, ScriptedGateway

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

GRPC: Final = (
    "the {} server: failed to connect to all addresses; ipv4:127.0.0.1:50051: connections to all backends failing"
)
# What no person should have to read.
JARGON: Final = re.compile(r"backends|ipv4|gRPC|worklet|http://127|UNAVAILABLE|server:")
WORDS: Final = {
    "asr": "Parley cannot hear you just now: speech recognition is away.",
    "llm": "Parley hears you, and has no answer just now: the language model is away.",
    "tts": "The voice is away: replies are written instead of spoken until it is back.",
}


def failure(hop: str, code: ErrorCode = ErrorCode.UNAVAILABLE) -> ErrorEvent:
    return ErrorEvent(code, GRPC.format(hop), hop=hop, retryable=True)


async def talking(gateway: ScriptedGateway, page: Page, *engines: str) -> Listener:
    """The microphone is open, and the session stands."""
    await page.click("#talk")
    listener = await gateway.session()
    await listener.ready(*engines)
    return listener


async def is_mild(page: Page) -> None:
    """The notice is there, says nothing to programmers, and is no alarm."""
    assert await page.is_visible("#notice")
    assert await page.get_attribute("#notice", "role") == "status"
    assert "is-mild" in (await page.get_attribute("#notice", "class") or "")
    assert not JARGON.search(await page.inner_text("#error"))


async def never_said_listening(page: Page) -> None:
    await page.evaluate(
        """() => {
          window.said = [];
          const state = document.querySelector("#state");
          const watch = new MutationObserver(() => window.said.push(state.textContent));
          watch.observe(state, {childList: true, subtree: true});
        }"""
    )


async def test_a_recogniser_that_leaves_and_comes_back_is_told_and_nobody_says_listening(
    gateway: ScriptedGateway, page: Page
) -> None:
    listener = await talking(gateway, page)
    await status(page, "listening")
    await listener.send(UserSpeechStarted(1))
    await status(page, "hearing")
    await listener.send(failure("asr"))
    await status(page, "deaf")
    await never_said_listening(page)
    await is_mild(page)
    assert (await page.inner_text("#error")).startswith(WORDS["asr"])
    assert "can type" in await page.inner_text("#hint")
    details = page.locator("#error-details")
    await details.locator("summary").click()
    assert "connections to all backends failing" in await details.inner_text()
    assert await page.evaluate("window.said") == []
    await listener.send(Recovered("asr", "moonshine tiny-en"))
    await status(page, "listening")
    assert await page.is_hidden("#notice")
    assert "Parley hears you again." in await page.inner_text("#announce")


async def test_a_session_that_begins_without_a_recogniser_says_so_from_the_start(
    gateway: ScriptedGateway, page: Page
) -> None:
    await never_said_listening(page)
    listener = await talking(gateway, page, "", "openai llama3.2", "espeak-ng")
    await status(page, "deaf")
    await is_mild(page)
    assert "Listening" not in await page.evaluate("window.said")
    await listener.send(UserSpeechStarted(1))
    await status(page, "hearing")
    assert await page.is_hidden("#notice")


@pytest.mark.parametrize("code", [ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE, ErrorCode.INTERNAL])
async def test_a_model_that_is_away_is_told_until_it_answers_again(
    gateway: ScriptedGateway, page: Page, code: ErrorCode
) -> None:
    listener = await asked(gateway, page, "Hello")
    await listener.send(failure("llm", code))
    await page.wait_for_selector("#notice:not([hidden])")
    await is_mild(page)
    assert (await page.inner_text("#error")).startswith(WORDS["llm"])
    await listener.send(ReplyStarted(1, 1), ReplyText(1, "Hello."))
    await page.wait_for_selector("#notice", state="hidden")
    assert "Parley answers again." in await page.inner_text("#announce")


async def test_a_reply_that_nobody_could_speak_says_so_in_the_transcript(gateway: ScriptedGateway, page: Page) -> None:
    listener = await asked(gateway, page, "Hello")
    await listener.send(failure("tts", ErrorCode.DEADLINE), ReplyStarted(1, 1), ReplyText(1, "Good day to you."))
    await listener.send(ReplyFinished(1, Outcome.FAILED, "Good day to you.", ""))
    await says(page, "Written, not spoken: the voice is away", ".line.assistant .foot")
    await is_mild(page)
    assert await page.inner_text("#error") == WORDS["tts"]
    assert await page.locator("#transcript s").count() == 0
    await listener.send(ReplyStarted(2, 1), SPEAKING, ReplyText(2, "Hello."), ReplyWord(2, 0, 6, 0))
    await page.wait_for_selector("#notice", state="hidden")
    assert "Parley speaks again." in await page.inner_text("#announce")


async def test_two_parts_that_are_away_are_told_side_by_side_and_go_one_by_one(
    gateway: ScriptedGateway, page: Page
) -> None:
    listener = await talking(gateway, page)
    await listener.send(failure("asr"), failure("tts"))
    await page.wait_for_function("() => document.querySelector('#error').textContent.includes('The voice is away')")
    assert (await page.inner_text("#error")).startswith(WORDS["asr"])
    await listener.send(Recovered("asr", "moonshine tiny-en"))
    await says(page, WORDS["tts"], "#error")


async def test_engines_are_shown_with_how_they_are_and_looked_after_while_one_is_away(
    gateway: ScriptedGateway,
) -> None:
    gateway.facts.away = {"tts"}
    async with visiting(gateway.url, Visitor()) as page:
        await says(page, WORDS["tts"], "#error")
        await page.click("#open-settings")
        rows = await page.eval_on_selector_all(
            "#engines > div", "all => all.map(each => [...each.children].map(part => part.textContent).join(' | '))"
        )
        assert rows == [
            "Speech recognition | moonshine tiny-en | works",
            "Language model | openai llama3.2 | works",
            "Voice | – | away",
        ]
        gateway.facts.away = set()
        await page.wait_for_selector("#engines [data-hop=tts].is-works")
        assert await page.is_hidden("#notice")
        voices = await page.eval_on_selector_all("#voice option", "all => all.map(each => each.value)")
        assert voices == ["", "en-us"], "they are there without loading the page anew"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"found_at": "127.0.0.1:11434"}, ("127.0.0.1:11434", "PARLEY_LLM_MODEL", "PARLEY_LLM_DISCOVER=off")),
        ({"found_at": "127.0.0.1:11434", "backup_reason": "llama3.2 is gone"}, ("llama3.2 is gone", "rules")),
    ],
)
async def test_where_a_model_was_found_and_what_answers_while_it_is_away_is_told_below_its_name(
    gateway: ScriptedGateway, facts: dict[str, str], words: tuple[str, ...]
) -> None:
    for name, value in facts.items():
        setattr(gateway.facts, name, value)
    async with visiting(gateway.url, Visitor()) as page:
        await page.click("#open-settings")
        await page.wait_for_selector("#engines [data-hop=llm] .note")
        told = await page.inner_text("#engines [data-hop=llm] .note")
        assert [word for word in words if word not in told] == []
        assert await page.query_selector("#engines [data-hop=tts] .note") is None


async def test_when_something_else_writes_than_before_the_page_learns_why(gateway: ScriptedGateway, page: Page) -> None:
    listener = await talking(gateway, page)
    await page.click("#open-settings")
    gateway.facts.backup_reason = "llama3.2 is gone"
    await listener.send(replace(report(1, 1, Outcome.COMPLETED, "hello"), model="rules"))
    note = await page.wait_for_selector("#engines [data-hop=llm] .note")
    assert note is not None
    assert "llama3.2 is gone" in await note.inner_text()


@pytest.mark.parametrize(
    ("lose", "hint"),
    [
        ("window.unplug()", "The microphone is gone; plug it in, or type"),
        (
            """(() => { const track = window.__track; Object.defineProperty(track, "muted", {value: true});
            track.dispatchEvent(new Event("mute")); })()""",
            "Your device has silenced the microphone",
        ),
    ],
)
async def test_a_microphone_that_hears_nothing_is_not_said_to_listen(
    gateway: ScriptedGateway, lose: str, hint: str
) -> None:
    async with visiting(gateway.url, Visitor()) as page:
        await page.add_init_script(UNPLUGGED.replace("[track] =", "[track] = [window.__track] ="))
        await page.reload(wait_until="networkidle")
        await talking(gateway, page)
        await status(page, "listening")
        await page.evaluate(lose)
        await status(page, "deaf")
        await says(page, hint, "#hint")


async def test_only_what_stops_people_is_an_alarm(gateway: ScriptedGateway) -> None:
    async with visiting(gateway.url, Visitor(allows=False)) as page:
        await page.click("#talk")
        await status(page, "failed")
        assert await page.get_attribute("#notice", "role") == "alert"
        assert "is-mild" not in (await page.get_attribute("#notice", "class") or "")
        assert "You can still type." in await page.inner_text("#error")


async def test_a_lost_connection_is_no_alarm_and_keeps_what_was_said(gateway: ScriptedGateway, page: Page) -> None:
    listener = await asked(gateway, page, "Hello")
    await listener.socket.close()
    await status(page, "reconnecting")
    await is_mild(page)
    assert "connects again by itself" in await page.inner_text("#error")
    await (await gateway.session()).ready()
    await status(page, "waiting")
    assert await page.is_hidden("#notice")
    assert await lines(page) == [
        "Hello",
        "What stands above is an earlier conversation, which Parley does not remember.",
    ]


async def test_a_worklet_that_cannot_be_loaded_is_told_without_its_address(gateway: ScriptedGateway) -> None:
    async with visiting(gateway.url, Visitor()) as page:
        await page.evaluate(
            """() => { AudioWorklet.prototype.addModule = address =>
            Promise.reject(new DOMException(`Unable to load a worklet's module: ${address}`, "AbortError")); }"""
        )
        await page.click("#talk")
        await status(page, "failed")
        assert await page.inner_text("#error") == "A part of this page could not be loaded. Reload the page."
