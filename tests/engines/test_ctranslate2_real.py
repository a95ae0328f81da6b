"""A language model that people have trained, through CTranslate2, in float32."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from llm_server.engine import Conversation, Delta, Finish, Message, Role, StopReason
from llm_server.engines.ctranslate2 import CTranslate2Engine, ModelConfig
from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.endpoint import Endpoint
from parley.errors import TooLarge
from tests.engines.llama_cpp import ALIAS, llama_serving
from tests.engines.smollm2 import smollm2_ctranslate2
from tests.engines.weights import smollm2_gguf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llm_server.engine import Engine

# Its first use converts the model, which takes a minute or two.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

PATIENCE_SECONDS = 240.0
SYSTEM = Message(Role.SYSTEM, "You are a friendly voice assistant. Answer in one or two short spoken sentences.")
QUESTION = Message(Role.USER, "What is the capital of France?")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[CTranslate2Engine]:
    config = ModelConfig(str(smollm2_ctranslate2()), parallel=1, threads=1, context_tokens=512)
    made = CTranslate2Engine(config, PATIENCE_SECONDS)
    made.load()
    yield made
    await made.close()


async def said(engine: Engine, *messages: Message, max_tokens: int = 16) -> tuple[str, Finish]:
    events = [event async for event in engine.reply(Conversation(messages, max_tokens, temperature=0))]
    finish = events.pop()
    assert isinstance(finish, Finish)
    return "".join(event.text for event in events if isinstance(event, Delta)), finish


async def test_it_answers_and_stops_at_its_own_mark_which_is_not_said(engine: CTranslate2Engine) -> None:
    text, finish = await said(engine, QUESTION)
    assert text == "The capital of France is Paris."
    assert finish.reason is StopReason.STOP


async def test_instructions_that_were_read_before_change_no_word(engine: CTranslate2Engine) -> None:
    first, before = await said(engine, SYSTEM, QUESTION)
    again, after = await said(engine, SYSTEM, QUESTION)
    assert again == first
    assert (before.cached_tokens, after.cached_tokens > 0) == (0, True)


async def test_characters_of_several_tokens_come_whole(engine: CTranslate2Engine) -> None:
    text, _ = await said(engine, SYSTEM, Message(Role.USER, "Say in Japanese: good morning 😀"), max_tokens=24)
    assert any(sign > "\u3000" for sign in text), text
    assert "\ufffd" not in text


async def test_leaving_a_reply_ends_the_models_work(engine: CTranslate2Engine) -> None:
    endless = Conversation((Message(Role.USER, "Write a very long story."),), 400, temperature=0)
    async with aclosing(engine.reply(endless)) as reply:
        async for event in reply:
            if isinstance(event, Delta):
                break
    assert (await said(engine, QUESTION, max_tokens=2))[1].completion_tokens == 2


async def test_a_message_that_does_not_fit_is_refused_with_its_length(engine: CTranslate2Engine) -> None:
    with pytest.raises(TooLarge, match="at most 496"):
        await said(engine, Message(Role.USER, "word " * 900))


async def test_llama_cpp_reads_the_same_conversation_as_just_as_many_tokens(engine: CTranslate2Engine) -> None:
    """Template, special tokens and tokenizer are read from different files by different programs."""
    turns = (QUESTION, Message(Role.ASSISTANT, "Paris, of course."), Message(Role.USER, "Grüße aus Köln, 你好 😀"))
    async with llama_serving(smollm2_gguf(), 512) as address:
        other = EndpointsEngine((Endpoint(f"{address}/v1", ALIAS),), PATIENCE_SECONDS, PATIENCE_SECONDS, warm_up=False)
        for messages in ((QUESTION,), (SYSTEM, QUESTION), turns, (SYSTEM, *turns)):
            here, there = [(await said(each, *messages, max_tokens=1))[1].prompt_tokens for each in (engine, other)]
            assert here == there, messages
        await other.close()
