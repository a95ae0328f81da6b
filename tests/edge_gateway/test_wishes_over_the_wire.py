"""Timers and another way to speak through real servers: the rules, the gateway, the TTS server, over real ports."""

from __future__ import annotations

from llm_server.builtin_tools import builtin_tools
from llm_server.engine import Delta, Role, ToolCall
from llm_server.engines.rules import RulesEngine
from parley.conversation import (
    Outcome,
    ReminderChanged,
    ReminderState,
    ReplyAudioEnd,
    ReplyFinished,
    SpeechChanged,
    SpeechSetting,
    ToolUsed,
    TurnReport,
    UserText,
)
from tests.edge_gateway.rig import Caller, Script, house, listening


async def test_a_timer_that_was_asked_for_is_said() -> None:
    script = Script(model=RulesEngine(), character_seconds=0.001)
    async with house(script) as parley, listening(parley) as listener:
        await listener.send(UserText("set a timer for one second"))
        told = await listener.until(ReminderChanged)
        report = await listener.until(TurnReport)
        due = await listener.until(ReminderChanged)
        said = await listener.until(ReplyFinished)
        own = await listener.until(TurnReport)
    assert (told.state, told.label, told.turn) == (ReminderState.SET, "one second timer", 1)
    assert report.reply_text == "One second, starting now."
    assert (due.state, due.id, due.turn) == (ReminderState.DUE, told.id, 2)
    assert (said.heard, said.outcome) == ("Your one second timer is done.", Outcome.COMPLETED)
    assert (own.turn, own.mic_to_speaker_ms) == (2, None)
    [root] = [span for span in parley.spans.get_finished_spans() if (span.attributes or {}).get("parley.turn") == 2]
    assert root.attributes is not None
    assert root.attributes["parley.kind"] == "reminder"
    [root] = [span for span in parley.spans.get_finished_spans() if (span.attributes or {}).get("parley.turn") == 1]
    assert root.attributes is not None
    assert root.attributes["parley.session_actions"] == ("set_reminder",)


async def test_slower_makes_the_same_words_longer() -> None:
    script = Script(model=RulesEngine(), character_seconds=0.01)
    async with house(script) as parley, listening(parley) as listener:
        lengths = []
        for text in ("count to ten", "slower please", "count to ten"):
            await listener.send(UserText(text))
            lengths.append((await listener.until(ReplyAudioEnd)).samples)
            await listener.until(TurnReport)
    [changed] = [event for event in listener.events if isinstance(event, SpeechChanged)]
    assert (changed.turn, changed.setting, changed.before, round(changed.now, 2)) == (2, SpeechSetting.SPEED, 1.0, 0.8)
    assert 1.1 < lengths[2] / lengths[0] < 1.3


async def test_a_model_that_calls_functions_does_the_same_and_remembers_it() -> None:
    call = ToolCall("call", "set_volume", '{"gain_db": 6}')
    caller = Caller((call,), (Delta("Louder, then."),))
    script = Script(writer=caller, tools="session", character_seconds=0.001)
    async with house(script) as parley, listening(parley) as listener:
        for text in ("speak up", "thank you"):
            await listener.send(UserText(text))
            await listener.until(TurnReport)
    assert [event.use.name for event in listener.events if isinstance(event, ToolUsed)] == ["set_volume"]
    [changed] = [event for event in listener.events if isinstance(event, SpeechChanged)]
    assert (changed.setting, changed.now) == (SpeechSetting.GAIN_DB, 6.0)
    remembered = caller.asked[-1]
    assert remembered.session is not None
    assert remembered.session.gain_db == 6.0
    assert [call.name for message in remembered.messages for call in message.tool_calls] == ["set_volume"]
    assert [message.role for message in remembered.messages[-2:]] == [Role.ASSISTANT, Role.USER]
    assert builtin_tools("session")[1].tool in remembered.tools
