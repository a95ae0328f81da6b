"""The OpenAI-compatible engine against llama.cpp's server with a model that people have trained."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio

from llm_server.engine import Conversation, Delta, Finish, Message, Role, StopReason
from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.endpoint import Endpoint
from parley import llm
from parley.errors import Unavailable
from tests.end_to_end.whole import free_ports
from tests.engines.llama_cpp import ALIAS, llama_serving
from tests.engines.weights import smollm2_gguf
from tests.programs import eventually, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

# Nothing here is a matter of time, and the machine may have other work.
PATIENCE_SECONDS = 240.0
CONTEXT_TOKENS = 512
SYSTEM = Message(Role.SYSTEM, "You are a friendly voice assistant. Answer in one or two short spoken sentences.")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[str]:
    async with llama_serving(smollm2_gguf(), CONTEXT_TOKENS) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(address: str) -> AsyncIterator[EndpointsEngine]:
    made = EndpointsEngine((Endpoint(f"{address}/v1", ALIAS),), PATIENCE_SECONDS, PATIENCE_SECONDS, warm_up=False)
    yield made
    await made.close()


def asks(*texts: str, max_tokens: int = 12) -> Conversation:
    """A conversation in turns, begun by the user."""
    roles = (Role.USER, Role.ASSISTANT)
    turns = tuple(Message(roles[place % 2], text) for place, text in enumerate(texts))
    return Conversation((SYSTEM, *turns), max_tokens, temperature=0)


async def said(engine: EndpointsEngine, conversation: Conversation) -> tuple[list[str], Finish]:
    events = [event async for event in engine.reply(conversation)]
    finish = events.pop()
    assert isinstance(finish, Finish)
    return [event.text for event in events if isinstance(event, Delta)], finish


@asynccontextmanager
async def figures(address: str) -> AsyncIterator[dict[str, float]]:
    async with aiohttp.ClientSession() as http, http.get(f"{address}/metrics") as response:
        lines = [line.split() for line in (await response.text()).splitlines() if line.startswith("llamacpp:")]
        yield {name.removeprefix("llamacpp:"): float(value) for name, value in lines}


async def test_replies_are_streamed_one_right_after_the_other_and_end_where_they_must(engine: EndpointsEngine) -> None:
    # The server closes its side of a kept connection after each.
    replies = [await said(engine, asks("Tell me a story.")) for _ in range(3)]
    for pieces, finish in replies:
        assert len(pieces) > 5
        assert (finish.reason, finish.completion_tokens) == (StopReason.LENGTH, 12)
        assert finish.model.startswith(f"{ALIAS}@127.0.0.1")
    assert replies[-1][1].cached_tokens > 0, "what was read before is not read again"


async def test_a_reply_ends_by_itself_and_no_mark_of_the_template_is_in_it(engine: EndpointsEngine) -> None:
    table = "Write a table in Markdown of three fruits and their prices."
    pieces, finish = await said(engine, asks(table, max_tokens=250))
    assert finish.reason is StopReason.STOP
    assert finish.completion_tokens < 250
    assert "<|" not in "".join(pieces)


async def test_characters_of_several_tokens_come_whole(engine: EndpointsEngine) -> None:
    pieces, _ = await said(engine, asks("Say in Japanese: good morning 😀", max_tokens=40))
    text = "".join(pieces)
    assert any(sign > "\u3000" for sign in text), text
    assert "\ufffd" not in text


async def test_a_reply_that_nobody_wants_ends_in_the_server_too(engine: EndpointsEngine, address: str) -> None:
    async with figures(address) as before:
        pass
    async with aclosing(engine.reply(asks("Write a very long story.", max_tokens=400))) as reply:
        async for event in reply:
            if isinstance(event, Delta):
                break

    async def idle() -> float | None:
        async with figures(address) as now:
            return None if now["requests_processing"] else now["tokens_predicted_total"]

    written = await eventually(idle, "the end of the reply", PATIENCE_SECONDS) - before["tokens_predicted_total"]
    assert written < 400
    assert (await said(engine, asks("Hello.", max_tokens=2)))[1].completion_tokens == 2


async def test_a_conversation_that_the_model_cannot_read_whole_loses_its_oldest_turns(engine: EndpointsEngine) -> None:
    long = [f"This is sentence number {number} of a long story about a cat." for number in range(61)]
    _, finish = await said(engine, asks(*long))
    assert 100 < finish.prompt_tokens <= CONTEXT_TOKENS


async def test_a_message_that_does_not_fit_is_refused_with_what_the_server_says(engine: EndpointsEngine) -> None:
    with pytest.raises(Unavailable, match="exceeds the available context size"):
        await said(engine, asks("word " * 900))
    assert (await said(engine, asks("Hello.", max_tokens=2)))[1].completion_tokens == 2


async def test_a_deployments_temperature_holds_for_whoever_asks_without_one(address: str, tmp_path: Path) -> None:
    """llama.cpp draws by chance unless it is told not to."""
    port, metrics = free_ports(2)
    settings = {
        "PARLEY_LLM_ENGINE": "openai",
        "PARLEY_LLM_URL": f"{address}/v1",
        "PARLEY_LLM_MODEL": ALIAS,
        "PARLEY_LLM_TEMPERATURE": "0",
        "PARLEY_LLM_FIRST_TOKEN_SECONDS": str(PATIENCE_SECONDS),
        "PARLEY_LLM_PATIENCE_SECONDS": str(PATIENCE_SECONDS),
        "PARLEY_LLM_PORT": str(port),
        "PARLEY_LLM_METRICS_PORT": str(metrics),
    }
    config = llm.Config((llm.Message(llm.Role.USER, "Tell me a story."),), max_tokens=20)
    async with (
        running(tmp_path, "llm", sys.executable, "-m", "llm_server", **settings),
        llm.LlmClient(f"127.0.0.1:{port}") as client,
    ):

        async def reply() -> str | None:
            try:
                async with client.chat(config) as events:
                    return "".join([event.text async for event in events if isinstance(event, llm.Delta)])
            except Unavailable:
                return None

        first, again = [await eventually(reply, "a reply", PATIENCE_SECONDS) for _ in range(2)]
        drawn = await asyncio.wait_for(reply_at(client, 1.5), PATIENCE_SECONDS)
    assert first == again != drawn


async def reply_at(client: llm.LlmClient, temperature: float) -> str:
    words = (llm.Message(llm.Role.USER, "Tell me a story."),)
    async with client.chat(llm.Config(words, 20, temperature)) as events:
        return "".join([event.text async for event in events if isinstance(event, llm.Delta)])
