"""Turns of every kind, held with four real processes: spoken, interrupted, typed, with a function, failed at a hop.

Silences are long enough for a busy machine to notice them, and nothing waits for a time of its own.
"""

from __future__ import annotations

import asyncio
import enum
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from aiohttp import web

from parley.asr import Endpointing
from parley.conversation import (
    ErrorEvent,
    Outcome,
    SessionConfig,
    ToolRequest,
    TurnReport,
    TurnTaking,
    UserText,
)
from parley.llm import Tool, ToolResult
from parley_cli.client import EventLog, converse
from parley_cli.client.listener import Listener
from parley_cli.client.microphone import encoded, packet_of
from parley_cli.client.opus import MIC_RATE_HZ
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.whole import House

CANARY: Final = "tangerine xylophone"
"""Is in every reply, and so in every span that says what was written."""
OF_EACH: Final = 9
"""Turns of each kind."""
SPARE: Final = "spare"
"""The model that answers when the first one does not."""
_REPLY: Final = f"The {CANARY} sings on and on, so that there is time enough to speak while it can still be heard."
_FAILS: Final = "please fail"
_FAILS_FIRST: Final = "please fail first"
_LIGHT: Final = Tool("light", "Switches a light.")
_SLOW_MS: Final = 2_500
_SLOW: Final = Endpointing(
    finished_silence_ms=_SLOW_MS,
    default_silence_ms=_SLOW_MS,
    hesitant_silence_ms=_SLOW_MS,
    unfinished_silence_ms=_SLOW_MS,
    patient_silence_ms=_SLOW_MS,
    patience_limit_ms=_SLOW_MS,
)
_HELD_MS: Final = 1_600
_HELD: Final = Endpointing(
    finished_silence_ms=_HELD_MS,
    default_silence_ms=_HELD_MS,
    hesitant_silence_ms=_HELD_MS,
    unfinished_silence_ms=_HELD_MS,
    patient_silence_ms=_HELD_MS,
    patience_limit_ms=_HELD_MS,
)
"""A head start has time to begin in the silence, and a speaker to go on before it is over."""
_MOST_HEAD_STARTS: Final = 3
"""Of one turn; then the gateway waits until it is certainly over."""
_SECONDS: Final = 90
_TRIES: Final = 4


class Kind(enum.Enum):
    """What happens in a turn."""

    PLAIN = "spoken, and answered when the turn is certainly over"
    HEAD_START = "spoken, and answered by what was begun before that"
    DROPPED = "spoken with pauses, in each of which a reply is begun and dropped"
    SLOW = "spoken, and answered only after a long silence"
    INTERRUPTED = "spoken, and the user speaks into the reply"
    TYPED = "typed, and answered"
    GREETING = "nothing is said, and the assistant begins"
    FUNCTION = "typed, and the model calls a function of the listener's"
    RETRIED = "typed, and answered by the second endpoint, since the first one fails"
    MODEL_FAILS = "typed, and all endpoints answer with an error"
    NO_ASR = "spoken, and the ASR server is away"
    NO_LLM = "typed, and the LLM server is away"
    NO_TTS = "typed, and the TTS server is away"


