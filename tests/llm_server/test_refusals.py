"""Endpoints that refuse how they are asked, over real sockets: they are asked otherwise, and that is remembered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from llm_server.engine import Conversation, Message, Role, Tool, ToolCall
from llm_server.engines.endpoints import EndpointsEngine
from llm_server.engines.endpoints.endpoint import Endpoint
from llm_server.engines.endpoints.refusal import Refusal
from llm_server.engines.endpoints.warm_up import load_model
from parley.errors import Unavailable
from tests.llm_server.endpoint_rig import HELLO, data, says, serving, whole, writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.llm_server.endpoint_rig import Answer

SAMPLED = Conversation((Message(Role.USER, "hello"),), max_tokens=50, temperature=0.2, top_p=0.5, seed=7)


def openai(parameter: str, text: str) -> dict[str, object]:
    error = {"message": text, "type": "invalid_request_error", "param": parameter, "code": "unsupported_parameter"}
    return {"error": error}


def refuses(parameter: str, body: object, status: int = 400) -> Answer:
    """An endpoint that answers `body` to who asks with `parameter`, and else writes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if parameter not in await request.json():
            return await writes("Hello there.")(request)
        return await says(data(body))(request) if status == 200 else web.json_response(body, status=status)

    return answer


@pytest.mark.parametrize(
    ("parameter", "instead", "body", "status"),
    [
        pytest.param(
            "max_tokens",
            "max_completion_tokens",
            openai("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
            400,
            id="OpenAI",
        ),
        pytest.param(
            "max_tokens",
            "max_completion_tokens",
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "max_tokens"], "msg": "Extra inputs"}]},
            422,
            id="a server of FastAPI",
        ),
        pytest.param(
            "max_tokens",
            "max_completion_tokens",
            {"error": {"message": "unknown field max_tokens"}},
            200,
            id="in a 200",
        ),
        pytest.param(
            "temperature",
            None,
            openai("temperature", "Unsupported value: 'temperature' does not support 0.2 with this model."),
            400,
            id="temperature",
        ),
        pytest.param("top_p", None, openai("top_p", "Unsupported parameter: 'top_p'"), 400, id="top p"),
        pytest.param("seed", None, {"message": "seed is not supported"}, 400, id="seed"),
        pytest.param(
            "stream_options",
            None,
            {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]},
            422,
            id="stream options",
        ),
    ],
)
async def test_a_parameter_that_is_refused_is_renamed_or_left_out_from_then_on(
    parameter: str, instead: str | None, body: object, status: int
) -> None:
    async with serving(refuses(parameter, body, status), warm_up=False) as (engine, [asked]):
        for _ in range(2):
            assert (await whole(engine, SAMPLED))[0] == "Hello there."
    refused, taken, again = asked.bodies
    expected = {name: value for name, value in refused.items() if name != parameter}
    assert taken == again == expected | ({instead: 50} if instead else {})


OPTIONAL = Tool("set_volume", "Speaks louder.", {"type": "object"}, optional=True)
LIGHT = Tool("light", "Switches a light.", {"type": "object"})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "registry.ollama.ai/library/gemma:2b does not support tools"}}, 400),
        ({"error": {"message": "tools param requires --jinja flag", "type": "server_error", "code": 500}}, 500),
        (
            {
                "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
                "type": "BadRequestError",
            },
            400,
        ),
        ({"error": {"message": "Unrecognized request argument supplied: tools"}}, 400),
    ],
    ids=["Ollama", "llama.cpp", "vLLM", "an older server"],
)
async def test_who_calls_no_functions_is_asked_without_those_that_a_reply_can_do_without(
    body: object, status: int
) -> None:
    async with serving(refuses("tools", body, status), warm_up=False) as (engine, [asked]):
        for _ in range(2):
            assert (await whole(engine, replace(SAMPLED, tools=(OPTIONAL,))))[0] == "Hello there."
        with pytest.raises(Unavailable):
            await whole(engine, replace(SAMPLED, tools=(LIGHT, OPTIONAL)))
    assert ["tools" in body for body in asked.bodies] == [True, False, False, True]


async def test_a_model_that_wants_the_other_name_again_gets_it() -> None:
    answer = refuses("max_tokens", openai("max_tokens", "Unsupported parameter: 'max_tokens'"))
    async with serving(answer, warm_up=False) as (engine, [asked]):
        await whole(engine)
        asked.answer = refuses("max_completion_tokens", {"error": "Unrecognized argument: max_completion_tokens"})
        assert (await whole(engine))[0] == "Hello there."
    assert asked.bodies[-1]["max_tokens"] == 50


async def test_who_refuses_everything_is_not_asked_for_ever() -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        return web.json_response(openai("max_tokens", "invalid: max_tokens max_completion_tokens seed"), status=400)

    async with serving(never, writes("Here I am."), warm_up=False) as (engine, [asked, _]):
        assert (await whole(engine, SAMPLED))[0] == "Here I am."
        assert len(asked.bodies) == 3


async def test_a_warm_up_learns_it_before_the_first_question() -> None:
    answer = refuses("max_tokens", openai("max_tokens", "Unsupported parameter: 'max_tokens'"))
    async with serving(answer) as (_, [asked]), aiohttp.ClientSession() as http:
        endpoint = Endpoint(asked.url, "m")
        await load_model(http, endpoint)
        engine = EndpointsEngine((endpoint,))
        assert (await whole(engine))[0] == "Hello there."
        await engine.close()
    assert [body.get("max_completion_tokens") for body in asked.bodies] == [None, 1, 50]


