"""Every kind of turn has the spans that ARCHITECTURE.md promises, and none without a parent."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web
from opentelemetry.trace import SpanKind

from asr_server.engine import RATE_HZ, Transcript
from asr_server.engines.scripted import ScriptedEngine as ScriptedAsr
from asr_server.engines.scripted import ScriptedRecognizer
from llm_server.engine import Delta, Finish, StopReason, ToolCall
from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.endpoint import Endpoint
from parley.conversation import (
    AudioPacket,
    CancelReply,
    ClientMark,
    ErrorEvent,
    MarkKind,
    Ping,
    ReplyFinished,
    ReplyStarted,
    SessionConfig,
    ToolRequest,
    TurnReport,
    TurnTaking,
    TurnTimes,
    UserDiscarded,
    UserText,
)
from parley.errors import EngineFailed
from parley.llm import Tool, ToolResult
from tests.edge_gateway.rig import (
    SILENCE,
    Caller,
    Listener,
    Script,
    gateway,
    listening,
    serve_asr,
    serve_llm,
    serve_tts,
)
from tests.edge_gateway.test_overlap_sessions import echo_of_reply
from tests.edge_gateway.traces import Trace, attributes, failed, table, traces
from tests.llm_server.endpoint_rig import event
from tts_server.engines.scripted import ScriptedEngine as ScriptedTts

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from opentelemetry.sdk.trace import ReadableSpan

    from llm_server.engine import Conversation
    from tts_server.engine import Audio, SpeechRequest, WordMark

AWAY: Final = "127.0.0.1:1"
QUOTE: Final = "tangerine xylophone"
"""What a server that fails says of what it was asked."""
TEXT: Final = "It is late."
LIGHT: Final = Tool("light", "Switches a light.")
PLAIN: Final = SessionConfig(tools=(LIGHT,), turn_taking=TurnTaking(head_start=False))
EAGER: Final = SessionConfig()
PLAYBACK: Final = (MarkKind.FIRST_PACKET, MarkKind.FIRST_RENDERED, MarkKind.FIRST_AUDIBLE)


class Writer(Caller):
    """Writes its text, and does not end it before it may: so a reply lasts until all of it was looked at."""

    def __init__(self, *rounds: tuple[Delta | ToolCall, ...]) -> None:
        super().__init__(*(rounds or ((Delta(TEXT),),)))
        self.may_end = asyncio.Event()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        async for each in super().reply(conversation):
            if isinstance(each, Finish) and each.reason is StopReason.STOP:
                await self.may_end.wait()
            yield each


class FailingWriter(Writer):
    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        if conversation.messages:
            raise EngineFailed(f"cannot answer {QUOTE}")
        yield Finish(StopReason.STOP)


class Thinker(Writer):
    """Says nothing before it may."""

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        self.asked.append(conversation)
        await self.may_end.wait()
        yield Delta(TEXT)


class ForgetfulRecognizer(ScriptedRecognizer):
    """Hears words up to the first pause, and none when the turn is over."""

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        heard = super().transcribe(audio, final=final)
        return heard if len(audio) < RATE_HZ else Transcript("")


class ForgetfulAsr(ScriptedAsr):
    def recognizer(self, language: str, hints: tuple[str, ...]) -> ForgetfulRecognizer:
        del language, hints
        return ForgetfulRecognizer(("what time is it",), 0.0)


class FailingVoice(ScriptedTts):
    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        del stop
        raise EngineFailed(f"cannot say {QUOTE} of {request.text}")


class Deaf:
    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        del audio, final
        raise RuntimeError(f"cannot understand {QUOTE}")


class DeafAsr(ScriptedAsr):
    def recognizer(self, language: str, hints: tuple[str, ...]) -> Deaf:  # type: ignore[override]  # as good as one
        del language, hints
        return Deaf()


@dataclass
class Scene:
    """A session, and what is told of it."""

    listener: Listener
    writer: Writer

    async def knows_the_clock(self) -> None:
        """A ping has been answered: what the client says of its clock is believed."""
        if not any(isinstance(each, Ping) for each in self.listener.events):
            await self.listener.until(Ping)

    async def speaks(self) -> None:
        await self.listener.speak(0.2, SILENCE)
        await self.listener.speak(0.8)
        await self.listener.speak(1.4, SILENCE)

    async def hears(self) -> None:
        """The reply begins to be heard."""
        reply = await self.listener.until(ReplyStarted)
        await self.listener.until(AudioPacket)
        for kind in PLAYBACK:
            await self.listener.send(ClientMark(kind, reply.reply, self.listener.clock_us()))
        await self.listener.until(TurnTimes)

    async def hears_to_the_end(self) -> None:
        await self.hears()
        self.writer.may_end.set()
        await self.ends()

    async def ends(self) -> None:
        await self.listener.until(TurnReport)


async def spoken(scene: Scene) -> None:
    await scene.speaks()
    await scene.hears_to_the_end()


async def head_start_used(scene: Scene) -> None:
    await scene.listener.speak(0.2, SILENCE)
    await scene.listener.speak(0.8)
    await scene.listener.speak(0.28, SILENCE)
    await asked(scene, 1)
    await scene.listener.speak(1.2, SILENCE)
    await scene.hears_to_the_end()


async def head_start_dropped(scene: Scene) -> None:
    await scene.listener.speak(0.2, SILENCE)
    await scene.listener.speak(0.6)
    await scene.listener.speak(0.28, SILENCE)
    await asked(scene, 1)
    # So that there is no other one when the user has gone on.
    await scene.listener.send(PLAIN)
    await scene.listener.speak(0.6)
    await scene.listener.speak(1.4, SILENCE)
    await scene.hears_to_the_end()


async def head_start_for_nothing(scene: Scene) -> None:
    await scene.listener.speak(0.2, SILENCE)
    await scene.listener.speak(0.4)
    await scene.listener.speak(0.28, SILENCE)
    await asked(scene, 1)
    await scene.listener.speak(0.8)
    await scene.listener.speak(1.4, SILENCE)
    await scene.listener.until(UserDiscarded)


async def interrupted(scene: Scene) -> None:
    await scene.speaks()
    await scene.hears()
    await scene.listener.send(UserText("stop it"))
    await scene.listener.until(ReplyFinished)
    await scene.ends()
    await scene.hears_to_the_end()


async def with_a_function(scene: Scene) -> None:
    await scene.speaks()
    request = await scene.listener.until(ToolRequest)
    await scene.listener.send(ToolResult(request.call.id, QUOTE))
    await scene.hears_to_the_end()


async def fails(scene: Scene) -> None:
    scene.writer.may_end.set()
    await scene.speaks()
    await scene.ends()


async def is_not_heard(scene: Scene) -> None:
    await scene.speaks()
    await scene.listener.until(UserDiscarded)


async def nobody_listens(scene: Scene) -> None:
    while not any(isinstance(each, ErrorEvent) for each in scene.listener.events):
        await scene.listener.next()


async def typed(scene: Scene) -> None:
    await scene.listener.send(UserText("what time is it"))
    await scene.hears_to_the_end()


async def greeted(scene: Scene) -> None:
    await scene.hears_to_the_end()


async def echoed(scene: Scene) -> None:
    await scene.speaks()
    await echo_of_reply(scene.listener)
    await scene.listener.speak(2.2, SILENCE)
    await scene.listener.until(UserDiscarded)
    await scene.listener.send(CancelReply())
    await scene.ends()


async def asked(scene: Scene, times: int) -> None:
    while len(scene.writer.asked) < times:
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Kind:
    """How a turn of a kind comes about."""

    play: Callable[[Scene], Awaitable[None]]
    config: SessionConfig = PLAIN
    writer: Callable[[], Writer] = Writer
    hearing: Callable[[], ScriptedAsr] = field(default=lambda: ScriptedAsr(("what time is it",), 0.0))
    voice: Callable[[], ScriptedTts] = field(default=lambda: ScriptedTts(0.0, 0.1))
    away: str = ""
    other_endpoint: bool = False


def calls() -> Writer:
    return Writer((ToolCall("a", LIGHT.name, f'{{"what": "{QUOTE}"}}'),), (Delta(TEXT),))


def tells_a_story() -> Writer:
    """Long enough for an echo to be heard in it, however slow the machine is."""
    return Writer((Delta(f"{TEXT} {'And it goes on and on. ' * 20}"),))


def hears_echo() -> ScriptedAsr:
    return ScriptedAsr(("are you there", "it is late"), 0.0)


def hears_on() -> ScriptedAsr:
    return ScriptedAsr(("what time is it", "what time is it in rome"), 0.0)


KINDS: Final = {
    "spoken": Kind(spoken),
    "head start used": Kind(head_start_used, EAGER),
    "head start dropped": Kind(head_start_dropped, EAGER, hearing=hears_on),
    "interrupted": Kind(interrupted),
    "asked of another endpoint": Kind(spoken, other_endpoint=True),
    "with a function": Kind(with_a_function, writer=calls),
    "the ASR engine fails": Kind(is_not_heard, hearing=lambda: DeafAsr((), 0.0)),
    "the ASR server is away": Kind(nobody_listens, away="asr"),
    "the model fails": Kind(fails, writer=FailingWriter),
    "the LLM server is away": Kind(fails, away="llm"),
    "the voice fails": Kind(fails, voice=lambda: FailingVoice(0.0, 0.1)),
    "the TTS server is away": Kind(fails, away="tts"),
    "typed": Kind(typed),
    "greeting": Kind(greeted, SessionConfig(greeting=f"{TEXT} And it goes on and on.")),
    "no words after a head start": Kind(
        head_start_for_nothing, EAGER, writer=Thinker, hearing=lambda: ForgetfulAsr((), 0.0)
    ),
    "an echo, or a backchannel": Kind(echoed, writer=tells_a_story, hearing=hears_echo),
}


async def recorded(kind: Kind) -> list[Trace]:
    """The traces of a session with a turn of this kind; no other has the table's marks of it."""
    async with AsyncExitStack() as stack:
        writer = kind.writer()
        script = Script(writer=writer, hearing=kind.hearing(), speaking=kind.voice())
        if kind.other_endpoint:
            script.model = await stack.enter_async_context(two_endpoints(writer))
        addresses = (
            AWAY if kind.away == "asr" else await serve_asr(stack, script),
            AWAY if kind.away == "llm" else await serve_llm(stack, script),
            AWAY if kind.away == "tts" else await serve_tts(stack, script),
        )
        parley = await stack.enter_async_context(gateway(script, addresses))
        async with listening(parley, kind.config) as listener:
            scene = Scene(listener, writer)
            await scene.knows_the_clock()
            await kind.play(scene)
    return traces(script.recorded.all_spans)


