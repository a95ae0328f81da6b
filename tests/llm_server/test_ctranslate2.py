"""A small model that answers, through CTranslate2."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import ctranslate2
import pytest

from llm_server.engine import Conversation, Delta, Finish, Message, Progress, ProgressKind, Role, StopReason
from llm_server.engines.ctranslate2 import CTranslate2Engine, ModelConfig
from parley.errors import DeadlinePassed, Overloaded, TooLarge, Unavailable
from tests.llm_server.tiny_llama import convert

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from llm_server.engines.ctranslate2 import _Prompt

HELLO = (Message(Role.USER, "hello how are you"),)
# Long enough for a place to come free on a machine that has other work.
PATIENCE = 3.0


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    default = Path(__file__).parents[3] / "shared" / "models"
    source = Path(os.environ.get("PARLEY_TEST_MODELS", default)) / "llama-tiny-chat"
    if not source.is_dir():
        pytest.skip(f"{source}: no model there; name the folder of llama-tiny-chat in PARLEY_TEST_MODELS")
    target = tmp_path_factory.mktemp("llama") / "llama-tiny-chat"
    convert(source, target)
    return target


@asynccontextmanager
async def loaded(config: ModelConfig, patience_seconds: float = 20.0) -> AsyncIterator[CTranslate2Engine]:
    engine = CTranslate2Engine(config, patience_seconds)
    try:
        engine.load()
        yield engine
    finally:
        await engine.close()


async def said(engine: CTranslate2Engine, conversation: Conversation) -> tuple[str, Finish]:
    events = [event async for event in engine.reply(conversation)]
    finish = events.pop()
    assert isinstance(finish, Finish)
    return "".join(event.text for event in events if isinstance(event, Delta)), finish


async def test_it_answers(model: Path) -> None:
    async with loaded(ModelConfig(str(model))) as engine:
        text, finish = await said(engine, Conversation(HELLO, max_tokens=60, temperature=0))
        again, _ = await said(engine, Conversation(HELLO, max_tokens=60, temperature=0))
    assert text == again == "Hello! I am fine, thank you. How can I help you?"
    assert finish.reason is StopReason.STOP
    assert finish.prompt_tokens > 10
    assert 10 < finish.completion_tokens < 60
    assert engine.models == ("llama-tiny-chat",)


async def test_the_longest_reply_is_kept_to(model: Path) -> None:
    async with loaded(ModelConfig(str(model))) as engine:
        _, finish = await said(engine, Conversation(HELLO, max_tokens=3, temperature=0))
    assert finish.reason is StopReason.LENGTH
    assert finish.completion_tokens == 3


async def test_leaving_a_reply_frees_its_place_after_the_token_being_written(model: Path) -> None:
    endless = Conversation(HELLO, max_tokens=1500, temperature=2)
    async with loaded(ModelConfig(str(model), parallel=1)) as engine:
        for _ in range(5):
            async with aclosing(engine.reply(endless)) as reply:
                async for _ in reply:
                    break
        text, _ = await said(engine, Conversation(HELLO, max_tokens=60, temperature=0))
    assert text.startswith("Hello!")


async def test_more_replies_than_places_wait_their_turn(model: Path) -> None:
    conversation = Conversation(HELLO, max_tokens=60, temperature=0)
    async with loaded(ModelConfig(str(model), parallel=2)) as engine, asyncio.TaskGroup() as tasks:
        replies = [tasks.create_task(said(engine, conversation)) for _ in range(8)]
        await asyncio.wait(replies)
    assert {reply.result()[0] for reply in replies} == {"Hello! I am fine, thank you. How can I help you?"}
    assert max(reply.result()[1].queue_ms for reply in replies) > 0


async def test_who_waits_for_a_place_is_told_so_and_is_not_kept_for_ever(model: Path) -> None:
    endless = Conversation(HELLO, max_tokens=1500, temperature=2)
    async with loaded(ModelConfig(str(model), parallel=1), patience_seconds=PATIENCE) as engine:
        async with aclosing(engine.reply(endless)) as busy:
            assert await anext(busy) == Progress(ProgressKind.WAITING)
            async with aclosing(engine.reply(endless)) as other:
                assert await anext(other) == Progress(ProgressKind.QUEUED)
                with pytest.raises(Overloaded, match="no place came free within 3 s"):
                    await anext(other)
        text, _ = await said(engine, Conversation(HELLO, max_tokens=60, temperature=0))
    assert text.startswith("Hello!")


async def test_a_seed_makes_the_replies_after_a_start_the_same(model: Path) -> None:
    async def first(seed: int | None) -> str:
        async with loaded(ModelConfig(str(model), parallel=1, seed=seed)) as engine:
            return (await said(engine, Conversation(HELLO, max_tokens=40, temperature=2, top_p=1)))[0]

    assert await first(7) == await first(7) != await first(8)


async def test_of_what_is_likely_only_the_wanted_share_is_drawn_from(model: Path) -> None:
    narrow = Conversation(HELLO, max_tokens=40, temperature=2, top_p=0.01)
    async with loaded(ModelConfig(str(model))) as engine:
        assert (await said(engine, narrow))[0] == (await said(engine, replace(narrow, temperature=0)))[0]


class Stuck(CTranslate2Engine):
    """Its model stops in the middle of a token until it is let go."""

    let_go = threading.Event()

    def _tokens(self, prompt: _Prompt, conversation: Conversation) -> Iterator[int]:
        if conversation.seed == STUCK:
            self.let_go.wait()
        yield from super()._tokens(prompt, conversation)


STUCK = 7


async def test_a_model_that_writes_no_token_is_given_up_and_its_place_is_free_when_it_goes_on(model: Path) -> None:
    engine = Stuck(ModelConfig(str(model), parallel=1), patience_seconds=PATIENCE)
    try:
        engine.load()
        # So that a test that goes wrong comes to an end.
        asyncio.get_running_loop().call_later(20, engine.let_go.set)
        with pytest.raises(DeadlinePassed, match="llama-tiny-chat has written nothing for 3 s"):
            await said(engine, Conversation(HELLO, max_tokens=5, seed=STUCK))
        with pytest.raises(Overloaded):
            await said(engine, Conversation(HELLO, max_tokens=5))
        assert not engine.let_go.is_set()
        engine.let_go.set()
        text, _ = await said(engine, Conversation(HELLO, max_tokens=60, temperature=0))
    finally:
        engine.let_go.set()
        await engine.close()
    assert text.startswith("Hello!")


async def test_instructions_are_read_once_and_change_nothing_in_what_is_said(model: Path) -> None:
    instructions = Message(Role.SYSTEM, "You are a helpful voice assistant. " * 8)
    conversation = Conversation((instructions, *HELLO), max_tokens=60, temperature=0)
    async with loaded(ModelConfig(str(model))) as engine:
        answers = [await said(engine, conversation) for _ in range(3)]
        others = [(Message(Role.SYSTEM, f"Be number {number}."), *HELLO) for number in range(20)]
        crowded = answers[0][1]
        for messages in (*others, others[-1]):
            _, crowded = await said(engine, replace(conversation, messages=messages, max_tokens=1))
    assert len({text for text, _ in answers}) == 1
    assert answers[0][1].cached_tokens == 0
    assert 40 < answers[2][1].cached_tokens < answers[2][1].prompt_tokens
    # What is kept takes memory, so new instructions are read anew from some number on.
    assert crowded.cached_tokens == 0


async def test_a_long_conversation_loses_its_oldest_turns(model: Path) -> None:
    turns = [Message(role, "hello how are you") for _ in range(60) for role in (Role.USER, Role.ASSISTANT)]
    conversation = Conversation((*turns, *HELLO), max_tokens=60, temperature=0)
    async with loaded(ModelConfig(str(model), context_tokens=400)) as engine:
        _, finish = await said(engine, conversation)
    assert 100 < finish.prompt_tokens <= 340


async def test_a_message_that_does_not_fit_is_refused_with_its_length(model: Path) -> None:
    conversation = Conversation((Message(Role.USER, "hello " * 400),), max_tokens=10)
    async with loaded(ModelConfig(str(model), context_tokens=200)) as engine:
        with pytest.raises(TooLarge, match="at most 190"):
            await said(engine, conversation)
        # Its place is free again.
        assert (await said(engine, Conversation(HELLO, max_tokens=5)))[1].completion_tokens == 5


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("model.bin", r"no model\.bin there; make one with"),
        ("tokenizer.json", r"no tokenizer\.json there; make one with"),
        ("chat_template.jinja", "has no chat template"),
    ],
)
def test_what_is_missing_from_the_folder_is_named_with_the_remedy(
    model: Path, tmp_path: Path, lost: str, message: str
) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / lost).unlink()
    with pytest.raises(Unavailable, match=message):
        CTranslate2Engine(ModelConfig(str(folder))).load()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ModelConfig(""), "PARLEY_LLM_MODEL is empty"),
        (ModelConfig("/nowhere/llama"), "PARLEY_LLM_MODEL=/nowhere/llama"),
    ],
)
def test_a_model_that_is_not_there_is_named(config: ModelConfig, message: str) -> None:
    with pytest.raises(Unavailable, match=message):
        CTranslate2Engine(config).load()


@pytest.mark.parametrize(("device", "compute_type"), [("cpu", "int3"), ("cuda", "default")])
def test_a_device_or_number_that_is_not_there_is_named(model: Path, device: str, compute_type: str) -> None:
    if device == "cuda" and ctranslate2.get_cuda_device_count():
        pytest.skip("this machine has a GPU")
    with pytest.raises(Unavailable, match=f"PARLEY_LLM_DEVICE={device} with PARLEY_LLM_COMPUTE_TYPE={compute_type}"):
        CTranslate2Engine(ModelConfig(str(model), device=device, compute_type=compute_type)).load()


async def test_a_thought_that_the_template_opens_is_known_for_one(model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant\n", "assistant\n<think>\n"))
    async with loaded(ModelConfig(str(folder))) as engine:
        events = [event async for event in engine.reply(Conversation(HELLO, max_tokens=60, temperature=0))]
    reasoning = Progress(ProgressKind.REASONING)
    assert reasoning in events
    assert not [event for event in events[: events.index(reasoning)] if isinstance(event, Delta)]


def test_a_model_that_does_not_say_how_a_reply_ends_is_refused(model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / "tokenizer_config.json").unlink()
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "eos_token": "<none>"}))
    with pytest.raises(Unavailable, match="which token ends a reply"):
        CTranslate2Engine(ModelConfig(str(folder))).load()
