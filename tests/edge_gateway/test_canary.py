"""What a user says, reads or is told stands in no span, log line or metric of any of the four services."""

from __future__ import annotations

import io
import json
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web
from prometheus_client import generate_latest

from llm_server.engine import Delta, Finish, ToolCall
from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.endpoint import Endpoint
from parley.conversation import Outcome, SessionConfig, ToolRequest, TurnReport, UserText
from parley.errors import EngineFailed
from parley.llm import Tool, ToolResult
from serving.log_lines import configure_logging
from tests.edge_gateway.rig import Caller, Script, house, listening
from tests.edge_gateway.traces import attributes
from tts_server.engines.scripted import ScriptedEngine as ScriptedTts

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from llm_server.engine import Conversation
    from tests.edge_gateway.rig import Recorded
    from tts_server.engine import Audio, SpeechRequest, WordMark

CANARY: Final = "tangerine xylophone"
FAILS: Final = "please fail"
LIGHT: Final = Tool("light", "Switches a light.")
CONFIG: Final = SessionConfig(
    tools=(LIGHT,), hints=(CANARY,), instructions=f"Say {CANARY}.", greeting=f"Hello {CANARY}."
)


class Model(Caller):
    """Repeats what it is told, calls a function with it, and fails with it."""

    def __init__(self) -> None:
        call = ToolCall("a", LIGHT.name, f'{{"what": "{CANARY}"}}')
        invented = ToolCall("b", CANARY.replace(" ", "_"), "{}")
        super().__init__((Delta(f"It is {CANARY}."),), (call, invented), (Delta(f"Now it is {CANARY}."),))

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        if FAILS in conversation.messages[-1].text:
            raise EngineFailed(f"not with {CANARY}")
        async for event in super().reply(conversation):
            yield event


class Voice(ScriptedTts):
    """Fails with what it is to say, when that is said twice."""

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        if "Now" in request.text:
            raise EngineFailed(f"cannot say {request.text}")
        return super().speak(request, stop)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log lines of a process with its default settings."""
    root, stream = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    configure_logging("parley", "INFO")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


async def converse(script: Script) -> None:
    """One turn that is spoken, one that calls a function and fails to be spoken, and one that fails to be written."""
    async with house(script) as parley, listening(parley, CONFIG) as listener:
        await listener.until(TurnReport)
        await listener.say_something()
        spoken = await listener.until(TurnReport)
        await listener.send(UserText(f"turn on {CANARY}"))
        if script.model is None:
            request = await listener.until(ToolRequest)
            await listener.send(ToolResult(request.call.id, CANARY))
        called = await listener.until(TurnReport)
        await listener.send(UserText(f"{FAILS} {CANARY}"))
        failed = await listener.until(TurnReport)
    assert CANARY in spoken.transcript + called.transcript
    assert (spoken.outcome, failed.outcome) == (Outcome.COMPLETED, Outcome.FAILED)


def found_in_metrics(recorded: Recorded) -> bool:
    texts = [generate_latest(registry).decode() for registry in recorded.registries.values()]
    assert len(texts) == 4
    return any(CANARY in text or CANARY.replace(" ", "_") in text for text in texts)


def places(recorded: Recorded) -> set[tuple[str, str]]:
    """Span and attribute, wherever the canary stands; for a place that is no attribute: its kind."""
    spans, found = recorded.all_spans, set[tuple[str, str]]()
    for span in spans:
        for has in (attributes(span), *(event.attributes or {} for event in span.events)):
            found |= {(span.name, name) for name, value in has.items() if is_canary(value)}
        rest = (span.name, span.status.description, *(event.name for event in span.events), span.resource.attributes)
        if is_canary(rest):
            found.add((span.name, "elsewhere"))
    return found


def is_canary(value: object) -> bool:
    return any(each in str(value).lower() for each in (*CANARY.split(), CANARY.replace(" ", "_")))


async def run(script: Script, endpoint: str) -> None:
    """The conversation, with a model of this process or behind an endpoint that quotes what it is asked."""
    async with AsyncExitStack() as stack:
        if endpoint:
            script.model = await stack.enter_async_context(quoting(endpoint))
        await converse(script)


@asynccontextmanager
async def quoting(how: str) -> AsyncIterator[EndpointsEngine]:
    """An engine in front of an endpoint that fails with the words of a question: by a status, or in its stream."""

    async def answer(request: web.Request) -> web.StreamResponse:
        asked = str((await request.json())["messages"][-1]["content"])
        if FAILS not in asked:
            choice = {"delta": {"content": f"It is {CANARY}."}, "finish_reason": "stop"}
            text = f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n"
        elif how.isdecimal():
            return web.Response(status=int(how), text=f"cannot answer {asked}")
        else:
            said = json.dumps({"error": {"message": f"cannot answer {asked}"}}) if how == "error" else asked
            text = f"data: {said}\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        engine = EndpointsEngine((Endpoint(f"http://{host}:{port}/v1", "a"),), warm_up=False)
        yield engine
        await engine.close()
    finally:
        await runner.cleanup()


ENDPOINTS: Final = ("", "400", "503", "error", "nonsense")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_no_words_are_recorded(endpoint: str, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARLEY_TRACE_CONTENT", raising=False)
    script = a_script()
    await run(script, endpoint)
    assert places(script.recorded) == set()
    assert not found_in_metrics(script.recorded)
    assert lines.getvalue()
    assert not is_canary(lines.getvalue())


async def test_words_stand_under_their_own_names_alone_where_the_operator_wants_them(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_TRACE_CONTENT", "1")
    script = a_script()
    await run(script, "")
    assert places(script.recorded) == {
        ("parley.turn", "parley.pii.transcript"),
        ("parley.turn", "parley.pii.reply"),
        ("asr.transcribe", "parley.pii.transcript"),
        ("llm.chat", "parley.pii.prompt"),
        ("llm.chat", "parley.pii.text"),
        ("execute_tool light", "parley.pii.arguments"),
        ("execute_tool light", "parley.pii.result"),
        ("execute_tool", "parley.pii.result"),
        ("tts.synthesize", "parley.pii.text"),
    }
    assert not found_in_metrics(script.recorded)
    assert not is_canary(lines.getvalue())


def a_script() -> Script:
    return Script(heard=(f"what is {CANARY}",), writer=Model(), speaking=Voice(0.0, 0.01))
