"""What the page shows of what a reply changes or begins: another way to speak, and the timers that run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from parley.conversation import (
    Outcome,
    ReminderChanged,
    ReminderState,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    SpeechChanged,
    SpeechSetting,
)
from tests.end_to_end.chromium import CHROMIUM, lines
from tests.end_to_end.test_page_events import IDLE, asked, report

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.end_to_end.scripted_gateway import ScriptedGateway

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


def reminder(name: str, state: ReminderState, minutes: float, label: str) -> ReminderChanged:
    due_ms = round(minutes * 60_000)
    return ReminderChanged(name, state, label, round(time.time() * 1000) + due_ms, due_ms, 1, 1)


async def test_timers_that_run_are_shown_with_the_time_that_is_left(gateway: ScriptedGateway, page: Page) -> None:
    listener = await asked(gateway, page, "a timer for ten minutes")
    assert await page.is_hidden("#reminders")
    await listener.send(
        ReplyStarted(1, 1),
        SpeechChanged(1, 1, SpeechSetting.SPEED, 1.0, 0.8),
        SpeechChanged(1, 1, SpeechSetting.GAIN_DB, 0.0, -6.0),
        reminder("1", ReminderState.SET, 600, "ten minute timer"),
        reminder("2", ReminderState.SET, 60, "<b>eggs</b>"),
        ReplyText(1, "Ten minutes, starting now."),
        ReplyFinished(1, Outcome.COMPLETED, "Ten minutes, starting now.", ""),
        report(1, 1, Outcome.COMPLETED, "a timer for ten minutes"),
        IDLE,
    )
    await page.wait_for_selector(".line.assistant.is-over")
    shown = await lines(page)
    assert shown[1:3] == ["Speaking rate: 0.8×", "Volume: -6 dB"]
    assert shown[3].startswith("Set for ")
    assert shown[3].endswith(": ten minute timer")
    assert shown[-1] == "Ten minutes, starting now."
    running = page.locator("#reminders li")
    assert await running.locator(".label").all_inner_texts() == ["<b>eggs</b>", "ten minute timer"]
    for start in ("59:", "9:59:"):
        await page.wait_for_function(
            f"[...document.querySelectorAll('#reminders time')].some((each) => each.textContent.startsWith('{start}'))"
        )
    assert await page.get_by_role("list", name="Timers and reminders").is_visible()


async def test_one_that_is_due_or_cancelled_goes_and_all_go_with_the_session(
    gateway: ScriptedGateway, page: Page
) -> None:
    listener = await asked(gateway, page, "three timers")
    await listener.send(*(reminder(name, ReminderState.SET, 10, f"timer {name}") for name in ("1", "2", "3")))
    labels = page.locator("#reminders .label")
    await labels.nth(2).wait_for()
    await listener.send(
        reminder("1", ReminderState.DUE, 0, "timer 1"),
        ReplyStarted(2, 2),
        reminder("2", ReminderState.CANCELLED, 5, "timer 2"),
    )
    await page.wait_for_function("document.querySelectorAll('#reminders li').length === 1")
    assert await labels.all_inner_texts() == ["timer 3"]
    assert "Cancelled: timer 2" in await lines(page)
    await page.click("#new")
    await page.wait_for_selector("#reminders", state="hidden")
