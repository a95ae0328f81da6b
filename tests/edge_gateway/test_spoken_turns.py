"""The user's half of the turns: their numbers, and what the listener is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.turn_metrics import TurnMetrics
from edge_gateway.spoken_turns import SpokenTurns
from parley import asr
from parley.conversation import (
    ErrorCode,
    ErrorEvent,
    Event,
    UserDiscarded,
    UserPartial,
    UserSpeechStarted,
)
from serving.telemetry import Telemetry, new_provider
from tests.edge_gateway.in_memory import Connection
from tests.virtual_time import on_virtual_time, run

if TYPE_CHECKING:
    from edge_gateway.turn import Turn

RATE_HZ = 16_000
ONSET = asr.VoiceOnset(1, 100)
SPEECH = asr.SpeechStarted(1, 100, 200)
PARTIAL = asr.Partial(1, "what", 2, 300)


class Rig:
    """A user who speaks and types, and what their client and an operator see of it."""

    def __init__(self) -> None:
        self.connection, self.registry = Connection(), CollectorRegistry()
        metrics = TurnMetrics(Telemetry(new_provider("gateway"), self.registry))
        self.spoken = SpokenTurns(self.connection, metrics, ClientClock())

    async def speaks(self, at_seconds: float = 0.0) -> None:
        await self.spoken.follow(ONSET, None)
        await self.spoken.follow(asr.SpeechStarted(1, round(at_seconds * RATE_HZ), 200), None)

    def ends(self, text: str = "what time is it", at_seconds: float = 2.0, *, ignored: bool = False) -> Turn:
        event = end_of_turn(text, at_seconds)
        turn = self.spoken.ended(event, None)
        self.spoken.settle(event, turn, ignored=ignored)
        return turn

    async def is_discarded(self, reason: asr.DiscardReason = asr.DiscardReason.NOISE) -> None:
        await self.spoken.discarded(asr.TurnDiscarded(1, reason, 0, 500))

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def end_of_turn(text: str, at_seconds: float, reason: asr.EndReason = asr.EndReason.SILENCE) -> asr.EndOfTurn:
    timings = asr.Timings(330, queue_ms=0, transcribe_ms=50, final_ms=20, eager=False)
    end = round(at_seconds * RATE_HZ)
    return asr.EndOfTurn(1, text, 0, end, end - 5_000, reason, timings, 800)


@on_virtual_time
async def test_a_turn_has_a_number_from_its_first_speech_on() -> None:
    rig = Rig()
    await rig.spoken.follow(ONSET, None)
    assert (rig.spoken.turn.number, rig.connection.events) == (0, [])
    await rig.spoken.follow(SPEECH, None)
    assert rig.spoken.turn.number == 1
    assert rig.connection.events == [UserSpeechStarted(1)]
    turn = rig.ends()
    assert (turn.number, turn.text, turn.typed) == (1, "what time is it", False)
    assert (rig.spoken.turn.number, rig.spoken.turn.began) == (0, False)


@on_virtual_time
async def test_turns_are_numbered_as_they_begin() -> None:
    rig = Rig()
    numbers = []
    for _ in range(3):
        await rig.speaks()
        numbers.append(rig.ends().number)
    assert numbers == [1, 2, 3]
    assert rig.connection.of(UserSpeechStarted) == [UserSpeechStarted(number) for number in (1, 2, 3)]


@on_virtual_time
async def test_that_the_user_speaks_is_told_once_a_turn() -> None:
    rig = Rig()
    for event in (SPEECH, PARTIAL, SPEECH):
        await rig.spoken.follow(event, None)
    assert rig.connection.events == [UserSpeechStarted(1)]


@on_virtual_time
async def test_that_the_user_speaks_is_told_even_if_words_came_first() -> None:
    rig = Rig()
    await rig.spoken.follow(PARTIAL, None)
    await rig.spoken.show(PARTIAL)
    await rig.spoken.follow(SPEECH, None)
    assert rig.connection.events == [UserPartial(1, "what", 2), UserSpeechStarted(1)]


@pytest.mark.parametrize("event", [PARTIAL, asr.EagerEndOfTurn(1, "what time is it", 900)])
@on_virtual_time
async def test_words_begin_a_turn_as_well_as_speech_does(event: asr.Event) -> None:
    rig = Rig()
    await rig.spoken.follow(event, None)
    assert rig.spoken.turn.number == 1


@on_virtual_time
async def test_words_that_come_at_once_are_a_turn_too() -> None:
    rig = Rig()
    assert rig.ends().number == 1
    assert rig.ends().number == 2


@on_virtual_time
async def test_typed_words_in_between_have_the_next_number_and_the_speech_keeps_its_own() -> None:
    rig = Rig()
    await rig.speaks()
    typed = rig.spoken.typed("turn on the lamp")
    await rig.spoken.show(PARTIAL)
    spoken = rig.ends()
    assert (typed.number, typed.typed, spoken.number, spoken.typed) == (2, True, 1, False)
    assert rig.connection.of(UserPartial) == [UserPartial(1, "what", 2)]
    await rig.speaks()
    assert rig.ends().number == 3


@on_virtual_time
async def test_the_number_of_what_was_no_turn_is_used_again() -> None:
    rig = Rig()
    await rig.speaks()
    await rig.is_discarded()
    assert rig.connection.of(UserDiscarded) == [UserDiscarded(1, asr.DiscardReason.NOISE)]
    await rig.speaks()
    assert rig.connection.of(UserSpeechStarted) == [UserSpeechStarted(1), UserSpeechStarted(1)]
    assert rig.ends().number == 1


@on_virtual_time
async def test_a_noise_that_never_was_speech_is_told_with_the_number_that_it_would_have_had() -> None:
    rig = Rig()
    rig.ends()
    await rig.spoken.follow(ONSET, None)
    await rig.is_discarded(asr.DiscardReason.TOO_SHORT)
    assert rig.connection.of(UserDiscarded) == [UserDiscarded(2, asr.DiscardReason.TOO_SHORT)]
    assert rig.ends().number == 2


@on_virtual_time
async def test_a_number_that_others_follow_is_not_used_again() -> None:
    rig = Rig()
    await rig.speaks()
    rig.spoken.typed("turn on the lamp")
    await rig.is_discarded()
    assert rig.connection.of(UserDiscarded) == [UserDiscarded(1, asr.DiscardReason.NOISE)]
    await rig.speaks()
    assert rig.ends().number == 3


@on_virtual_time
async def test_the_number_of_an_echo_is_used_again() -> None:
    rig = Rig()
    await rig.speaks()
    await rig.spoken.ignored(rig.ends(ignored=True))
    assert rig.connection.of(UserDiscarded) == [UserDiscarded(1, asr.DiscardReason.NOISE)]
    await rig.speaks()
    assert rig.ends().number == 1


@on_virtual_time
async def test_what_was_discarded_leaves_no_time_behind_and_keeps_its_trace() -> None:
    rig = Rig()
    await rig.speaks()
    identity = rig.spoken.turn.identity
    await rig.is_discarded()
    assert not rig.spoken.turn.began
    assert rig.spoken.turn.identity == identity, "the ASR server has it for the turn that it numbers alike"
    assert rig.sample("parley_discards_total", reason="noise") == 1


@on_virtual_time
async def test_words_that_an_engine_lost_are_told_as_an_error() -> None:
    rig = Rig()
    await rig.speaks()
    await rig.is_discarded(asr.DiscardReason.ENGINE_FAILED)
    [error] = rig.connection.of(ErrorEvent)
    assert (error.code, error.hop, error.turn) == (ErrorCode.AUDIO_LOST, "asr", 1)


@pytest.mark.parametrize("reason", [asr.DiscardReason.NOISE, asr.DiscardReason.NO_WORDS, asr.DiscardReason.TOO_SHORT])
@on_virtual_time
async def test_what_was_no_turn_is_no_error(reason: asr.DiscardReason) -> None:
    rig = Rig()
    await rig.speaks()
    await rig.is_discarded(reason)
    assert rig.connection.of(ErrorEvent) == []


@pytest.mark.parametrize(("ignored", "counted"), [(False, 1), (True, 0)])
@on_virtual_time
async def test_a_turn_that_was_ended_too_early_is_counted_when_its_user_has_said_the_rest(
    ignored: bool,  # noqa: FBT001 - pytest names it
    counted: int,
) -> None:
    rig = Rig()
    await rig.speaks()
    first = rig.ends(at_seconds=2.0)
    await rig.speaks(2.5)
    assert rig.sample("parley_turns_ended_too_early_total") == 0
    rig.ends(at_seconds=5.0, ignored=ignored)
    assert rig.sample("parley_turns_ended_too_early_total") == counted
    assert first.timeline.utterance.premature_end is not ignored
    assert rig.sample("parley_endpointing_beyond_need_seconds_count") == 1 + counted


STEPS = st.lists(st.sampled_from(["speak", "words", "end", "echo", "discard", "type"]), max_size=40)


@given(steps=STEPS)
@settings(deadline=None)
def test_no_two_turns_that_count_have_one_number(steps: list[str]) -> None:
    async def talk() -> None:
        rig, kept = Rig(), []
        for step in steps:
            match step:
                case "speak":
                    await rig.speaks()
                case "words":
                    await rig.spoken.follow(PARTIAL, None)
                case "end":
                    kept.append(rig.ends().number)
                case "echo":
                    await rig.spoken.ignored(rig.ends(ignored=True))
                case "discard":
                    await rig.is_discarded()
                case _:
                    kept.append(rig.spoken.typed("hello").number)
        assert len(kept) == len(set(kept))
        assert all(1 <= number <= len(steps) for number in kept)
        if not any(step in {"echo", "discard"} for step in steps) and not rig.spoken.turn.number:
            assert sorted(kept) == list(range(1, len(kept) + 1))
        assert is_consistent(rig.connection.events)

    run(talk())


def is_consistent(events: list[Event]) -> bool:
    """A turn that is said to be spoken is new, or was discarded since it was last said to be."""
    speaking: set[int] = set()
    for event in events:
        if isinstance(event, UserSpeechStarted):
            if event.turn in speaking:
                return False
            speaking.add(event.turn)
        elif isinstance(event, UserDiscarded):
            speaking.discard(event.turn)
    return True
