"""`parley bench` with real gateways and servers that wait, look and batch as they like: its figure is their delay."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import WSMsgType, web

import asr_server.recognition
from asr_server.endpointing import endpointer
from asr_server.endpointing.adaptive import AdaptiveEndpointing
from asr_server.front_end import front_end, gain
from edge_gateway.error_events import error_event
from edge_gateway.input import uplink
from parley.conversation import AudioFormat, Encoding, SessionReady, event_to_json
from parley.errors import Overloaded, ParleyError
from parley_cli.bench import Plan, bench
from parley_cli.bench.figures import table
from parley_cli.bench.run import measure
from parley_cli.bench.usage import Usage
from tests.edge_gateway.rig import Script, Writer, house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from parley.conversation import ErrorEvent
    from parley_cli.bench.figures import Result

DELAY_MS = 150
# What gateway, hops and the machine may add in the quickest turn. The figure would miss it by hundreds of milliseconds
# if it took the silence for another one, and fall below the delay if it counted from a later packet.
ROOM_MS = 200


def slow_writer() -> Script:
    return Script(writer=Writer("It is late.", DELAY_MS / 1000), max_sessions=100)


async def talk(silence_ms: int, *, head_start: bool = False) -> Result:
    async with house(slow_writer()) as parley:
        result = await measure(Plan(parley.url, 4, 3.0, silence_ms, head_start))
    assert result.measured == result.turns >= 4
    assert (result.unmeasured, result.errors) == ({}, 0)
    return result


@pytest.mark.parametrize(
    ("silence_ms", "window_samples", "hold_over_samples", "packets_a_message"),
    [(300, 512, 688, 4), (600, 512, 688, 4), (300, 1_536, 0, 1), (700, 256, 1_600, 8)],
)
async def test_the_figure_is_the_delay_of_the_servers_however_they_listen(
    monkeypatch: pytest.MonkeyPatch,
    silence_ms: int,
    window_samples: int,
    hold_over_samples: int,
    packets_a_message: int,
) -> None:
    for module in (endpointer, front_end, gain):
        monkeypatch.setattr(module, "WINDOW_SAMPLES", window_samples)
    for module in (endpointer, asr_server.recognition):
        monkeypatch.setattr(module, "HOLD_OVER_SAMPLES", hold_over_samples)
    monkeypatch.setattr(uplink, "_MESSAGE_SAMPLES", packets_a_message * 320)
    result = await talk(silence_ms)
    assert result.own_delay_least_ms is not None
    assert DELAY_MS <= result.own_delay_least_ms <= DELAY_MS + ROOM_MS
    assert result.silence_p50_ms is not None
    # What was asked for counts from where the detector takes speech to end, in windows; a codec delays by 7 ms.
    surplus_ms = result.silence_p50_ms - (silence_ms - hold_over_samples / 16)
    assert 0 <= surplus_ms <= 2 * window_samples / 16 + 20


async def test_a_server_that_waits_longer_than_asked_is_seen_in_the_silence_and_not_in_the_delay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AdaptiveEndpointing, "silence_seconds", lambda _self, _completeness: 0.8)
    result = await talk(300)
    assert result.own_delay_least_ms is not None
    assert DELAY_MS <= result.own_delay_least_ms <= DELAY_MS + ROOM_MS
    assert result.silence_p50_ms is not None
    assert 700 <= result.silence_p50_ms <= 900


async def test_a_reply_that_was_begun_in_the_silence_does_not_wait_for_the_model_again() -> None:
    result = await talk(600, head_start=True)
    assert result.own_delay_least_ms is not None
    assert 0 <= result.own_delay_least_ms <= ROOM_MS


async def test_who_speaks_into_replies_sees_them_duck_and_stop_whichever_process_holds_them() -> None:
    long = Writer("It is late, and it will be later still when all of this has been said. " * 4)
    async with house(Script(writer=long, max_sessions=100)) as parley:
        result = await measure(Plan(parley.url, 3, 1.0, interrupts=1.0, processes=2))
    assert result.measured == result.turns >= 6
    assert result.interruptions >= 3
    assert result.duck_p50_ms is not None
    assert result.own_duck_p50_ms is not None
    assert result.duck_p50_ms > result.own_duck_p50_ms >= 0
    assert result.stop_p50_ms is not None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
async def test_sessions_that_are_silent_take_no_turns_and_pcm_is_as_good_as_opus() -> None:
    async with house(slow_writer()) as parley:
        result = await measure(Plan(parley.url, 4, 2.0, pcm=True, silent=0.75, processes=2, pids=(os.getpid(),)))
    assert (result.turns, result.unmeasured, result.errors) == (result.measured, {}, 0)
    # Packets go up in every session, and replies come down in one.
    assert 0 < result.down_per_session_second < result.up_per_session_second
    # One of the four speaks, and a turn takes more than a second.
    assert 1 <= result.turns <= 3
    [(name, used)] = result.processes.items()
    assert result.left_out_percent is None
    assert (name, used["lag_p99_ms"]) == (f"process {os.getpid()}", None)
    assert f"process {os.getpid()}" in table(result)


async def test_who_is_refused_is_counted_and_those_who_are_in_are_measured() -> None:
    # One is held by the bench itself, which opens it first.
    async with house(Script(writer=Writer("It is late."), max_sessions=3)) as parley:
        result = await measure(Plan(parley.url, 5, 2.0, ramp_seconds=1.0, processes=2, arrives=True))
    assert (result.sessions, result.refused) == (5, 3)
    assert (result.errors, result.unmeasured, result.idle_kb, result.ready_per_second) == (0, {}, None, None)
    assert result.measured == result.turns >= 2
    lines = [" ".join(line.split()) for line in table(result).splitlines()]
    assert "refused 3 the gateway has no room for them" in lines


async def test_memory_is_what_another_session_takes_and_not_what_the_first_one_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house(slow_writer()) as parley:

        async def used(_pids: tuple[int, ...]) -> dict[str, Usage]:
            """As of a process that loads something for its first session, and more for its first reply."""
            told = parley.script.recorded.registries["gateway"].get_sample_value
            turns = told("parley_turns_total", {"outcome": "completed"}) or 0
            sessions = told("parley_sessions_active") or 0
            kilobytes = 100 * sessions + 1000 * (sessions > 0) + 1000 * (turns > 0)
            return {"gateway": Usage(0.0, 1024 * kilobytes, 0.0)}

        monkeypatch.setattr("parley_cli.bench.run.usage_of", used)
        result = await measure(Plan(parley.url, 2, 1.0, processes=1, pids=(1,)))
    assert (result.idle_kb, result.talking_kb) == (100.0, 100.0)
    assert result.processes["gateway"]["talking_kb"] == 100.0
    assert "100 KB a session" in table(result)


@pytest.mark.parametrize("every_packet", [False, True])
async def test_people_who_say_nothing_cost_what_they_do_with_the_page(every_packet: bool) -> None:  # noqa: FBT001 - a case
    async with house(slow_writer()) as parley:
        # The page leaves silence out after three seconds of it.
        result = await measure(Plan(parley.url, 4, 4.0, silent=0.75, every_packet=every_packet))
    assert (result.turns, result.unmeasured, result.errors) == (result.measured, {}, 0)
    assert every_packet is (result.left_out_percent is None)
    # Of those that were put together each counts: three of four sessions leave out most of one second of five.
    assert every_packet or 5 < (result.left_out_percent or 0) < 50
    assert ("silent packets left out" in table(result)) is not every_packet


async def test_where_sessions_begin_one_after_the_other_only_what_comes_then_is_told() -> None:
    async with house(slow_writer()) as parley:
        result = await measure(Plan(parley.url, 4, 2.0, ramp_seconds=2.5, processes=2))
    assert (result.unmeasured, result.errors) == ({}, 0)
    # Each has a turn that ends after the ramp, and the last of them is heard out.
    assert result.measured == result.turns >= 4
    assert result.seconds >= 2.0


async def test_when_nothing_could_be_measured_it_says_why_and_the_status_is_not_zero(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with house(Script(writer=Writer("Too late.", 2.0))) as parley:
        assert await bench(Plan(parley.url, 2, 1.0, patience_seconds=0.5), as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["measured"] == 0
    assert found["own_delay_p50_ms"] is None
    assert found["verdicts"]["own delay p50"] == "not known"
    assert found["unmeasured"]["timed out"] >= 2
    assert sum(found["unmeasured"].values()) == found["turns"]


async def test_a_reply_without_words_is_an_error_and_not_a_short_delay(capsys: pytest.CaptureFixture[str]) -> None:
    async with house(Script(writer=Writer(""))) as parley:
        assert await bench(Plan(parley.url, 1, 1.0), as_json=False) == 1
    printed = capsys.readouterr().out
    assert "not measured: error" in printed
    assert "the llm server gave an empty reply" in printed


async def test_a_session_that_is_not_let_in_is_named() -> None:
    async with house(Script(max_sessions=1)) as parley:
        with pytest.raises(ParleyError, match="all 1 sessions are taken: try again soon"):
            await bench(Plan(parley.url, 2, 1.0), as_json=True)


@asynccontextmanager
async def hanging_up(after_packets: int, last: ErrorEvent | None = None) -> AsyncIterator[str]:
    """A server that lets everybody in and closes the connection in the middle of their first turn; gives its URL.

    Before that it says why, if there is a `last` event.
    """

    async def converse(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("parley.v1",))
        await socket.prepare(request)
        ready = SessionReady(
            "s", AudioFormat(Encoding.OPUS, 48_000), AudioFormat(Encoding.OPUS, 24_000), "", "en", 400, 1275, 65_536
        )
        await socket.receive()
        await socket.send_str(event_to_json(ready))
        packets = 0
        while packets < after_packets:
            packets += (await socket.receive()).type is WSMsgType.BINARY
        if last is not None:
            await socket.send_str(event_to_json(last))
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/v1/conversation", converse)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def test_turns_of_sessions_that_break_off_are_counted_as_such() -> None:
    async with hanging_up(after_packets=60) as url:
        result = await measure(Plan(url, 3, 2.0))
    assert (result.turns, result.measured, result.unmeasured) == (3, 0, {"connection lost": 3})
    assert result.errors == 3
    assert result.usage_missing == f"{url}/metrics"


async def test_who_is_shown_out_again_is_refused_too() -> None:
    busy = error_event(Overloaded("the gateway is busy: try again soon"), "gateway", ends_session=True)
    async with hanging_up(60, busy) as url:
        result = await measure(Plan(url, 3, 2.0, arrives=True))
    assert (result.refused, result.measured, result.unmeasured) == (3, 0, {"connection lost": 3})
    assert result.errors == 0
