"""The real vLLM on the CPU, within this process."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from llm_server.engine import Conversation, Delta, Finish, Message, Role, StopReason
from llm_server.engines.vllm import VllmConfig, VllmEngine
from parley.errors import DeadlinePassed, TooLarge, Unavailable
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PATIENCE_SECONDS = 5.0
ARGUMENTS = {"dtype": "bfloat16", "enforce_eager": True, "block_size": 32, "max_num_seqs": 4}
SYSTEM = Message(Role.SYSTEM, "You are a friendly voice assistant. Answer in one or two short spoken sentences.")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(llama: Path) -> AsyncIterator[VllmEngine]:
    config = VllmConfig(str(llama), 1024, json.dumps(ARGUMENTS))
    made, worker = VllmEngine(config, PATIENCE_SECONDS), Worker("load")
    try:
        await worker.run(made.load)
        yield made
    finally:
        worker.close()
        await made.close()


def asks(*texts: str, max_tokens: int = 30) -> Conversation:
    roles = (Role.USER, Role.ASSISTANT)
    messages = tuple(Message(roles[place % 2], text) for place, text in enumerate(texts))
    return Conversation((SYSTEM, *messages), max_tokens, temperature=0)


async def said(engine: VllmEngine, conversation: Conversation) -> tuple[list[str], Finish]:
    events = [event async for event in engine.reply(conversation)]
    finish = events.pop()
    assert isinstance(finish, Finish)
    return [event.text for event in events if isinstance(event, Delta)], finish


def counter(name: str) -> float:
    """What vLLM itself counts."""
    return sum(
        sample.value for metric in REGISTRY.collect() for sample in metric.samples if sample.name == f"vllm:{name}"
    )


async def test_a_model_that_hangs_is_given_up_and_answers_when_it_goes_on(engine: VllmEngine) -> None:
    processes = [process.pid for process in multiprocessing.active_children() if process.pid is not None]
    assert processes
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(DeadlinePassed, match=r"has written nothing for 5 s"):
            await said(engine, asks("Hello."))
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    _, finish = await said(engine, asks("Hello."))
    assert finish.completion_tokens > 0


async def test_a_reply_comes_in_pieces_and_is_counted(engine: VllmEngine) -> None:
    pieces, finish = await said(engine, asks("Hello."))
    assert len(pieces) > 5
    assert finish.completion_tokens == 30
    assert finish.reason is StopReason.LENGTH
    assert finish.prompt_tokens > 100
    assert engine.context_tokens == 1024


async def test_words_are_drawn_as_the_conversation_says(engine: VllmEngine) -> None:
    likeliest, drawn = asks("Hello."), replace(asks("Hello."), temperature=2, seed=7)
    texts = [
        "".join((await said(engine, each))[0])
        for each in (likeliest, replace(drawn, top_p=0.01), drawn, drawn, replace(drawn, seed=8))
    ]
    assert texts[0] == texts[1] != texts[2]
    assert texts[2] == texts[3] != texts[4]


async def test_a_conversation_that_goes_on_is_not_computed_anew(engine: VllmEngine) -> None:
    first = asks("What is the weather like in Rome?")
    pieces, before = await said(engine, first)
    _, after = await said(engine, asks("What is the weather like in Rome?", "".join(pieces), "And in Paris?"))
    # A prompt that was dropped with a head start is found again as well.
    _, again = await said(engine, first)
    assert after.cached_tokens >= before.prompt_tokens - 32
    assert again.cached_tokens >= before.prompt_tokens - 32


async def test_a_reply_that_nobody_wants_is_aborted_within_a_step(engine: VllmEngine) -> None:
    taken, began, step_seconds = 0, time.monotonic(), 0.0
    async with aclosing(engine.reply(asks("Tell me everything.", max_tokens=800))) as reply:
        async for _ in reply:
            taken += 1
            if taken == 5:
                step_seconds = (time.monotonic() - began) / taken
                break
    left = time.monotonic()
    async with asyncio.timeout(10):
        while counter("num_requests_running"):
            await said(engine, asks("Hm?", max_tokens=1))
    assert time.monotonic() - left < max(1.0, 20 * step_seconds)


async def test_a_task_that_is_cancelled_ends_its_reply(engine: VllmEngine) -> None:
    async def listen() -> None:
        async with aclosing(engine.reply(asks("Tell me everything.", max_tokens=800))) as reply:
            async for _ in reply:
                begun.set()

    begun = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(listen())
        await begun.wait()
        task.cancel()
    await said(engine, asks("Hm?", max_tokens=1))
    assert counter("num_requests_running") == 0


async def test_more_replies_at_once_than_the_model_takes_are_all_written(engine: VllmEngine) -> None:
    async with asyncio.TaskGroup() as tasks:
        replies = [tasks.create_task(said(engine, asks(f"Number {number}."))) for number in range(9)]
    assert [reply.result()[1].completion_tokens for reply in replies] == [30] * 9


async def test_a_long_conversation_loses_its_oldest_turns(engine: VllmEngine) -> None:
    _, finish = await said(engine, asks(*(f"This is sentence {number}." for number in range(61))))
    assert 500 < finish.prompt_tokens <= 1024 - 30


async def test_a_message_that_does_not_fit_is_refused_with_its_length(engine: VllmEngine) -> None:
    with pytest.raises(TooLarge, match="at most 994"):
        await said(engine, asks("Hello. " * 300))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (VllmConfig(""), "PARLEY_LLM_MODEL is empty"),
        (VllmConfig("/nowhere"), "vLLM cannot load PARLEY_LLM_MODEL=/nowhere"),
        (VllmConfig("x", 0, "{"), "PARLEY_LLM_VLLM_ARGS is no JSON"),
        (VllmConfig("x", 0, "[]"), "PARLEY_LLM_VLLM_ARGS is no JSON object"),
        (VllmConfig("x", 0, '{"colour": 3}'), "colour"),
    ],
)
async def test_what_is_wrong_is_named_at_the_start(config: VllmConfig, message: str) -> None:
    worker, engine = Worker("load"), VllmEngine(config)
    try:
        with pytest.raises(Unavailable, match=message):
            await worker.run(engine.load)
    finally:
        worker.close()
        await engine.close()