@asynccontextmanager
async def two_endpoints(writer: Writer) -> AsyncIterator[EndpointsEngine]:
    """An endpoint that fails and says why, and one that answers."""

    async def refuses(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text=f"too busy for {QUOTE}")

    async def answers(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event(TEXT))
        await writer.may_end.wait()
        await response.write(event(reason="stop") + b"data: [DONE]\n\n")
        return response

    async with AsyncExitStack() as stack:
        endpoints = []
        for name, answer in (("a", refuses), ("b", answers)):
            app = web.Application()
            app.router.add_post("/v1/chat/completions", answer)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            endpoints.append(Endpoint(f"http://{host}:{port}/v1", name))
        engine = EndpointsEngine(tuple(endpoints), 10.0, warm_up=False)
        stack.push_async_callback(engine.close)
        yield engine


def test_each_kind_of_the_table_is_held_here() -> None:
    assert table().keys() == KINDS.keys()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", KINDS)
async def test_a_turn_has_the_spans_that_the_table_says(name: str) -> None:
    found, row = await recorded(KINDS[name]), table()[name]
    assert row in [each.row for each in found]
    for each in found:
        assert each.orphans == []
        assert QUOTE not in str([span.to_json() for span in each.spans])
        assert len(each.named("asr.endpoint")) <= 1
        for span in each.spans:
            check_times(span)
            check_failure(span)
        assert failed(each.root) == (each.row.outcome == "failed")
    (turn,) = [each for each in found if each.row == row]
    CHECKS.get(name, nothing_more)(turn)


