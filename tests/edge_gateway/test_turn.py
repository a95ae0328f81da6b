"""A turn has one life: from its first voice, or its words, to one end."""

from __future__ import annotations

import pytest

from edge_gateway.audio.codecs import PcmEncoder
from edge_gateway.idle_callbacks import IdleCallbacks
from edge_gateway.latency.timeline import ReplyTimes
from edge_gateway.reply.reply import Brief, Reply, Servers
from edge_gateway.reply.tool_calls import CallLedger
from edge_gateway.turn import GREETING, Turn
from parley import tts
from parley.conversation import Outcome
from tests.edge_gateway.in_memory import Connection, ScriptedLlm, ScriptedTts, says

ENDS = [outcome for outcome in Outcome if outcome is not Outcome.UNSPECIFIED]


def reply_to(turn: Turn) -> Reply:
    servers = Servers(ScriptedLlm(says("Yes.")), ScriptedTts())
    return Reply(
        Brief(1, turn.number, None, tts.Config()), servers, Connection(), PcmEncoder, CallLedger(), idle=IdleCallbacks()
    )


@pytest.mark.parametrize("outcome", ENDS)
def test_a_turn_ends_as_it_was_said(outcome: Outcome) -> None:
    turn = Turn(1)
    turn.end(outcome)
    assert turn.outcome is outcome


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_a_turn_ends_once(first: Outcome, second: Outcome) -> None:
    turn = Turn(4)
    turn.end(first)
    with pytest.raises(RuntimeError, match=f"turn 4 ended as {first.name}, and again as {second.name}"):
        turn.end(second)
    assert turn.outcome is first


def test_a_spoken_turn_has_not_begun_before_its_first_voice() -> None:
    turn = Turn(1)
    assert not turn.began
    turn.timeline.utterance.began_ns = 5
    assert turn.began


def test_typed_words_are_a_turn_that_begins_and_ends_with_them() -> None:
    turn = Turn.written(2, "what time is it")
    assert (turn.number, turn.typed, turn.text) == (2, True, "what time is it")
    said = turn.timeline.utterance
    assert turn.began
    assert said.began_ns == said.speech_end_ns > 0


def test_a_greeting_is_a_turn_in_which_nobody_said_anything() -> None:
    turn = Turn.written(GREETING, "Hello there.")
    assert (turn.number, turn.typed, turn.text) == (GREETING, False, "")
    assert turn.began


def test_every_turn_has_a_trace_of_its_own() -> None:
    assert len({Turn(1).identity for _ in range(100)}) == 100


def test_the_times_of_a_turn_are_those_of_its_reply() -> None:
    turn = Turn(1)
    turn.timeline.utterance.speech_end_ns = 10
    reply = reply_to(turn)
    turn.answer(reply)
    reply.times.first_sent_ns = 3_000_010
    assert turn.timeline.mic_to_speaker_ms == 3


def test_a_speculative_reply_that_was_dropped_leaves_nothing_in_its_turn() -> None:
    turn = Turn(1)
    turn.timeline.utterance.speech_end_ns = 10
    reply = reply_to(turn)
    turn.answer(reply)
    reply.times.asked_ns = 20
    turn.unanswer()
    assert turn.reply is None
    assert turn.timeline.reply == ReplyTimes()
    assert turn.timeline.utterance.speech_end_ns == 10
    reply.times.first_sent_ns = 30
    assert turn.timeline.ends_ns == 0
