"""What the page makes of events that whole servers seldom send: slow models, silent replies, merged turns, restarts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest

from parley.asr import Assistant, DiscardReason
from parley.conversation import (
    AssistantActivity,
    ClientMark,
    Duck,
    ErrorCode,
    ErrorEvent,
    FlushPlayback,
    MarkKind,
    Outcome,
    Played,
    ReplyAudioEnd,
    ReplyDelayed,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    TurnReport,
    UserDiscarded,
    UserSpeechStarted,
    UserText,
    UserUtterance,
)
from parley.llm import ProgressKind
from tests.end_to_end.chromium import CHROMIUM, Visitor, lines, says, status, visiting
from tests.end_to_end.scripted_gateway import REPLY_RATE_HZ, Listener, ScriptedGateway
from tests.end_to_end.test_page_audio import without_codecs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

THINKING: Final = AssistantActivity(Assistant.THINKING)
SPEAKING: Final = AssistantActivity(Assistant.SPEAKING)
IDLE: Final = AssistantActivity(Assistant.IDLE)
RESTARTING: Final = "Parley is restarting. The page connects again by itself; what was said stays here."
# The clocks of the sound device and of the system are put together by when messages come.
CLOCK_SECONDS: Final = 0.05
# What is rendered is heard later, so a mark may come before its time has.
LATENCY_SECONDS: Final = 0.2


@pytest.fixture
async def page(gateway: ScriptedGateway) -> AsyncIterator[Page]:
    async with visiting(gateway.url, Visitor(allows=False)) as opened:
        # Its replies come as PCM, which a test can write by hand.
        await opened.route("**/web/worker/downlink.js", without_codecs)
        yield opened


def report(turn: int, reply: int, outcome: Outcome, said: str = "") -> TurnReport:
    """A turn of which nothing was heard."""
    return TurnReport(turn, said, "", "", None, (), "", outcome, 0.0, reply, head_start=False, explained=0.0)


async def asked(gateway: ScriptedGateway, page: Page, words: str) -> Listener:
    """Type the first words of a session; the page has them back, and is told that the assistant thinks."""
    await page.fill("#text", words)
    await page.press("#text", "Enter")
    listener = await gateway.session()
    await listener.ready()
    assert (await listener.expect(UserText)).text == words
    await listener.send(UserUtterance(1, words, typed=True), THINKING)
    await status(page, "thinking")
    return listener


async def test_whoever_takes_long_is_named_until_the_reply_starts(gateway: ScriptedGateway, page: Page) -> None:
    listener = await asked(gateway, page, "Hello")
    await says(page, "Thinking")
    await listener.send(ReplyDelayed(1, "llm", "llama3.2", ProgressKind.WAITING, 1500))
    await says(page, "Waiting for llama3.2…")
    await says(page, "It may still be loading", "#hint")
    await listener.send(ReplyDelayed(1, "llm", "llama3.2", ProgressKind.REASONING, 4000))
    await says(page, "llama3.2 is thinking…")
    await listener.send(ReplyDelayed(1, "tts", "", ProgressKind.UNSPECIFIED, 6000))
    await says(page, "Waiting for the voice…")
    assert await page.is_visible("#cancel")
    announced = await page.inner_text("#announce")
    assert "Waiting for llama3.2… It may still be loading." in announced
    assert "llama3.2 is thinking… Waiting for the voice…" in announced
    await listener.send(ReplyStarted(1, 1), SPEAKING)
    await says(page, "Speaking")
    assert await page.is_hidden("#notice")


async def test_a_reply_without_sound_can_be_read_and_the_next_one_is_heard(
    gateway: ScriptedGateway, page: Page
) -> None:
    listener = await asked(gateway, page, "A party!")
    finished = ReplyFinished(1, Outcome.COMPLETED, "", "🎉🎉")
    await listener.send(ReplyStarted(1, 1), ReplyText(1, "🎉🎉"), finished)
    played = await listener.expect(Played)
    assert (played.reply, played.samples, played.final) == (1, 0, True)
    await listener.send(report(1, 1, Outcome.COMPLETED, "A party!"), IDLE)
    await status(page, "waiting")
    assert await lines(page) == ["A party!", "🎉🎉"]
    assert await page.locator("#transcript s, #transcript .coming, #transcript .foot").count() == 0
    assert "Parley: 🎉🎉" in await page.inner_text("#announce")
    assert await page.is_hidden("#notice")
    await listener.send(ReplyStarted(2, 1), SPEAKING)
    await listener.play(2, 0.5)
    await listener.send(ReplyAudioEnd(2, REPLY_RATE_HZ // 2))
    while not (heard := await listener.expect(Played)).final:
        pass
    assert heard.reply == 2
    # Half a kernel stays in the resampler.
    assert heard.samples == pytest.approx(REPLY_RATE_HZ // 2, abs=REPLY_RATE_HZ // 1000)


async def test_who_goes_on_before_the_answer_keeps_both_utterances(gateway: ScriptedGateway, page: Page) -> None:
    listener = await asked(gateway, page, "What is")
    await listener.send(UserSpeechStarted(2), report(1, 0, Outcome.MERGED, "What is"), IDLE)
    await listener.send(UserUtterance(2, "two plus two?", typed=False), THINKING)
    await listener.send(ReplyStarted(1, 2), ReplyText(1, "Four."), ReplyFinished(1, Outcome.COMPLETED, "Four.", ""))
    await page.wait_for_selector(".line.assistant.is-over")
    assert await lines(page) == ["What is", "two plus two?", "Four."]
    assert await page.locator("#transcript s").count() == 0
    assert await page.is_hidden("#notice")


async def test_words_that_were_lost_are_asked_for_again(gateway: ScriptedGateway, page: Page) -> None:
    listener = await asked(gateway, page, "Hello")
    await listener.send(UserSpeechStarted(2), UserDiscarded(2, DiscardReason.NOISE))
    await listener.send(UserSpeechStarted(2), UserDiscarded(2, DiscardReason.ENGINE_FAILED))
    await says(page, "The last words could not be understood: please say them again.", "#error")
    await listener.send(ErrorEvent(ErrorCode.AUDIO_LOST, "900 ms are missing", hop="asr"))
    await says(page, "Some of your words were lost on the way: please say them again.", "#error")
    await status(page, "thinking")


async def test_a_server_that_restarts_is_waited_for(gateway: ScriptedGateway, page: Page) -> None:
    listener = await asked(gateway, page, "Hello")
    stopping = ErrorEvent(ErrorCode.SHUTTING_DOWN, "the gateway is stopping", hop="gateway", ends_session=True)
    await listener.send(stopping)
    await says(page, RESTARTING, "#error")
    await listener.socket.close()
    await status(page, "reconnecting")
    refused = await gateway.session()
    await refused.send(stopping)
    await refused.socket.close()
    again = await gateway.session()
    assert await page.inner_text("#error") == RESTARTING
    await again.ready()
    await status(page, "waiting")
    assert await page.is_hidden("#notice")


async def test_the_gateway_learns_when_a_reply_was_made_quieter_and_when_it_fell_silent(
    gateway: ScriptedGateway, page: Page
) -> None:
    listener = await asked(gateway, page, "Tell me a story")
    await listener.send(ReplyStarted(1, 1), SPEAKING)
    await listener.play(1, 10)
    while (await listener.expect(ClientMark)).kind is not MarkKind.FIRST_AUDIBLE:
        pass
    for event, kind in ((Duck(1, -18.0), MarkKind.DUCKED), (FlushPlayback(1), MarkKind.SILENT)):
        sent = time.time()
        await listener.send(event)
        mark = await listener.expect(ClientMark)
        assert (mark.kind, mark.reply) == (kind, 1)
        assert sent - CLOCK_SECONDS <= mark.unix_us / 1e6 <= time.time() + CLOCK_SECONDS + LATENCY_SECONDS
    assert (await listener.expect(Played)).final
