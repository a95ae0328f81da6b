"""A turn that the ASR server takes with it when it goes away leaves nothing behind in the conversation."""

from __future__ import annotations

import asyncio

from edge_gateway.session import Session
from parley.conversation import Duck, Event, Outcome, ReplyFinished, UserText
from tests.edge_gateway.scripted_backends import CONFIG, House, ScriptedClient
from tests.virtual_time import passed
from tests.virtual_time import run as run_virtually


async def break_off(*steps: str, typed: str = "", seconds: float = 0.01) -> list[Event]:
    """What a client was sent by twenty seconds after the ASR server has said `steps`, and broken off.

    Before it says them `typed` is asked, and servers that need `seconds` for each thing have 0.3 s to answer.
    """
    house, client = House(), ScriptedClient()
    house.mood.seconds = seconds
    client.ask(CONFIG)
    client.speak(1, level=0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Session(client, house.backends()).run())
        await passed(1)
        if typed:
            client.ask(UserText(typed))
        await passed(0.3)
        for step in (*steps, "break"):
            house.recognizer.step(step, "and in rome")
        await passed(20)
        events = client.events.copy()
        client.leave(half_closed=False)
    return events


def test_a_reply_that_was_held_back_is_heard_when_the_turn_is_lost() -> None:
    events = run_virtually(break_off("voice", "speech", typed="what time is it", seconds=0.4))
    [finished] = [event for event in events if isinstance(event, ReplyFinished)]
    assert finished.outcome is Outcome.COMPLETED


def test_a_reply_that_was_ducked_is_not_interrupted_by_a_voice_that_nobody_hears_any_more() -> None:
    events = run_virtually(break_off("voice", "speech", typed="what time is it"))
    assert [event.gain_db for event in events if isinstance(event, Duck)] == [-18.0, 0.0]
    [finished] = [event for event in events if isinstance(event, ReplyFinished)]
    assert finished.outcome is Outcome.COMPLETED
