"""Models that are loaded before the first question, over real sockets."""

from __future__ import annotations

import asyncio
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
async def warming(engine: EndpointsEngine) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(engine.keep_warm())
        yield
        task.cancel()


async def times(asked: Asked, count: int) -> None:
    """Come back when it has been asked so often."""
    # A server that is started for this may be long about it on a busy machine.
    async with asyncio.timeout(20):
        while len(asked.bodies) < count:
            asked.news.clear()
            await asked.news.wait()


def one_for(*, warm_ups: Answer, questions: Answer) -> Answer:
    """An endpoint that answers who asks for one token otherwise than others."""

    async def answer(request: web.Request) -> web.StreamResponse:
        is_warm_up = (await request.json())["max_tokens"] == 1
        return await (warm_ups if is_warm_up else questions)(request)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """An endpoint that answers otherwise each time, and at last always the same."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


async def one_token(_: web.Request) -> web.StreamResponse:
    return web.json_response({"choices": [{"message": {"content": "Hi"}}]})


async def quotes_the_key(request: web.Request) -> web.StreamResponse:
    return web.json_response({"error": request.headers["Authorization"]}, status=503)


async def test_at_start_every_endpoint_is_asked_for_one_token_and_then_no_more() -> None:
    answer = one_for(warm_ups=one_token, questions=writes("Hello."))
    async with serving(answer, answer) as (engine, asked), warming(engine):
        for each in asked:
            await times(each, 1)
        for _ in range(3):
            await whole(engine)
    for name, each in zip("ab", asked, strict=True):
        assert each.bodies[0] == {"model": name, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        assert each.keys[0] == f"Bearer key-{name}"
        assert each.warm_ups == 1


async def test_one_that_cannot_be_warmed_up_is_tried_again_with_the_next_question(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = one_for(warm_ups=in_turn(quotes_the_key, one_token), questions=quotes_the_key)
    async with serving(answer, writes("Hello.")) as (engine, [first, _]), warming(engine):
        async with asyncio.timeout(5):
            while not caplog.records:
                await asyncio.sleep(0)
        [line] = [record.getMessage() for record in caplog.records]
        why = f'PARLEY_LLM_URL: a@{first.host} answers 503: {{"error": "Bearer ***"}}'
        assert line == f"not warmed up, the next question tries again: {why}"
        assert (await whole(engine))[0] == "Hello."
        await times(first, 3)
    assert first.warm_ups == 2


async def test_a_warm_up_that_failed_does_not_count_against_an_endpoint() -> None:
    answer = one_for(warm_ups=over_quota, questions=writes("First."))
    async with serving(answer, writes("Second.")) as (engine, [first, _]), warming(engine):
        await times(first, 1)
        await first.left.wait()
        assert (await whole(engine))[0] == "First."


async def test_a_model_that_was_given_up_for_another_is_loaded_meanwhile() -> None:
    loaded = asyncio.Event()

    async def loads(request: web.Request) -> web.StreamResponse:
        loaded.set()
        return await one_token(request)

    async def only_when_loaded(request: web.Request) -> web.StreamResponse:
        return await (writes("First.") if loaded.is_set() else hang)(request)

    answer = one_for(warm_ups=in_turn(one_token, loads), questions=only_when_loaded)
    async with (
        serving(answer, writes("Second."), first_token_seconds=0.2) as (engine, [first, second]),
        warming(engine),
    ):
        await times(first, 1)
        assert (await whole(engine))[0] == "Second."
        async with asyncio.timeout(5):
            await loaded.wait()
            while (await whole(engine))[0] != "First.":
                pass
    assert first.warm_ups == 2
    # It is asked first again as soon as it is warm, without the rest of one that has failed.
    assert len(second.bodies) < 20


async def test_an_endpoint_that_will_not_write_one_token_is_warm_when_it_lists_its_model() -> None:
    answer = one_for(warm_ups=refuse, questions=writes("Hello."))
    async with serving(answer) as (engine, [asked]):
        asked.models = ["other", "a:latest"]
        async with warming(engine):
            await asked.listed.wait()
            for _ in range(3):
                await whole(engine)
    assert asked.warm_ups == 1


async def test_one_that_lists_only_others_is_not_warm(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(refuse) as (engine, [asked]):
        asked.models = ["b", "ab"]
        async with warming(engine), asyncio.timeout(5):
            while not caplog.records:
                await asyncio.sleep(0)
    assert '404: {"error": {"message": "no such model"}}' in caplog.text


async def test_one_that_has_answered_a_question_needs_no_warming_up() -> None:
    answer = one_for(warm_ups=refuse, questions=writes("Hello."))
    async with serving(answer) as (engine, [asked]), warming(engine):
        # It is refused at start, and once more beside the first question.
        await times(asked, 1)
        await whole(engine)
        await times(asked, 3)
        for _ in range(3):
            await whole(engine)
    assert asked.warm_ups == 2


async def test_where_it_is_not_wanted_nobody_is_asked() -> None:
    async with serving(one_token, warm_up=False) as (engine, [asked]):
        async with asyncio.timeout(5):
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
