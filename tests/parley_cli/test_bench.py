"""How a bench accounts for turns, plays replies and judges figures, by hand-made events and exact times."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import random
import resource
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uvloop

from parley.conversation import Duck, ErrorCode, ErrorEvent, Outcome, TurnReport
from parley_cli.bench import crew
from parley_cli.bench.barge_in import BargeIn
from parley_cli.bench.figures import Result, budgets, table
from parley_cli.bench.ledger import Ledger, Reason, Tally, joined
from parley_cli.bench.pids import usage_of
from parley_cli.bench.run import Plan, parts
from parley_cli.bench.usage import Usage, shares, usage
from parley_cli.bench.utterances import make_utterances, silence
from parley_cli.client import open_http
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES, PacketDecoder
from parley_cli.percentiles import percentile

REPORT = TurnReport(1, "what time is it", "It is late.", "It is late.", None, (), "", Outcome.COMPLETED, 0, 7, False, 1)  # noqa: FBT003 - a message
ERROR = ErrorEvent(ErrorCode.UNAVAILABLE, "the asr server is away", "", "asr", True, 0, False, 1)  # noqa: FBT003 - a message


def send(ledger: Ledger, packets: range) -> None:
    """Packets that are sent as they are captured, number n at n seconds."""
    for number in packets:
        ledger.captured()
        ledger.sent(number, number)


def spoken(tally: Tally) -> Ledger:
    """A session in which packet n was sent at n seconds: ten of silence, then a turn whose tone ends in packet 20."""
    ledger = Ledger(tally)
    send(ledger, range(10))
    ledger.begin(end_sample=10 * PACKET_SAMPLES + 480)
    send(ledger, range(10, 40))
    return ledger


@pytest.mark.parametrize(
    ("decided_sample", "packet"), [(30 * 320, 29), (30 * 320 + 1, 30), (31 * 320, 30), (40 * 320, 39)]
)
def test_the_delay_counts_from_the_packet_with_the_sample_that_the_decision_needed(
    decided_sample: int, packet: int
) -> None:
    tally = Tally()
    ledger = spoken(tally)
    ledger.arrived(7, 45.25)
    ledger.arrived(7, 46.0)
    ledger.reported(replace(REPORT, decided_sample=decided_sample))
    assert tally.delays_ms == [(45.25 - packet) * 1000]
    assert tally.silences_ms == [(decided_sample - 20 * 320 - 160) / 16]
    assert not ledger.open
    assert tally.turns == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outcome": Outcome.INTERRUPTED}, Reason.INTERRUPTED),
        ({"outcome": Outcome.CANCELLED}, Reason.INTERRUPTED),
        ({"outcome": Outcome.FAILED}, Reason.NO_REPLY),
        ({"reply": 8}, Reason.NO_REPLY),
        ({"decided_sample": None}, Reason.UNMATCHED),
        ({"decided_sample": 20 * 320 + 160}, Reason.UNMATCHED),
        ({"decided_sample": 40 * 320 + 1}, Reason.UNMATCHED),
        ({"decided_sample": 10 * 320}, Reason.UNMATCHED),
    ],
)
def test_a_turn_that_is_not_measured_has_a_reason(change: dict[str, object], reason: Reason) -> None:
    tally = Tally()
    ledger = spoken(tally)
    ledger.arrived(7, 45)
    ledger.reported(replace(REPORT, **{"decided_sample": 30 * 320, **change}))  # type: ignore[arg-type]  # a table
    assert tally.delays_ms == []
    assert tally.unmeasured == {reason: 1}


def test_a_reply_before_its_decision_is_no_negative_delay() -> None:
    tally = Tally()
    ledger = spoken(tally)
    ledger.arrived(7, 28)
    ledger.reported(replace(REPORT, decided_sample=30 * 320))
    assert (tally.delays_ms, tally.unmeasured) == ([], {Reason.UNMATCHED: 1})


def test_a_late_report_of_the_turn_before_leaves_the_next_one_to_be_measured() -> None:
    tally = Tally()
    ledger = spoken(tally)
    ledger.give_up(Reason.TIMED_OUT)
    ledger.begin(end_sample=5 * PACKET_SAMPLES)
    send(ledger, range(40, 70))
    ledger.arrived(8, 66)
    ledger.reported(replace(REPORT, decided_sample=30 * 320))
    ledger.reported(replace(REPORT, reply=8, decided_sample=66 * 320))
    assert tally.unmeasured == {Reason.TIMED_OUT: 1, Reason.UNMATCHED: 1}
    assert tally.delays_ms == [1_000]
    assert tally.turns == 3


def test_a_packet_that_was_held_back_or_left_out_is_known_when_the_next_one_says_so() -> None:
    tally = Tally()
    ledger = spoken(tally)
    for _ in range(10):
        ledger.captured()
    assert (ledger.packets, ledger.sent_at(39), ledger.sent_at(40)) == (50, 39, None)
    ledger.sent(45, 50.5)
    assert [ledger.sent_at(number) for number in (40, 45, 46)] == [50.5, 50.5, None]
    ledger.arrived(7, 51.0)
    ledger.reported(replace(REPORT, decided_sample=44 * 320))
    assert tally.delays_ms == [500]


def test_a_turn_lasts_from_the_end_of_speech_to_the_reply() -> None:
    tally = Tally(delays_ms=[4.0, 12.5], silences_ms=[310.0, 320.0])
    assert tally.turns_ms == [314.0, 332.5]


def test_a_turn_in_which_an_error_was_told_failed_unless_it_was_answered() -> None:
    tally = Tally()
    for end in ("reported", "given up", "answered"):
        ledger = spoken(tally)
        ledger.failed(ERROR)
        if end == "given up":
            ledger.give_up(Reason.TIMED_OUT)
            continue
        if end == "answered":
            ledger.arrived(7, 45)
        ledger.reported(replace(REPORT, decided_sample=30 * 320))
    assert tally.unmeasured == {Reason.ERROR: 2}
    assert len(tally.delays_ms) == 1
    assert tally.errors == {"asr: the asr server is away": 3}


def test_a_reply_that_is_spoken_into_is_measured_and_so_is_what_is_said_into_it() -> None:
    tally = Tally()
    ledger = spoken(tally)
    ledger.arrived(7, 31)
    ledger.begin(end_sample=10 * PACKET_SAMPLES)
    send(ledger, range(40, 70))
    ledger.reported(replace(REPORT, outcome=Outcome.INTERRUPTED, decided_sample=30 * 320))
    assert ledger.open
    ledger.arrived(8, 66)
    ledger.reported(replace(REPORT, reply=8, decided_sample=66 * 320))
    assert (tally.delays_ms, tally.unmeasured) == ([2_000, 1_000], {})
    assert not ledger.open


def interrupted(tally: Tally) -> BargeIn:
    """A session in which packet n was sent at n seconds, and reply 7 is spoken into from packet 17 on."""
    ledger = Ledger(tally)
    send(ledger, range(17))
    barge_in = BargeIn(ledger, tally)
    barge_in.begin(7)
    send(ledger, range(17, 30))
    return barge_in


def test_a_duck_and_the_end_count_from_the_packet_with_the_first_sample_of_the_voice() -> None:
    tally = Tally()
    barge_in = interrupted(tally)
    barge_in.arrived(7, 17.5)
    barge_in.ducked(Duck(6, -18.0), 17.6)
    barge_in.ducked(Duck(7, -18.0), 18.0)
    barge_in.arrived(7, 19.5)
    barge_in.ducked(Duck(7, 0.0), 20.0)
    barge_in.ducked(Duck(7, -18.0), 21.0)
    barge_in.arrived(8, 24.0)
    barge_in.flushed(7)
    barge_in.flushed(7)
    assert (tally.interruptions, tally.duck_ms, tally.stop_ms) == (1, [1_000], [2_500])


@pytest.mark.parametrize(
    ("decided_sample", "own_ms"),
    [
        pytest.param(19 * 320, 2_500, id="the end of packet 18"),
        pytest.param(19 * 320 + 1, 1_500, id="the first sample of packet 19"),
        pytest.param(None, None, id="the server does not say"),
        pytest.param(17 * 320, None, id="before the voice"),
        pytest.param(40 * 320, None, id="not yet sent"),
        pytest.param(25 * 320, None, id="sent after the duck"),
    ],
)
def test_what_is_added_to_a_duck_counts_from_the_packet_that_completed_what_it_needed(
    decided_sample: int | None, own_ms: float | None
) -> None:
    tally = Tally()
    interrupted(tally).ducked(Duck(7, -18.0, decided_sample), 20.5)
    assert (tally.duck_ms, tally.own_duck_ms) == ([3_500], [] if own_ms is None else [own_ms])


def test_a_reply_that_had_been_sent_whole_stops_at_once() -> None:
    tally = Tally()
    barge_in = interrupted(tally)
    barge_in.arrived(7, 16.0)
    barge_in.flushed(7)
    assert tally.stop_ms == [0]


def test_what_several_processes_saw_is_told_as_one() -> None:
    first, second = (
        Tally([1.0], [2.0], underruns=1, duck_ms=[3.0], own_duck_ms=[2.0], sent=8),
        Tally([4.0], [5.0], interruptions=2, stop_ms=[6.0], received=9),
    )
    first.unmeasured[Reason.ERROR] += 1
    second.unmeasured[Reason.ERROR] += 2
    second.errors["away"] += 1
    whole = joined([first, second])
    assert (whole.delays_ms, whole.silences_ms, whole.underruns, whole.interruptions) == ([1.0, 4.0], [2.0, 5.0], 1, 2)
    assert (whole.duck_ms, whole.own_duck_ms, whole.stop_ms, whole.turns) == ([3.0], [2.0], [6.0], 5)
    assert (whole.unmeasured, whole.errors) == ({Reason.ERROR: 3}, {"away": 1})
    assert (whole.sent, whole.received) == (8, 9)


def test_what_was_seen_before_all_had_begun_is_forgotten_and_turns_that_end_later_count() -> None:
    tally = Tally(late_ms=[30.0], sent=8)
    ledger = spoken(tally)
    tally.errors["away"] += 1
    tally.forget()
    # A session that broke off then is missing from all that comes.
    assert tally == Tally(errors=Counter({"away": 1}))
    ledger.arrived(7, 45.25)
    ledger.reported(replace(REPORT, decided_sample=30 * 320))
    assert (tally.delays_ms, tally.turns) == ([16_250], 1)


def test_what_a_process_used_is_that_between_two_looks() -> None:
    before = Usage(10.0, 1e6, 1_000.0, 500.0, {0.001: 100.0, 0.01: 100.0, math.inf: 100.0})
    after = Usage(11.0, 3e6, 1_800.0, 900.0, {0.001: 150.0, 0.01: 199.0, math.inf: 200.0})
    found = shares({"edge_gateway": before}, {"edge_gateway": after}, seconds=4.0, sessions=10)["edge_gateway"]
    assert (found.cpu_percent, found.switches_per_session_second) == (25.0, 20.0)
    assert found.messages_per_session_second == 10.0
    assert (found.lag_p50_ms, found.lag_p99_ms) == (1.0, 10.0)


def test_speech_that_is_taken_for_noise_is_counted_once_it_is_over() -> None:
    tally = Tally()
    ledger = Ledger(tally)
    ledger.begin(end_sample=3 * PACKET_SAMPLES)
    for number in range(3):
        send(ledger, range(number, number + 1))
        ledger.discarded()
    assert ledger.open
    send(ledger, range(3, 4))
    ledger.discarded()
    ledger.discarded()
    assert tally.unmeasured == {Reason.DISCARDED: 1}


def test_utterances_begin_and_end_anywhere_in_a_packet_and_say_where() -> None:
    utterances = make_utterances(12, random.Random(7))  # noqa: S311 - the same ones each time
    assert len({utterance.end_sample % PACKET_SAMPLES for utterance in utterances}) > 9
    assert len({len(utterance.packets) for utterance in utterances}) > 6
    for utterance in utterances:
        decoder = PacketDecoder(MIC_RATE_HZ)
        pcm = np.frombuffer(b"".join(decoder.decode(packet.data) for packet in utterance.packets), dtype="<i2")
        loud = np.flatnonzero(np.abs(pcm) > 6_000)
        # Decoders of FFmpeg take off the codec's delay of 312 samples; a period of the tone has 240.
        assert loud[0] < PACKET_SAMPLES + 480
        assert abs(loud[-1] - utterance.end_sample) < 480
        assert np.abs(pcm[-PACKET_SAMPLES:]).max() < 100


def test_pcm_is_the_same_tone_at_the_rate_that_servers_listen_at() -> None:
    [opus], [pcm] = (make_utterances(1, random.Random(7), pcm=pcm) for pcm in (False, True))  # noqa: S311 - the same one
    assert (pcm.end_sample, len(pcm.packets)) == (opus.end_sample, len(opus.packets))
    assert {len(packet.data) for packet in pcm.packets} == {640}
    sound = np.frombuffer(b"".join(packet.data for packet in pcm.packets), dtype="<i2")
    loud = np.flatnonzero(np.abs(sound) > 6_000)
    assert abs(loud[-1] - pcm.end_sample / 3) < 80
    # A quiet room, and no zeros, of which much costs nothing.
    for packet in (silence(pcm=True), pcm.packets[-1]):
        room = np.frombuffer(packet.data, dtype="<i2")
        assert 5 < np.std(room) < 20


def test_sessions_are_dealt_out_to_no_more_processes_than_there_are_cores_for_them() -> None:
    plan = Plan("http://localhost:8080/", 101, 5.0, silent=0.5, cores=(1, 2), ramp_seconds=4.0)
    first, second = parts(plan)
    assert (first.sessions, second.sessions, first.silent + second.silent) == (51, 50, 50)
    assert (first.core, second.core) == (1, 2)
    assert (first.url, first.ramp_seconds, first.seed) == ("http://localhost:8080", 4.0, None)
    assert len(parts(replace(plan, processes=5))) == 5
    assert len(parts(replace(plan, sessions=2))) == 1


def test_processes_of_one_seed_say_the_same_in_each_run_and_each_something_else() -> None:
    plan = Plan("", 8, 5.0, processes=3, seed=7)
    assert [part.seed for part in parts(plan)] == [7, 8, 9]
    assert parts(plan) == parts(plan)


@pytest.mark.parametrize(
    ("options", "leaves_out"), [({}, True), ({"every_packet": True}, False), ({"pcm": True}, False)]
)
def test_silence_is_left_out_of_opus_unless_every_packet_is_wanted(
    options: dict[str, bool],
    leaves_out: bool,  # noqa: FBT001 - a table
) -> None:
    [part] = parts(replace(Plan("", 1, 5.0), **options))  # type: ignore[arg-type]  # a table
    assert part.leaves_out is leaves_out


tells_of_processes = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")


@tells_of_processes
async def test_what_a_process_used_is_known_by_its_number() -> None:
    found = await usage_of((os.getpid(),))
    assert isinstance(found, dict)
    [used] = found.values()
    told = resource.getrusage(resource.RUSAGE_SELF)
    assert abs(used.cpu_seconds - told.ru_utime - told.ru_stime) < 1
    assert 1e6 < used.memory_bytes <= told.ru_maxrss * 1024
    assert used.switches > 0


@tells_of_processes
async def test_a_process_that_has_ended_is_not_measured() -> None:
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    assert await usage_of((os.getpid(), ended.pid)) == f"/proc/{ended.pid}/stat"


async def test_a_gateway_that_tells_of_itself_nowhere_is_named_and_not_taken_for_the_whole() -> None:
    async with open_http() as http:
        missing = await usage(http, {"edge_gateway 2": ""})
    assert isinstance(missing, str)
    assert "edge_gateway 2, which has no PARLEY_GATEWAY_METRICS_PORT, does not tell" in table(
        replace(RESULT, usage_missing=missing)
    )


RESULT = Result(
    sessions=1,
    refused=0,
    seconds=10,
    turns=4,
    measured=3,
    unmeasured={"timed out": 1},
    errors=0,
    error_messages={},
    ready_per_second=200,
    own_delay_p50_ms=4.0,
    own_delay_p99_ms=8.1,
    own_delay_least_ms=2.0,
    turn_p50_ms=314.0,
    turn_p95_ms=325.0,
    silence_asked_ms=300,
    silence_p50_ms=310,
    silence_p99_ms=320,
    late_p99_ms=0,
    late_packets=0,
    underruns=0,
    interruptions=0,
    duck_p50_ms=None,
    duck_p99_ms=None,
    own_duck_p50_ms=None,
    own_duck_p99_ms=None,
    stop_p50_ms=None,
    stop_p99_ms=None,
    cpu_percent=1.0,
    cpu_per_session_minute=0.6,
    up_per_session_second=53.6,
    down_per_session_second=32.2,
    left_out_percent=None,
    idle_kb=None,
    talking_kb=299,
    processes={},
    client_cpu_percent=2,
    client_late_p99_ms=1,
    usage_missing="",
)


def verdicts(result: Result) -> dict[str, str]:
    return {budget.name: budget.verdict for budget in budgets(result)}


def test_each_figure_is_judged_by_the_budget_of_its_load() -> None:
    assert verdicts(RESULT) == {
        "own delay p50": "met",
        "own delay p99": "missed",
        "reply packets late p99": "met",
        "sessions ready a second": "",
        "CPU per session-minute": "missed",
        "memory per idle session": "not known",
        "memory per talking session": "met",
    }
    few, hundred, more = (replace(RESULT, sessions=count) for count in (20, 100, 160))
    assert verdicts(few)["own delay p99"] == "met so far"
    assert verdicts(replace(few, own_delay_p50_ms=6.1))["own delay p50"] == "missed"
    assert verdicts(hundred)["own delay p99"] == "met"
    assert verdicts(hundred)["sessions ready a second"] == "missed"
    assert verdicts(replace(more, own_delay_p99_ms=90.0))["own delay p99"] == "met"
    assert verdicts(more)["own delay p50"] == ""


def test_the_table_shows_every_turn_that_was_not_measured() -> None:
    lines = [" ".join(line.split()) for line in table(RESULT).splitlines()]
    assert "turns measured 3 of 4" in lines
    assert "not measured: timed out 1" in lines
    assert "own delay p99 8.1 ms 8 ms at most missed" in lines


def test_a_bench_that_cannot_keep_time_says_so() -> None:
    assert "could not keep time" not in table(RESULT)
    assert "could not keep time" in table(replace(RESULT, client_late_p99_ms=5.1))


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert math.isnan(percentile([], 0.5))


async def test_a_process_that_was_spoken_to_says_much_at_once_on_a_loop_of_uvloop() -> None:
    pipes = multiprocessing.get_context("spawn").Pipe()

    async def hear_and_speak() -> None:
        pipes[0].send(None)
        await crew._received(pipes[1])  # noqa: SLF001 - what a process of the crew does with its pipe
        pipes[1].send(bytes(1 << 22))

    with ThreadPoolExecutor(1) as thread:
        speaking = thread.submit(uvloop.run, hear_and_speak())
        heard = await asyncio.to_thread(lambda: len(pipes[0].recv()))
        speaking.result()
    assert heard == 1 << 22
