"""What an ASR server has answered holds for sessions that are alike, and not for long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_gateway.servers.answers import Answers
from parley import asr

READY = asr.Ready("scripted", "model", "en")
CONFIG = asr.Config(language="en", hints=("Parley",), session_id="s", traceparent="t")


def test_an_answer_holds_for_a_session_that_is_alike_for_ten_seconds() -> None:
    answers = Answers()
    alike = replace(CONFIG, session_id="another", traceparent="its own", first_sample=16_000, first_turn=3)
    assert answers.to(alike, 99.0) is None
    answers.note(CONFIG, READY, 100.0)
    assert answers.to(alike, 109.9) is READY
    assert answers.to(alike, 110.0) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"language": "de"},
        {"hints": ()},
        {"endpointing": asr.Endpointing(eager_silence_ms=1)},
        {"partials": False},
        {"sample_rate_hz": 8_000},
    ],
)
def test_what_a_server_may_refuse_is_asked_anew(changed: dict[str, object]) -> None:
    answers = Answers()
    answers.note(CONFIG, READY, 100.0)
    assert answers.to(replace(CONFIG, **changed), 100.0) is None  # type: ignore[arg-type]


def test_a_newer_answer_takes_the_place_of_the_older_one() -> None:
    answers, newer = Answers(), asr.Ready("scripted", "another model", "en")
    answers.note(CONFIG, READY, 100.0)
    answers.note(CONFIG, newer, 109.0)
    assert answers.to(CONFIG, 118.0) is newer


def test_of_many_configurations_the_latest_sixty_four_are_known() -> None:
    answers = Answers()
    configs = [replace(CONFIG, hints=(str(place),)) for place in range(70)]
    for config in configs:
        answers.note(config, READY, 100.0)
    known = [config for config in configs if answers.to(config, 100.0) is not None]
    assert known == configs[-64:]
