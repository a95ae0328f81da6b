"""Rules answer while the model's server is away, say so, and give way when it is back."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import pytest

from llm_server.config import LlmConfig
from llm_server.engine import Conversation, Delta, Finish, GaveUp, Message, Role
from llm_server.engines import open_engine
from llm_server.engines.rules import RulesEngine
from llm_server.engines.stand_in import StandIn
from parley import llm
from parley.errors import Unavailable
from serving.config import read
from tests.llm_server.endpoint_rig import event, hang, pass_by, refuse, says, serving, writes
from tests.llm_server.test_service import serving as over_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp import web

    from llm_server.engine import Engine
    from llm_server.engines.endpoints import EndpointsEngine

SUM = Conversation((Message(Role.USER, "what is seven times eight"),), max_tokens=50)
MODEL = {"PARLEY_LLM_ENGINE": "openai", "PARLEY_LLM_MODEL": "m", "PARLEY_LLM_URL": "http://127.0.0.1:9/v1"}


async def answer(engine: Engine) -> tuple[str, str]:
    """What is said, and by whom."""
    text, who = "", ""
    async with aclosing(engine.reply(SUM)) as events:
        async for each in events:
            match each:
                case Delta(piece):
                    text += piece
                case Finish():
                    who = each.model
                case _:
                    pass
    return text, who


async def test_the_model_answers_as_long_as_it_can() -> None:
    async with serving(writes("Hello.")) as (endpoints, [asked]):
        engine = StandIn(endpoints, RulesEngine())
        assert await answer(engine) == ("Hello.", f"a@{asked.host}")
        assert (engine.problem, engine.backup_reason, engine.address) == ("", "", asked.host)


async def test_when_it_is_away_rules_answer_and_say_why_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(refuse, warm_up=False) as (endpoints, [asked]):
        engine = StandIn(endpoints, RulesEngine())
        with caplog.at_level(logging.WARNING):
            text, who = await answer(engine)
        assert "56" in text or "fifty-six" in text
        assert who == "rules"
        assert engine.backup_reason == f"a@{asked.host} answers 404"
        assert f"the rules answer meanwhile: a@{asked.host} answers 404" in caplog.text
        asked.answer = writes("Back.")
        assert await answer(engine) == ("Back.", f"a@{asked.host}")
        assert engine.backup_reason == ""
        assert "a answers again" in caplog.text


async def test_one_that_is_not_there_is_asked_again_with_every_question() -> None:
    away = open_engine(read(LlmConfig, {**MODEL, "PARLEY_LLM_FALLBACKS": "rules"}))
    try:
        for _ in range(3):
            assert (await answer(away))[1] == "rules"
        assert isinstance(away, StandIn)
        assert away.backup_reason == "m@127.0.0.1:9 cannot be reached, or broke off"
    finally:
        await away.close()


class Silent:
    """Endpoints that say nothing, and rest for as long as a test wants."""

    name, models, problem, backup_reason = "openai", ("a",), "", ""

    def __init__(self) -> None:
        self.rests = True
        self.asked = 0

    async def reply(self, _: Conversation) -> AsyncGenerator[GaveUp, None]:
        self.asked += 1
        yield GaveUp("a@here", "silent")
        raise Unavailable("a@here gives no sign of life")


async def test_one_that_is_silent_is_waited_for_once_and_rests_then() -> None:
    silent = Silent()
    engine = StandIn(cast("EndpointsEngine", silent), RulesEngine())
    for rests, asked in ((True, 1), (True, 1), (False, 2), (True, 2)):
        silent.rests = rests
        assert (await answer(engine))[1] == "rules"
        assert silent.asked == asked
        assert engine.backup_reason == "a@here gives no sign of life"


async def test_a_real_endpoint_that_is_silent_rests() -> None:
    async with serving(hang, patience_seconds=0.05, warm_up=False) as (endpoints, _):
        assert not endpoints.rests
        assert (await answer(StandIn(endpoints, RulesEngine())))[1] == "rules"


async def test_one_whose_model_is_being_loaded_is_waited_for_as_if_it_stood_alone() -> None:
    loaded = asyncio.Event()

    async def loads(request: web.Request) -> web.StreamResponse:
        await loaded.wait()
        return await writes("Good morning.")(request)

    async with serving(loads, first_token_seconds=0.01, warm_up=False) as (endpoints, [asked]):
        async with asyncio.TaskGroup() as tasks:
            answered = tasks.create_task(answer(StandIn(endpoints, RulesEngine())), name="answer")
            await asked.news.wait()
            # Longer than another endpoint behind it would let it be silent.
            await pass_by(0.1)
            assert not answered.done()
            loaded.set()
        assert answered.result() == ("Good morning.", f"a@{asked.host}")


async def test_what_broke_off_in_the_middle_is_not_gone_on_with_by_rules() -> None:
    async with serving(says(event("Hel")), warm_up=False) as (endpoints, _):
        with pytest.raises(Unavailable):
            await answer(StandIn(endpoints, RulesEngine()))


async def test_who_gave_up_is_told() -> None:
    async with (
        serving(refuse, warm_up=False) as (endpoints, [asked]),
        aclosing(StandIn(endpoints, RulesEngine()).reply(SUM)) as events,
    ):
        gave_up = [each async for each in events if isinstance(each, GaveUp)]
    assert gave_up == [GaveUp(f"a@{asked.host}", "http_404", 404)]


async def test_a_caller_is_told_where_the_model_is_and_that_rules_answer_in_its_place() -> None:
    settings = {**MODEL, "PARLEY_LLM_FALLBACKS": "rules", "PARLEY_LLM_DISCOVERED": "true"}
    engine = open_engine(read(LlmConfig, settings))
    async with over_grpc(engine) as house:
        assert await house.client.models() == llm.Models(
            "openai", ("m", "rules"), address="127.0.0.1:9", discovered=True
        )
        await answer(engine)
        models = await house.client.models()
        assert (models.problem, models.backup_reason) == ("", "m@127.0.0.1:9 cannot be reached, or broke off")
    await engine.close()


def test_rules_stand_behind_all_endpoints() -> None:
    with pytest.raises(Unavailable, match="PARLEY_LLM_FALLBACKS=rules,b@http://x/v1: rules always answer"):
        open_engine(read(LlmConfig, {**MODEL, "PARLEY_LLM_FALLBACKS": "rules,b@http://x/v1"}))
    engine = open_engine(read(LlmConfig, {**MODEL, "PARLEY_LLM_FALLBACKS": "b@http://x/v1, rules"}))
    assert engine.models == ("m", "b", "rules")
