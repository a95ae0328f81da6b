"""`parley bench`: many listeners at once, each in real time, against a gateway of the scripted profile.

Every listener speaks a tone, falls silent, waits for the reply and hears it out, over and over. What is measured is
what Parley adds: from the moment a listener sends the packet that completes the silence which ends a turn, to the
moment the first packet of the reply arrives. The scripted engines take no time, so the rest is gateway, hops and
servers. Start the servers with `parley up --profile scripted`; to load one core, put them there with `taskset`.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from dataclasses import asdict, dataclass, field
from typing import Final

import aiohttp
import numpy as np

from parley.conversation import (
    FRAME_HEADER,
    ErrorEvent,
    Event,
    FrameKind,
    Ping,
    Played,
    Pong,
    ReplyAudioEnd,
    ReplyStarted,
    SessionConfig,
    SessionReady,
    TurnReport,
    TurnTaking,
    event_from_json,
    request_to_json,
)
from parley.errors import Unavailable
from parley_cli.client import MIC_RATE_HZ, PACKET_SAMPLES, PacketEncoder

_PACKET_SECONDS: Final = PACKET_SAMPLES / MIC_RATE_HZ
_LISTENING_PACKET: Final = 320
"""Samples of a packet at the rate that the ASR server hears."""
_CODEC_DELAY: Final = 104
"""Samples by which the encoder delays what it encodes (312 at 48 kHz)."""
_WINDOW: Final = 512
_HOLD_OVER: Final = 688
_SILENCE_SAMPLES: Final = 5_120
"""The silence that ends a turn whose words look finished: 320 ms."""
_SPEECH_PACKETS: Final = (40, 80)
_PAUSE_PACKETS: Final = 25
_BUFFER_SECONDS: Final = 0.06
_REPORT_SECONDS: Final = 0.1
_REPLY_PACKET: Final = 480
_PATIENCE_SECONDS: Final = 30.0
_SERVERS: Final = (
    ("asr", "PARLEY_ASR_METRICS_PORT", 9101),
    ("llm", "PARLEY_LLM_METRICS_PORT", 9102),
    ("tts", "PARLEY_TTS_METRICS_PORT", 9103),
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes have used."""

    cpu_seconds: float
    """Processor time of all of them."""
    memory_bytes: float
    """Resident memory of all of them."""