def tokens(body: dict[str, Any]) -> int:
    """A tokenizer as good as any."""
    return sum(len(json.dumps(message).split()) for message in body["messages"])


def reads(most: int, refusal: Callable[[int], web.StreamResponse | bytes]) -> Answer:
    """An endpoint whose model reads no more than so many tokens."""

    async def answer(request: web.Request) -> web.StreamResponse:
        counted = tokens(await request.json())
        if counted <= most:
            return await writes("Hello there.")(request)
        found = refusal(counted)
        return await says(found)(request) if isinstance(found, bytes) else found

    return answer


def turns(count: int) -> Conversation:
    """A long conversation, with a call of a function in each turn."""
    messages = [Message(Role.SYSTEM, "Be brief.")]
    for number in range(count):
        call = ToolCall(f"call-{number}", "time", "{}")
        messages += [
            Message(Role.USER, f"question {number} " + "word " * 20),
            Message(Role.ASSISTANT, "", tool_calls=(call,)),
            Message(Role.TOOL, "noon", tool_call_id=call.id),
            Message(Role.ASSISTANT, f"answer {number}"),
        ]
    return Conversation((*messages, Message(Role.USER, "and now?")), max_tokens=50)


def refusal_of(status: int, body: object) -> Callable[[int], web.StreamResponse]:
    return lambda _: web.json_response(body, status=status)


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(
            lambda counted: web.json_response(
                {
                    "error": {
                        "message": "This model's maximum context length is 300 tokens. However, you requested "
                        f"{counted} tokens. Please reduce the length of the messages or completion.",
                        "type": "invalid_request_error",
                        "param": "messages",
                        "code": "context_length_exceeded",
                    }
                },
                status=400,
            ),
            id="OpenAI",
        ),
        pytest.param(
            lambda counted: web.json_response(
                {
                    "error": {
                        "code": 400,
                        "message": f"the request ({counted} tokens) exceeds the available context size",
                    }
                },
                status=400,
            ),
            id="llama.cpp",
        ),
        pytest.param(
            refusal_of(413, {"error": {"message": "Request too large for model, please reduce your message size"}}),
            id="Groq",
        ),
        pytest.param(refusal_of(422, {"error": "`inputs` must have less than 300 tokens, they exceed it"}), id="TGI"),
        pytest.param(
            refusal_of(500, {"error": "the context size of 300 has been exceeded"}), id="an older server of llama.cpp"
        ),
        pytest.param(
            lambda _: data({"error": {"message": "prompt is too long: 900 tokens > 300 maximum"}}), id="in a 200"
        ),
        pytest.param(refusal_of(413, ""), id="by its status alone"),
    ],
)
async def test_a_conversation_that_is_too_long_loses_its_oldest_turns(
    refusal: Callable[[int], web.StreamResponse | bytes],
) -> None:
    async with serving(reads(300, refusal), warm_up=False) as (engine, [asked]):
        assert (await whole(engine, turns(30)))[0] == "Hello there."
        attempts = len(asked.bodies)
        assert 1 < attempts < 8
        kept: Any = asked.bodies[-1]["messages"]
        assert (kept[0]["role"], kept[1]["role"], kept[-1]["content"]) == ("system", "user", "and now?")
        assert len(kept) > 4, "no more than has to go"
        # It is remembered: a longer one is shortened before it is sent.
        assert (await whole(engine, turns(40)))[0] == "Hello there."
        assert len(asked.bodies) == attempts + 1


async def test_what_is_too_long_by_itself_is_for_another_to_answer_and_no_reason_to_rest() -> None:
    answer = reads(3, refusal_of(400, {"error": {"code": "context_length_exceeded"}}))
    async with serving(answer, writes("Here I am."), warm_up=False) as (engine, [asked, _]):
        assert (await whole(engine, HELLO))[0] == "Here I am."
        assert len(asked.bodies) == 1
        assert (await whole(engine, turns(4)))[0] == "Here I am."
        assert len(asked.bodies) > 2


async def test_words_that_were_spoken_are_never_followed_by_another_attempt() -> None:
    answer = says(
        data({"choices": [{"delta": {"content": "Well, "}}]}), data({"error": {"code": "context_length_exceeded"}})
    )
    async with serving(answer, warm_up=False) as (engine, [asked]):
        with pytest.raises(Unavailable, match="context_length_exceeded"):
            await whole(engine, turns(10))
    assert len(asked.bodies) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Rate limit reached for requests",
        "max_tokens is too large: 50000. This model supports at most 4096 completion tokens",
        "model 'x' does not exist",
        "Invalid value: 'user'",
        '{"error":{"message":"registry.ollama.ai/library/gemma does not support tools"}}',
    ],
)
def test_other_refusals_are_not_about_the_length_of_the_conversation(text: str) -> None:
    assert not Refusal(text).is_too_long


@pytest.mark.parametrize(
    "text",
    [
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Input is too long for requested model.",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081",
        "The number of tokens to keep from the initial prompt is greater than the context length",
        "'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum context length is 256 tokens",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
        "Your request exceeded model token limit: 131072",
        "context window exceeded",
    ],
)
def test_refusals_for_the_length_of_the_conversation_are_known(text: str) -> None:
    assert Refusal(text).is_too_long
