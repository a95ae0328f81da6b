"""The comparison with other servers: that they get the same scenario, how a limit is found, and what the table says."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from asr_server.config import AsrConfig
from benchmarks.peers import environment, scenario
from benchmarks.peers.goals import Found, table
from benchmarks.peers.limit import STEPS, Outcome, in_two_tries, largest, outcome
from benchmarks.peers.sides import FLOOR, PARLEY, PARLEY_PCM, PIPECAT, Cores, Load, Side, figures
from llm_server.config import LlmConfig
from llm_server.engines.pieces import pieces
from parley.conversation import (
    AudioPacket,
    Encoding,
    Played,
    ReplyAudioEnd,
    ReplyStarted,
    SessionConfig,
    SessionReady,
    TurnReport,
    event_from_json,
    pack_mic,
    request_to_json,
    unpack_reply,
)
from serving.config import read
from tts_server.config import TtsConfig
from tts_server.engine import Audio, SpeechRequest
from tts_server.engines.scripted import ScriptedEngine


def test_others_hear_and_say_what_the_scripted_engines_do() -> None:
    asr, llm, tts = read(AsrConfig, {}), read(LlmConfig, {}), read(TtsConfig, {})
    assert asr.scripted_texts == scenario.HEARD
    assert tuple(pieces(llm.scripted_text)) == scenario.PIECES
    engine = ScriptedEngine(0.0, tts.scripted_character_ms / 1000)
    spoken = engine.speak(SpeechRequest(llm.scripted_text, engine.load()[0], 1.0), threading.Event())
    ours, theirs = (
        np.frombuffer(pcm, dtype="<i2").astype(int)
        for pcm in (b"".join(each.pcm for each in spoken if isinstance(each, Audio)), scenario.sound(llm.scripted_text))
    )
    # A sine may be cut off to the next number.
    assert np.abs(ours - theirs).max() <= 1


def test_a_reply_of_others_is_understood_as_parleys_is() -> None:
    replies = scenario.Replies()
    assert isinstance(event_from_json(str(replies.answer(request_to_json(SessionConfig())))), SessionReady)
    assert event_from_json(replies.begin()) == ReplyStarted(1, 1)
    packets = [unpack_reply(replies.packet(bytes(1_920))) for _ in range(2)]
    assert packets[1] == (AudioPacket(bytes(1_920), 1, reply=1, first_sample=960), Encoding.PCM_S16LE)
    assert event_from_json(replies.end()) == ReplyAudioEnd(1, 1_920)
    replies.decided_sample = 16_000
    assert replies.answer(request_to_json(Played(1, 960, 5))) is None
    report = event_from_json(str(replies.answer(request_to_json(Played(1, 1_920, 5, final=True)))))
    assert isinstance(report, TurnReport)
    assert (report.reply, report.decided_sample) == (1, 16_000)


def test_the_benchs_tone_is_told_from_its_silence() -> None:
    frame = pack_mic(AudioPacket(b"\x10\x27" * 320), Encoding.PCM_S16LE)
    assert scenario.microphone(frame) == b"\x10\x27" * 320
    assert scenario.is_loud(scenario.microphone(frame))
    assert not scenario.is_loud(bytes(640))


@pytest.mark.parametrize("guess", [1, 15, 60, 400])
@pytest.mark.parametrize("limit", [0, 1, 2, 9, 15, 95, 100, 399, 1_000])
async def test_the_largest_number_that_keeps_the_line_is_found_in_few_runs(limit: int, guess: int) -> None:
    tried = []

    async def run(sessions: int) -> Outcome:
        tried.append(sessions)
        return Outcome.KEPT if sessions <= limit else Outcome.MISSED

    found = await largest(run, guess)
    assert found == (max((step for step in STEPS if step <= limit), default=0), False)
    # A number that misses the line is tried once more.
    assert all(tried.count(sessions) == 1 + (sessions > limit) for sessions in tried)
    assert len(set(tried)) <= 10


@pytest.mark.parametrize(
    ("tries", "expected"),
    [
        ([Outcome.KEPT], Outcome.KEPT),
        ([Outcome.MISSED, Outcome.KEPT], Outcome.KEPT),
        ([Outcome.UNKNOWN, Outcome.KEPT], Outcome.KEPT),
        ([Outcome.MISSED, Outcome.MISSED], Outcome.MISSED),
        ([Outcome.UNKNOWN, Outcome.MISSED], Outcome.MISSED),
        ([Outcome.MISSED, Outcome.UNKNOWN], Outcome.MISSED),
        ([Outcome.UNKNOWN, Outcome.UNKNOWN], Outcome.UNKNOWN),
    ],
)
async def test_one_of_two_tries_is_enough_on_a_machine_that_others_use(tries: list[Outcome], expected: Outcome) -> None:
    left = list(tries)

    async def run(_sessions: int) -> Outcome:
        return left.pop(0)

    assert (await in_two_tries(run, 60), left) == (expected, [])


async def test_a_limit_that_may_be_the_benchs_own_says_so() -> None:
    async def run(sessions: int) -> Outcome:
        return Outcome.KEPT if sessions <= 100 else Outcome.UNKNOWN

    assert await largest(run, 60) == (100, True)


FIGURES: dict[str, Any] = {
    "turns": 40,
    "measured": 40,
    "errors": 0,
    "late_packets": 0,
    "own_delay_p50_ms": 5.0,
    "own_delay_p99_ms": 100.0,
    "cpu_per_session_minute": 0.5,
    "cpu_percent": 10.0,
    "idle_kb": None,
    "talking_kb": 200.0,
    "ready_per_second": 1_000.0,
    "left_out_percent": None,
    "client_late_p99_ms": 1.0,
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Outcome.KEPT),
        ({"own_delay_p99_ms": 100.1}, Outcome.MISSED),
        ({"own_delay_p99_ms": None}, Outcome.MISSED),
        ({"late_packets": 1}, Outcome.MISSED),
        ({"measured": 39}, Outcome.MISSED),
        ({"errors": 1}, Outcome.MISSED),
        ({"late_packets": 1, "client_late_p99_ms": 5.1}, Outcome.UNKNOWN),
        ({"client_late_p99_ms": 5.1}, Outcome.KEPT),
    ],
)
def test_the_line_is_a_short_delay_every_turn_answered_and_no_packet_late(
    change: dict[str, object], expected: Outcome
) -> None:
    assert outcome({**FIGURES, **change}) is expected
    assert outcome(None) is Outcome.MISSED


def line(found: Found, words: str) -> str:
    [the_line] = [each for text in table(found).splitlines() if words in (each := " ".join(text.split()))]
    return the_line


def test_goals_are_ratios_within_a_round() -> None:
    found = Found()
    for slower in (1.0, 3.0):
        found.add(PARLEY_PCM, 20, {**FIGURES, "own_delay_p50_ms": 5.0 * slower})
        found.add(PIPECAT, 20, {**FIGURES, "own_delay_p50_ms": 20.0 * slower, "cpu_per_session_minute": 2.0 * slower})
        found.add(PARLEY, 20, {**FIGURES, "cpu_per_session_minute": 0.8 * slower})
    assert line(found, "p50, 20 sessions, PCM, times Pipecat's") == (
        "P2 own delay p50, 20 sessions, PCM, times Pipecat's 0.25 0.3 at most met"
    )
    assert line(found, "Opus, traced, times Pipecat's").endswith("0.4 0.35 at most missed")
    assert line(found, "1 session, PCM, ms").endswith("- 5 at most not known")


def test_a_side_that_collapsed_has_no_figures_and_spoils_no_other() -> None:
    found = Found()
    for figures_of in (None, {**FIGURES, "own_delay_p50_ms": 20.0}):
        found.add(PARLEY_PCM, 20, FIGURES)
        found.add(PIPECAT, 20, figures_of)
    found.add(PIPECAT, 40, None)
    assert line(found, "p50, 20 sessions, PCM, times Pipecat's").split()[-5] == "0.25"
    assert line(found, f"40 {PIPECAT.name}").split()[-3:] == ["-", "-", "-"]


def test_limits_are_told_with_the_benchs_own() -> None:
    found = Found(limits={(PARLEY.name, 0.0): (100, True), (PIPECAT.name, 0.0): (20, False)})
    assert line(found, "no late packet, in one of two tries, up to 100").endswith("keep time")
    assert line(found, "most sessions that keep the line, all talking").endswith("100 100 or more met")
    assert line(found, "all talking, times Pipecat's").endswith("5")


@pytest.mark.parametrize("side", [FLOOR, PIPECAT], ids=["floor", "pipecat"])
async def test_others_are_measured_by_the_same_client(side: Side) -> None:
    if side is PIPECAT and not environment.is_installed():
        pytest.skip("`make bench-peers` installs Pipecat")
    found = await figures(side, Load(2, 1.0, 1.0, silent=0.5), Cores("", ""))
    assert found["measured"] == found["turns"] >= 1
    assert found["silence_p50_ms"] >= 280
    assert (found["errors"], found["usage_missing"]) == (0, "")
    assert len(found["processes"]) == 1