@dataclass(slots=True)
class Tally:
    """What the listeners have seen."""

    delays_ms: list[float] = field(default_factory=list)
    """Own delays."""
    late_ms: list[float] = field(default_factory=list)
    """How late reply packets came for a listener with a buffer of 60 ms; 0 for those in time."""
    underruns: int = 0
    """Replies in which a listener's buffer ran dry."""
    turns: int = 0
    """Turns that were answered and heard out."""
    errors: int = 0
    """Error events."""


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one run."""

    sessions: int
    """Listeners at once."""
    seconds: float
    """How long they talked."""
    turns: int
    """Turns that were answered and heard out."""
    errors: int
    """Error events."""
    ready_per_second: float
    """Sessions made ready a second, all opened at once."""
    own_delay_p50_ms: float
    """What Parley added, median."""
    own_delay_p99_ms: float
    """What Parley added, 99th percentile."""
    late_p99_ms: float
    """How late reply packets were, 99th percentile."""
    underruns: int
    """Replies in which a buffer ran dry."""
    cpu_percent: float
    """Processor time of the four processes, as a share of one core."""
    cpu_per_session_minute: float
    """Processor seconds for one minute of one session."""
    idle_kb: float
    """Memory a session took before it spoke."""
    talking_kb: float
    """Memory a session took in the end."""


async def bench(url: str, sessions: int, seconds: float, *, as_json: bool, head_start: bool = False) -> int:
    """Hold `sessions` conversations for `seconds` and print the figures; 1 when a session saw an error."""
    result = await _run(url.rstrip("/"), sessions, seconds, head_start=head_start)
    print(json.dumps(asdict(result)) if as_json else table(result))
    return 1 if result.errors else 0


async def _run(url: str, sessions: int, seconds: float, *, head_start: bool) -> Result:
    loud, quiet = _packets()
    tally = Tally()
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        empty = await _usage(http, url)
        listeners = [_Listener(http, url, loud, quiet, tally, head_start=head_start) for _ in range(sessions)]
        opening = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for listener in listeners:
                tasks.create_task(listener.open())
        opened = time.monotonic() - opening
        before = await _usage(http, url)
        until = time.monotonic() + seconds
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for listener in listeners:
                tasks.create_task(listener.talk(until))
        talked = time.monotonic() - began
        after = await _usage(http, url)
        async with asyncio.TaskGroup() as tasks:
            for listener in listeners:
                tasks.create_task(listener.close())
    cpu = after.cpu_seconds - before.cpu_seconds
    return Result(
        sessions=sessions,
        seconds=round(talked, 1),
        turns=tally.turns,
        errors=tally.errors,
        ready_per_second=round(sessions / opened, 1),
        own_delay_p50_ms=round(percentile(tally.delays_ms, 0.5), 2),
        own_delay_p99_ms=round(percentile(tally.delays_ms, 0.99), 2),
        late_p99_ms=round(percentile(tally.late_ms, 0.99), 2),
        underruns=tally.underruns,
        cpu_percent=round(100 * cpu / talked, 1),
        cpu_per_session_minute=round(cpu / sessions / talked * 60, 3),
        idle_kb=round((before.memory_bytes - empty.memory_bytes) / sessions / 1024, 1),
        talking_kb=round((after.memory_bytes - empty.memory_bytes) / sessions / 1024, 1),
    )


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed; NaN when there are none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def decisive_packet(last_loud: int) -> int:
    """The packet with which a turn is over whose last loud packet is number `last_loud`.

    The ASR server looks at windows of 32 ms, takes the detector's hold-over off, and gets two packets a message.
    """
    last_sample = (last_loud + 1) * _LISTENING_PACKET + _CODEC_DELAY
    voiced_end = (last_sample // _WINDOW + 1) * _WINDOW
    windows = math.ceil((_SILENCE_SAMPLES - _HOLD_OVER) / _WINDOW)
    packet = math.ceil((voiced_end + windows * _WINDOW) / _LISTENING_PACKET) - 1
    return packet | 1


def table(result: Result) -> str:
    """The figures with their budgets."""
    one = result.sessions == 1
    rows = (
        ("sessions", f"{result.sessions}", ""),
        ("turns answered", f"{result.turns}", f"errors {result.errors}"),
        ("sessions ready a second", f"{result.ready_per_second:.0f}", "1000 or more"),
        ("own delay p50", f"{result.own_delay_p50_ms:.1f} ms", "4 ms" if one else "6 ms at 100 sessions"),
        (
            "own delay p99",
            f"{result.own_delay_p99_ms:.1f} ms",
            "8 ms" if one else "25 ms at 100 sessions, 100 ms at most",
        ),
        ("reply packets late p99", f"{result.late_p99_ms:.1f} ms", "40 ms"),
        ("replies that ran dry", f"{result.underruns}", ""),
        ("one core", f"{result.cpu_percent:.0f} %", "160 sessions on one core"),
        ("CPU per session-minute", f"{result.cpu_per_session_minute:.3f} s", ""),
        ("memory per idle session", f"{result.idle_kb:.0f} KB", "60 KB"),
        ("memory per talking session", f"{result.talking_kb:.0f} KB", "300 KB"),
    )
    lines = [f"{name:<28}{figure:>12}   {budget}" for name, figure, budget in rows]
    return "\n".join([f"{'':<28}{'measured':>12}   budget", *lines])


def _packets() -> tuple[list[bytes], list[bytes]]:
    """A second of loud packets, and of quiet ones after them."""
    encoder = PacketEncoder()
    seconds = np.arange(PACKET_SAMPLES) / MIC_RATE_HZ
    tone = (np.sin(2 * np.pi * 200 * seconds) * 12_000).astype("<i2").tobytes()
    loud = [encoder.encode(tone) for _ in range(50)]
    quiet = [encoder.encode(bytes(2 * PACKET_SAMPLES)) for _ in range(50)]
    return loud, quiet


async def _usage(http: aiohttp.ClientSession, url: str) -> Usage:
    """Processor time and memory of gateway and servers, from their metrics."""
    host = url.rsplit(":", 1)[0]
    pages = [f"{url}/metrics"] + [f"{host}:{os.environ.get(name) or port}/metrics" for _, name, port in _SERVERS]
    cpu = memory = 0.0
    for page in pages:
        try:
            async with http.get(page) as response:
                for line in (await response.text()).splitlines():
                    if line.startswith("process_cpu_seconds_total "):
                        cpu += float(line.split()[1])
                    elif line.startswith("process_resident_memory_bytes "):
                        memory += float(line.split()[1])
        except aiohttp.ClientError as error:
            raise Unavailable(f"no metrics at {page}: start everything with `parley up --profile scripted`") from error
    return Usage(cpu, memory)


class _Listener:
    """One listener, who speaks and hears at the pace of time."""

    def __init__(  # noqa: PLR0913 - what all listeners share
        self,
        http: aiohttp.ClientSession,
        url: str,
        loud: list[bytes],
        quiet: list[bytes],
        tally: Tally,
        *,
        head_start: bool,
    ) -> None:
        self._http = http
        self._url = url
        self._loud = loud
        self._quiet = quiet
        self._tally = tally
        self._head_start = head_start
        self._number = 0
        self._answered = asyncio.Event()
        self._sent: dict[int, float] = {}
        self._decisive = -1
        self._first_arrival = 0.0
        self._reply = 0
        self._reply_packets = 0
        self._late = 0.0
        self._reported = 0.0

    async def open(self) -> None:
        """Connect, and wait until the session is ready."""
        self._socket = await self._http.ws_connect(
            f"{self._url}/v1/conversation", protocols=("parley.v1",), compress=0, max_msg_size=0
        )
        config = SessionConfig(reports_playback=True, turn_taking=TurnTaking(head_start=self._head_start))
        await self._socket.send_str(request_to_json(config))
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not isinstance(await self._next(), SessionReady):
                pass

    async def close(self) -> None:
        """Leave."""
        await self._socket.close()

    async def talk(self, until: float) -> None:
        """Hold turns until the time has come, and hear the last one out."""
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(self._hear())
            await asyncio.sleep(random.random())  # noqa: S311 - so that listeners do not march in step
            self._next_at = time.monotonic()
            while time.monotonic() < until:
                await self._turn()
            hearing.cancel()

    async def _turn(self) -> None:
        speech = random.randrange(*_SPEECH_PACKETS)  # noqa: S311 - as above
        self._answered.clear()
        self._sent.clear()
        self._first_arrival = 0.0
        self._decisive = decisive_packet(self._number + speech - 1)
        for place in range(speech):
            await self._send(self._loud[place % len(self._loud)])
        place = 0
        given_up = time.monotonic() + _PATIENCE_SECONDS
        while not self._answered.is_set() and time.monotonic() < given_up:
            await self._send(self._quiet[min(place, len(self._quiet) - 1)])
            place += 1
        for _ in range(_PAUSE_PACKETS):
            await self._send(self._quiet[-1])

    async def _send(self, packet: bytes) -> None:
        delay = self._next_at - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        captured = round((time.time() - _PACKET_SECONDS) * 1e6)
        head = FRAME_HEADER.pack(FrameKind.MIC_OPUS, 0, 0, self._number, captured)
        self._sent[self._number] = time.monotonic()
        await self._socket.send_bytes(head + packet)
        self._number += 1
        self._next_at += _PACKET_SECONDS

    async def _hear(self) -> None:
        while True:
            event = await self._next()
            match event:
                case ReplyStarted():
                    self._reply, self._reply_packets, self._late, self._reported = event.reply, 0, 0.0, 0.0
                case Ping():
                    now = round(time.time() * 1e6)
                    await self._socket.send_str(request_to_json(Pong(event.id, now, now)))
                case ReplyAudioEnd():
                    await self._report(final=True)
                case TurnReport():
                    self._tally.turns += 1
                    self._tally.underruns += self._late > 0
                    self._answered.set()
                case ErrorEvent():
                    self._tally.errors += 1
                case _:
                    pass

    async def _next(self) -> Event | None:
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            await self._packet(time.monotonic())
            return None
        if message.type is aiohttp.WSMsgType.TEXT:
            return event_from_json(message.data)
        raise Unavailable(f"the gateway closed a session ({self._socket.close_code})")

    async def _packet(self, now: float) -> None:
        if not self._first_arrival:
            self._first_arrival = now
            sent = self._sent.get(self._decisive)
            if sent is not None:
                self._tally.delays_ms.append((now - sent) * 1000)
        due = self._first_arrival + _BUFFER_SECONDS + self._reply_packets * _PACKET_SECONDS
        late = max(0.0, now - due)
        self._tally.late_ms.append(late * 1000)
        self._late = max(self._late, late)
        self._reply_packets += 1
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            await self._report(final=False)

    async def _report(self, *, final: bool) -> None:
        elapsed = time.monotonic() - self._first_arrival - _BUFFER_SECONDS
        heard = (
            self._reply_packets * _REPLY_PACKET
            if final
            else max(0, min(self._reply_packets * _REPLY_PACKET, round(elapsed * 24_000)))
        )
        played = Played(self._reply, heard, round(time.time() * 1e6), final=final)
        await self._socket.send_str(request_to_json(played))
