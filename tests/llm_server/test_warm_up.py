"""Models that are loaded before the first question, over real sockets."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from llm_server.__main__ import main
from llm_server.config import LlmConfig
from llm_server.service import SERVICE
from serving.config import read
from serving.telemetry import Telemetry, new_provider
from tests.llm_server.endpoint_rig import hang, over_quota, refuse, serving, whole, writes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from llm_server.engines.endpoints import EndpointsEngine
    from tests.llm_server.endpoint_rig import Answer, Asked


@asynccontextmanager
async def warming(engine: EndpointsEngine) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(engine.keep_warm())
        yield task
        task.cancel()


async def times(asked: Asked, count: int) -> None:
    """Come back when it has been asked so often."""
    async with asyncio.timeout(5):
        while len(asked.bodies) < count:
            asked.news.clear()
            await asked.news.wait()


async def one_token(_: web.Request) -> web.StreamResponse:
    return web.json_response({"choices": [{"message": {"content": "Hi"}}]})


def in_turn(*answers: Answer) -> Answer:
    """An endpoint that answers otherwise each time, and at last always the same."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


async def test_every_endpoint_is_asked_for_one_token_and_then_no_more() -> None:
    async with serving(one_token, one_token) as (engine, asked):
        async with asyncio.timeout(5):
            await engine.keep_warm()
    for name, each in zip("ab", asked, strict=True):
        messages = [{"role": "user", "content": "Hello"}]
        assert each.bodies == [{"model": name, "messages": messages, "max_tokens": 1}]
        assert each.keys == [f"Bearer key-{name}"]


async def test_one_that_cannot_be_warmed_up_is_tried_again_with_the_next_question(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def quotes_the_key(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": request.headers["Authorization"]}, status=503)

    warm_ups = in_turn(quotes_the_key, one_token)

    async def answer(request: web.Request) -> web.StreamResponse:
        is_warm_up = (await request.json())["max_tokens"] == 1
        return await (warm_ups if is_warm_up else quotes_the_key)(request)

    async with serving(answer, writes("Hello.")) as (engine, [first, _]), warming(engine) as task:
        async with asyncio.timeout(5):
            while not caplog.records:
                await asyncio.sleep(0)
        [line] = [record.getMessage() for record in caplog.records]
        assert (
            line == f"not warmed up, the next question tries again: a@{first.host} answers 503: "
            '{"error": "Bearer ***"}'
        )
        assert (await whole(engine))[0] == "Hello."
        async with asyncio.timeout(5):
            await task
    assert sorted(str(body["max_tokens"]) for body in first.bodies) == ["1", "1", "50"]


async def test_a_warm_up_that_failed_does_not_count_against_an_endpoint() -> None:
    answer = in_turn(over_quota, writes("First."))
    async with serving(answer, writes("Second.")) as (engine, [first, _]), warming(engine):
        await times(first, 1)
        await first.left.wait()
        assert (await whole(engine))[0] == "First."


async def test_an_endpoint_that_will_not_write_one_token_is_warm_when_it_lists_its_model() -> None:
    async with serving(refuse) as (engine, [asked]):
        asked.models = ["other", "a:latest"]
        async with asyncio.timeout(5):
            await engine.keep_warm()
    assert len(asked.bodies) == 1


async def test_one_that_lists_only_others_is_not_warm(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(refuse) as (engine, [asked]):
        asked.models = ["b", "ab"]
        with caplog.at_level(logging.WARNING):
            async with warming(engine):
                async with asyncio.timeout(5):
                    while not caplog.records:
                        await asyncio.sleep(0)
    assert '404: {"error": {"message": "no such model"}}' in caplog.text


async def test_one_that_has_answered_a_question_needs_no_warming_up() -> None:
    async def only_questions(request: web.Request) -> web.StreamResponse:
        is_warm_up = (await request.json())["max_tokens"] == 1
        return await (refuse if is_warm_up else writes("Hello."))(request)

    async with serving(only_questions) as (engine, [asked]), warming(engine) as task:
        await times(asked, 1)
        await whole(engine)
        async with asyncio.timeout(5):
            await task


async def test_where_it_is_not_wanted_nobody_is_asked() -> None:
    async with serving(one_token, warm_up=False) as (engine, [asked]):
        await engine.keep_warm()
    assert not asked.bodies


async def test_the_server_is_ready_while_its_model_is_being_loaded(unused_tcp_port: int) -> None:
    async with serving(hang) as (_, [asked]):
        settings = {
            "PARLEY_LLM_ENGINE": "openai",
            "PARLEY_LLM_URL": asked.url,
            "PARLEY_LLM_MODEL": "m",
            "PARLEY_LLM_PORT": str(unused_tcp_port),
            "PARLEY_LLM_METRICS_PORT": "0",
        }
        telemetry = Telemetry(new_provider("llm"), CollectorRegistry())
        async with asyncio.TaskGroup() as tasks, grpc.aio.insecure_channel(f"127.0.0.1:{unused_tcp_port}") as channel:
            running = tasks.create_task(main(read(LlmConfig, settings), telemetry))
            await times(asked, 1)
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=SERVICE)
            async with asyncio.timeout(5):
                answer = await stub.Check(request, wait_for_ready=True)  # type: ignore[attr-defined]
                while answer.status != health_pb2.HealthCheckResponse.SERVING:
                    answer = await stub.Check(request)  # type: ignore[attr-defined]
            assert not asked.left.is_set()
            running.cancel()