def check_times(span: ReadableSpan) -> None:
    """Queue and work apart, wherever an engine works."""
    if span.name in {"asr.transcribe", "llm.chat", "tts.synthesize"} and not failed(span):
        has = attributes(span)
        assert "parley.cancelled" in has or {"parley.queue_ms", "parley.engine_ms", "parley.batch_size"} <= has.keys()


def check_failure(span: ReadableSpan) -> None:
    """A failed span says type and code, and nothing that an error says."""
    told = [each for each in span.events if each.name == "exception"]
    assert len(told) == failed(span)
    if failed(span):
        has = attributes(span)
        assert span.status.description == has["parley.error_code"]
        assert [each.attributes for each in told] == [{"exception.type": "parley.errors." + str(has["error.type"])}]


def nothing_more(turn: Trace) -> None:
    """The table has said it all."""
    if turn.row.failed:
        (name,) = tuple(turn.row.failed)
        hop = {"asr.transcribe": "asr", "llm.chat": "llm", "tts.synthesize": "tts"}[name]
        assert attributes(turn.root)["parley.failed_hop"] == hop


def told_by(service: str) -> Callable[[Trace], None]:
    """Of a failure there is one span, and it is this service's; where all is slow, the gateway loses patience too."""

    def check(turn: Trace) -> None:
        nothing_more(turn)
        broken = [span for span in turn.below if failed(span)]
        (told,) = [span for span in broken if span.resource.attributes["service.name"] == service]
        assert attributes(told).get("parley.observed_by", service) == service
        assert {span.resource.attributes["service.name"] for span in broken} <= {service, "gateway"}

    return check