AWAY: Final = (Kind.NO_ASR, Kind.NO_LLM, Kind.NO_TTS)
"""Kinds that need a Parley of their own."""
_OUTCOMES: Final = {
    Kind.INTERRUPTED: Outcome.INTERRUPTED,
    Kind.MODEL_FAILS: Outcome.FAILED,
    Kind.NO_LLM: Outcome.FAILED,
    Kind.NO_TTS: Outcome.FAILED,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn that is over."""

    kind: Kind
    report: TurnReport

    @property
    def as_meant(self) -> bool:
        """False: on a machine with too much to do something else went wrong, or the client was too slow to report."""
        report, wanted = self.report, _OUTCOMES.get(self.kind, Outcome.COMPLETED)
        heard = any(each.name == "client.playout" for each in report.waterfall)
        return (
            report.outcome is wanted
            and heard is (wanted is not Outcome.FAILED)
            and report.head_start is (self.kind is Kind.HEAD_START)
            and report.model.startswith(SPARE) is (self.kind is Kind.RETRIED)
        )


@dataclass(slots=True)
class Evening:
    """All turns that were held."""

    turns: list[Turn] = field(default_factory=list)
    lost: int = 0
    """Turns of which nothing was heard, since the ASR server was away; nobody reports on them."""

    @property
    def reports(self) -> list[TurnReport]:
        return [turn.report for turn in self.turns]

    def of(self, *kinds: Kind) -> list[TurnReport]:
        """Those that went as they were meant to."""
        return [turn.report for turn in self.turns if turn.kind in kinds and turn.as_meant]

    def ended(self, *outcomes: Outcome) -> list[TurnReport]:
        return [report for report in self.reports if report.outcome in outcomes]


@asynccontextmanager
async def open_parley(otlp: str, **settings: str) -> AsyncIterator[House]:
    """Four processes that send spans and log lines to `otlp`, words among the spans; two endpoints may be asked."""
    async with _endpoint() as url:
        common = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
            "PARLEY_TRACE_CONTENT": "1",
            "PARLEY_LLM_ENGINE": "openai",
            "PARLEY_LLM_URL": url,
            "PARLEY_LLM_MODEL": "small",
            "PARLEY_LLM_FALLBACKS": f"{SPARE}@{url}/{SPARE}",
            # Somebody's turn to come is a long time here.
            "PARLEY_LLM_FIRST_TOKEN_SECONDS": "20",
            "PARLEY_LLM_WARM_UP": "false",
            "PARLEY_SCRIPTED_TTS_CHARACTER_MS": "40",
            "OTEL_LOGS_EXPORTER": "otlp",
            "PARLEY_LOG_LEVEL": "INFO",
        }
        async with open_house("scripted", **common, **settings) as house:
            yield house


async def hold(house: House, evening: Evening, *kinds: Kind) -> None:
    """Hold some turns of each of the kinds, those of one kind side by side, until enough went as they were meant to."""
    for kind in kinds:
        for _ in range(_TRIES):
            missing = OF_EACH - len(evening.of(kind))
            async with asyncio.TaskGroup() as tasks:
                held = [tasks.create_task(_converse(house.url, kind)) for _ in range(missing)]
            evening.turns += [turn for task in held for turn in task.result()]


async def speak_in_vain(house: House, evening: Evening) -> None:
    """Have people speak, side by side, to a Parley whose ASR server is away, until they are told."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(OF_EACH):
            tasks.create_task(_until_told(house.url))
    evening.lost += OF_EACH


async def _until_told(url: str) -> None:
    log = EventLog()

    async def scene() -> None:
        await log.first(ErrorEvent)

    async with asyncio.timeout(_SECONDS), converse(url) as conversation:
        microphone = encoded(partial(packet_of, _voice(2.0)))
        await Listener(conversation, microphone, log, SessionConfig(reports_playback=True)).during(scene)


async def _converse(url: str, kind: Kind) -> list[Turn]:
    """One session; all its turns."""
    log = EventLog()
    sound, turns = SOUNDS.get(kind), 2 if kind is Kind.INTERRUPTED else 1
    config = SessionConfig(
        reports_playback=True,
        greeting=_REPLY if kind is Kind.GREETING else "",
        tools=(_LIGHT,) if kind is Kind.FUNCTION else (),
        endpointing=_ENDPOINTING.get(kind),
        turn_taking=TurnTaking(head_start=kind in {Kind.HEAD_START, Kind.DROPPED}),
    )

    async def scene() -> None:
        if kind is not Kind.GREETING and sound is None:
            await listener.send(UserText(_TEXTS.get(kind, "turn on the light")))
        if kind is Kind.FUNCTION:
            request = await log.first(ToolRequest)
            await listener.send(ToolResult(request.call.id, "done"))
        await log.until(lambda: len(log.of(TurnReport)) >= turns)

    async with asyncio.timeout(_SECONDS), converse(url) as conversation:
        listener = Listener(conversation, encoded(partial(packet_of, sound or b"")), log, config)
        await listener.during(scene)
    # Who has interrupted is answered as anybody else.
    return [Turn(each, report) for each, report in zip((kind, Kind.PLAIN), log.of(TurnReport), strict=False)]


def _voice(seconds: float) -> bytes:
    """A tone, which the scripted recogniser takes for speech, s16le at 48 kHz."""
    times = np.arange(round(seconds * MIC_RATE_HZ)) / MIC_RATE_HZ
    return (12_000 * np.sin(2 * np.pi * 200 * times)).astype("<i2").tobytes()


def _silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * MIC_RATE_HZ))


SOUNDS: Final = {
    Kind.PLAIN: _voice(1.0),
    Kind.HEAD_START: _voice(1.0),
    Kind.DROPPED: (_voice(0.8) + _silence(1.0)) * _MOST_HEAD_STARTS + _voice(0.8),
    Kind.SLOW: _voice(1.0),
    Kind.INTERRUPTED: _voice(1.0) + _silence(3.0) + _voice(1.5),
}
"""What is said; nothing in the other kinds."""
_ENDPOINTING: Final = {Kind.SLOW: _SLOW, Kind.DROPPED: _HELD, Kind.HEAD_START: _HELD}
_TEXTS: Final = {Kind.MODEL_FAILS: _FAILS, Kind.RETRIED: _FAILS_FIRST}


@asynccontextmanager
async def _endpoint() -> AsyncIterator[str]:
    """A model behind an OpenAI-compatible address."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _answer)
    app.router.add_post(f"/v1/{SPARE}/chat/completions", _answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


async def _answer(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    last = body["messages"][-1]
    asked, is_first = str(last["content"]), body["model"] != SPARE
    if asked == _FAILS or (asked == _FAILS_FIRST and is_first):
        # Too much for it this once: an endpoint that were ill would be left alone for a while.
        return web.json_response({"error": {"message": "too much"}}, status=413)
    call = {"index": 0, "id": "a", "function": {"name": _LIGHT.name, "arguments": "{}"}}
    # The server's own functions are there too, and none of them is called.
    offered = {tool["function"]["name"] for tool in body.get("tools", ())}
    calls = _LIGHT.name in offered and last["role"] == "user"
    delta = {"tool_calls": [call]} if calls else {"content": _REPLY}
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for choice in (
        {"index": 0, "delta": delta, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"},
    ):
        await response.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response
