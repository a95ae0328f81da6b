"""What endpoints really send: whatever it is, it becomes the reply, or the endpoint's failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from llm_server.engine import Conversation, Delta, Finish, Message, Progress, ProgressKind, Role, StopReason, ToolCall
from llm_server.engines.endpoints.completion import CompletionReader
from llm_server.engines.endpoints.endpoint import Endpoint
from llm_server.engines.endpoints.failure import EndpointFailed
from tests.llm_server.endpoint_rig import data, event

if TYPE_CHECKING:
    from llm_server.engine import ReplyEvent

HELLO = Conversation((Message(Role.USER, "hello"),), max_tokens=50)
THINKS = Progress(ProgressKind.REASONING, "m@host")
STOP = event(reason="stop")
DONE = b"data: [DONE]\n\n"


def endpoint() -> Endpoint:
    return Endpoint("http://host/v1", "m", "secret-key")


def read(*chunks: bytes, by: Endpoint | None = None) -> list[ReplyEvent]:
    reader = CompletionReader(by or endpoint(), HELLO)
    found = [each for chunk in chunks for each in reader.feed(chunk)]
    return [*found, *reader.finish()]


def words(*chunks: bytes, by: Endpoint | None = None) -> str:
    return "".join(each.text for each in read(*chunks, by=by) if isinstance(each, Delta))


def delta(**fields: object) -> bytes:
    return data({"choices": [{"index": 0, "delta": fields}]})


def escaped(text: str) -> bytes:
    return f'data: {{"choices": [{{"delta": {{"content": "{text}"}}}}]}}\n\n'.encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("Hello.", id="text"),
        pytest.param([{"type": "text", "text": "Hello."}], id="parts"),
        pytest.param([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo."}], id="two parts"),
        pytest.param([{"type": "output_text", "text": {"value": "Hello.", "annotations": []}}], id="a text with notes"),
        pytest.param({"type": "text", "text": "Hello."}, id="one part"),
        pytest.param(["Hel", "lo."], id="texts"),
        pytest.param([{"type": "image_url", "image_url": {"url": "x"}}, {"text": "Hello."}, 7.5, None], id="others"),
    ],
)
def test_words_come_as_text_or_in_parts(content: object) -> None:
    assert words(delta(content=content), STOP) == "Hello."


def test_a_thought_among_the_parts_is_not_spoken() -> None:
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]
    assert read(delta(content=thought), delta(content=[{"type": "text", "text": "Hello."}]), STOP) == [
        THINKS,
        Delta("Hello."),
        Finish(StopReason.STOP, model="m@host"),
    ]


def test_a_refusal_to_answer_is_an_answer() -> None:
    assert words(delta(content=None, refusal="I cannot help with that."), STOP) == "I cannot help with that."


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((r"Hi \ud83d", r"\ude00 there."), "Hi 😀 there."),
        ((r"Hi \ud83d", r" there."), "Hi \ufffd there."),
        ((r"Hi \ude00\ud83d there.",), "Hi \ufffd\ufffd there."),
        ((r"Hi there.\ud83d",), "Hi there.\ufffd"),
        ((r"\ud83d", "", r"\udc4d\ud83c", r"\udffd"), "👍🏽"),
    ],
)
def test_a_character_that_is_cut_in_two_is_put_together_or_replaced(pieces: tuple[str, ...], text: str) -> None:
    found = words(*map(escaped, pieces), STOP)
    assert found == text
    assert found.encode()


@pytest.mark.parametrize(
    ("usage", "finish"),
    [
        (None, Finish(StopReason.STOP, model="m@host")),
        ({"prompt_tokens": None, "completion_tokens": 3}, Finish(StopReason.STOP, 0, 3, model="m@host")),
        ({"prompt_tokens": 5, "prompt_tokens_details": None}, Finish(StopReason.STOP, 5, model="m@host")),
        (
            {"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
            Finish(StopReason.STOP, 5, 3, 4, model="m@host"),
        ),
        ({"prompt_tokens": -1, "completion_tokens": 10**30}, Finish(StopReason.STOP, 0, 2**31 - 1, model="m@host")),
        ({"prompt_tokens": "many", "completion_tokens": [3]}, Finish(StopReason.STOP, model="m@host")),
        ({"prompt_tokens": True, "completion_tokens": 1.5}, Finish(StopReason.STOP, model="m@host")),
        (["x"], Finish(StopReason.STOP, model="m@host")),
        (7, Finish(StopReason.STOP, model="m@host")),
    ],
)
def test_tokens_are_counted_where_the_endpoint_counts_them(usage: object, finish: Finish) -> None:
    assert read(event("Hello."), event(reason="stop", usage=usage), DONE)[-1] == finish


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ((DONE,), StopReason.STOP),
        ((event(reason="end_turn"),), StopReason.STOP),
        ((event(reason="length"),), StopReason.LENGTH),
        ((event(reason="max_tokens"),), StopReason.LENGTH),
        ((event(reason="tool_calls"),), StopReason.STOP),
        ((data({"choices": [{"delta": {}, "finish_reason": ["stop"]}]}), DONE), StopReason.STOP),
        ((data({"choices": [{"delta": None, "finish_reason": 3}]}), DONE), StopReason.STOP),
        ((event(reason="stop"), b": goodbye\n\n", data({"choices": []}), b"data: [DO"), StopReason.STOP),
        ((event(reason="length"), data({"error": "the connection was lost"})), StopReason.LENGTH),
        ((event(reason="stop"), b"x" * 300_000), StopReason.STOP),
    ],
)
def test_a_reply_ends_with_a_reason_or_with_done(ends: tuple[bytes, ...], reason: StopReason) -> None:
    assert read(event("Hello."), *ends)[-1] == Finish(reason, model="m@host")


def test_a_reply_that_ends_without_either_has_broken_off() -> None:
    with pytest.raises(EndpointFailed, match="m@host broke off in the middle"):
        read(event("Hello."))


@pytest.mark.parametrize(
    "strange",
    [
        {"choices": None},
        {"choices": {}},
        {"choices": [None]},
        {"choices": [7]},
        {"choices": "none"},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": [1]}]},
        {"choices": [{"delta": {"content": 7.5}}]},
        {"choices": [{"delta": {"content": {"text": {}}}}]},
        {"choices": [{"delta": {"content": [{"type": ["text"]}]}}]},
        {"choices": [{"delta": {"tool_calls": 5, "function_call": "x"}}]},
        {"choices": [{"delta": {"tool_calls": {}}}]},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"type": "ping"},
        None,
        7,
        "ping",
        [],
        [[]],
    ],
)
def test_what_has_another_type_than_it_should_counts_as_absent(strange: object) -> None:
    assert words(event("Hel"), data(strange), event("lo."), STOP) == "Hello."
    with pytest.raises(EndpointFailed, match="wrote nothing"):
        read(data(strange), STOP)


@pytest.mark.parametrize(
    "failing",
    [
        {"error": "the model crashed"},
        {"error": {"message": "the model crashed", "code": 500}},
        {"error": {"message": "the model crashed"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]},
        {"choices": [{"delta": {}, "finish_reason": None, "error": {"message": "the model crashed"}}]},
        {"choices": [{"delta": {"content": "the model crashed"}, "finish_reason": "error"}]},
        {"object": "error", "message": "the model crashed", "code": 400},
        {"detail": "the model crashed"},
        {"message": "the model crashed"},
        [{"error": {"message": "the model crashed"}}],
    ],
)
def test_a_failure_that_comes_as_an_answer_is_a_failure(failing: object) -> None:
    with pytest.raises(EndpointFailed, match=r"m@host says: .*the model crashed"):
        read(data(failing), DONE)
    # The same as the body of an answer that is no stream.
    with pytest.raises(EndpointFailed, match=r"m@host says: .*the model crashed"):
        read(json.dumps(failing, indent=2).encode())


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"data: nonsense\n\n", "no JSON: nonsense"),
        (b"data: {\n\n", "no JSON: {"),
        (b'data: {"choices": ' + b"[" * 5000 + b"]" * 5000 + b"}\n\n", "no JSON"),
        (b'data: {"usage": {"prompt_tokens": ' + b"9" * 5000 + b"}}\n\n", "no JSON"),
        (b"<html><body>Please log in</body></html>", "no JSON: <html>"),
        (b"data: " + b"x" * 300_000 + b"\n\n", "an event of more than 65536 characters"),
        (b"data: x\n" * 200_000, "an event of more than 65536 characters"),
        (b"", "broke off"),
        (b"\x00\xff\xfe", "broke off"),
    ],
)
def test_what_is_no_stream_of_completions_is_named(written: bytes, why: str) -> None:
    with pytest.raises(EndpointFailed, match=why.replace("{", r"\{")):
        read(written)


def test_what_an_endpoint_quotes_is_short_and_has_no_key() -> None:
    with pytest.raises(EndpointFailed) as raised:
        read(data({"error": "x" * 185 + " secret-key " + "y" * 1000}))
    assert len(str(raised.value)) < 250
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_reply_that_is_not_streamed_is_a_reply(indent: int | None) -> None:
    call = {"id": "x", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    body = {"choices": [{"message": {"content": "I look.", "tool_calls": [call]}}], "usage": {"prompt_tokens": 4}}
    assert read(json.dumps(body, indent=indent).encode()) == [
        Delta("I look."),
        ToolCall("x", "time", "{}"),
        Finish(StopReason.TOOL_CALLS, 4, model="m@host"),
    ]


def test_a_reply_in_lines_of_json_is_a_reply() -> None:
    lines = [event("Hel"), event("lo."), STOP]
    assert words(*(line.removeprefix(b"data: ").rstrip() + b"\n" for line in lines)) == "Hello."


def test_a_last_event_with_the_whole_reply_says_nothing_twice() -> None:
    last = {"choices": [{"message": {"content": "Hello there."}, "finish_reason": "stop"}]}
    assert words(event("Hello "), event("there."), data(last), DONE) == "Hello there."


@pytest.mark.parametrize(
    "pieces",
    [
        ("<think>\n", "The user greets me.", "\n</think>\n\n", "Hello there."),
        ("<thi", "nk>Hm.</th", "ink>Hello", " there."),
        ("\n<thinking>Hm.</thinking>\nHello there.",),
        ("<thought>Hm.</thought>Hello there.",),
        ("<reasoning>Hm. <think></reasoning>Hello there.",),
        ("[THINK]Hm.", "[/THINK]", "Hello there."),
        ("Hello", " there.", "\n<think>Was that polite?</think>"),
    ],
)
def test_a_thought_in_the_text_is_no_text(pieces: tuple[str, ...]) -> None:
    events = read(*map(event, pieces), STOP)
    assert "".join(each.text for each in events if isinstance(each, Delta)).strip() == "Hello there."
    assert THINKS in events


def test_a_reply_that_is_only_a_thought_is_none() -> None:
    with pytest.raises(EndpointFailed, match="wrote nothing"):
        read(event("<think>Well, "), event("let me see."), event(reason="length"))


def test_an_endpoint_whose_template_opens_the_thought_is_known_after_its_first_reply() -> None:
    one = endpoint()
    reply = (event("The user greets me.\n"), event("</think>\n\nHello."), STOP)
    assert words(*reply, by=one) == "The user greets me.\nHello."
    assert words(*reply, by=one) == "Hello."
    assert read(*reply, by=one)[0] == THINKS
    # Cut off while it thinks, it has not changed its ways.
    with pytest.raises(EndpointFailed, match="wrote nothing"):
        read(event("The user greets me"), event(reason="length"), by=one)
    assert words(*reply, by=one) == "Hello."
    # Thinking was switched off: nothing is lost, and from the next reply on nothing waits.
    assert words(event("Hello."), STOP, by=one) == "Hello."
    assert list(CompletionReader(one, HELLO).feed(event("Hello."))) == [Delta("Hello.")]


def test_a_thought_that_is_closed_twice_says_nothing_of_the_template() -> None:
    one = endpoint()
    assert words(event("<think>Hm.</think>\n</think>\nHello."), STOP, by=one) == "Hello."
    assert list(CompletionReader(one, HELLO).feed(event("Hello."))) == [Delta("Hello.")]


def test_calls_that_stand_in_the_text_are_calls_and_are_made_once() -> None:
    text = event('I look.\n<tool_call>{"name": "time", "arguments": {}}</tool_call>')
    assert read(text, STOP)[1:] == [ToolCall("call-1", "time", "{}"), Finish(StopReason.TOOL_CALLS, model="m@host")]
    parsed = delta(tool_calls=[{"index": 0, "id": "x", "function": {"name": "time", "arguments": "{}"}}])
    assert [each for each in read(text, parsed, STOP) if isinstance(each, ToolCall)] == [ToolCall("x", "time", "{}")]