def has_two_attempts(turn: Trace) -> None:
    chat = turn.one("llm.chat")
    (gone,) = [each for each in chat.events if each.name == "parley.endpoint_failed"]
    assert str((gone.attributes or {})["parley.endpoint"]).startswith("a@127.0.0.1:")
    assert (gone.attributes or {})["error.type"] == "http_503"
    assert (gone.attributes or {})["http.response.status_code"] == 503
    assert attributes(chat)["parley.failed_attempts"] == 1
    assert chat.kind is SpanKind.CLIENT
    assert attributes(chat)["gen_ai.response.model"] == "b"
    assert "http.response.status_code" not in attributes(chat)


def has_a_cancelled_reply(turn: Trace) -> None:
    cancelled = ["parley.cancelled" in attributes(span) for span in turn.named("llm.chat")]
    assert sorted(cancelled) == [False, True]


def is_cancelled(turn: Trace) -> None:
    assert {"parley.cancelled" in attributes(span) for span in turn.below} == {True}


def has_a_call(turn: Trace) -> None:
    call, chat = turn.one(f"execute_tool {LIGHT.name}"), turn.one("llm.chat")
    assert call.parent is not None
    assert chat.context is not None
    assert call.parent.span_id == chat.context.span_id
    assert attributes(call)["gen_ai.operation.name"] == "execute_tool"
    assert attributes(call)["gen_ai.tool.name"] == LIGHT.name


CHECKS: Final = {
    "asked of another endpoint": has_two_attempts,
    "head start dropped": has_a_cancelled_reply,
    "no words after a head start": is_cancelled,
    "with a function": has_a_call,
    "the ASR engine fails": told_by("asr"),
    "the ASR server is away": told_by("gateway"),
    "the model fails": told_by("llm"),
    "the LLM server is away": told_by("gateway"),
    "the voice fails": told_by("tts"),
    "the TTS server is away": told_by("gateway"),
}
