"""Whatever bytes an endpoint sends, cut anywhere: they become the events of a reply, or the endpoint's failure."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from llm_server.engine import Conversation, Delta, Finish, GaveUp, Message, Progress, Role, Tool, ToolCall
from llm_server.engines.endpoints.completion import CompletionReader
from llm_server.engines.endpoints.endpoint import Endpoint
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.markup import Markup
from llm_server.responses import finished
from parley.v1 import llm_pb2
from tests.fuzz.common import FUZZER, fuzz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from llm_server.engine import ReplyEvent

pytestmark = FUZZER

_HELLO: Final = Conversation(
    (Message(Role.USER, "hello"),), 50, tools=tuple(Tool(name, "", {}) for name in ("weather", "add", "time"))
)
# As much as is read between two looks at who else waits.
_AT_ONCE: Final = 8_192
_AT_A_TIME: Final = 10
_NAMES: Final = (
    *("choices", "delta", "message", "content", "text", "type", "value", "refusal", "finish_reason", "index", "id"),
    *("tool_calls", "function_call", "function", "name", "arguments", "reasoning", "reasoning_content", "thinking"),
    *("usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens", "error", "code"),
    *("object", "detail"),
)
_WORDS: Final = (
    *(
        "",
        "Hello",
        " there.",
        "\n",
        "stop",
        "length",
        "tool_calls",
        "error",
        "text",
        "thinking",
        "weather",
        "wea",
        "ther",
    ),
    *("{", "}", "{}", '{"city": ', '"Bern"}', '{"city": "Bern"}', "<think>", "</think>", "<tool_call>", "</tool_call>"),
    *(
        '{"name": "time", "arguments": {}}',
        "<",
        "thi",
        "`",
        "```",
        "\ud83d",
        "\ude00",
        "\x00",
        "a",
        "b",
        "x" * 1_000,
        "1 ",
        " ",
    ),
)
_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n", b"\r", b"\r\n", b"")
_LINES: Final = (
    *(
        b"data: [DONE]",
        b": ping",
        b"event: message",
        b"data:",
        b"data",
        b"retry: 10",
        b"\xef\xbb\xbf",
        b"\xff",
        b"{",
        b"<",
    ),
    *(b"data: nonsense", b'data: {"choices":', b'data: {"choices": [{"finish_reason": "stop"}]}', b" ", b"[", b"\xc3"),
)


def _try(name: str, check: Callable[[Random], None]) -> None:
    """Try `check` with sources of chance, some for each choice of Hypothesis, which takes longer than they do."""

    def some(first: int) -> None:
        for number in range(_AT_A_TIME):
            check(Random(first + number))  # noqa: S311 - what is tried is no secret

    fuzz(f"{name}, {_AT_A_TIME} at a time", st.integers(0, 2**64), some)


def _value(chance: Random, depth: int = 3) -> object:
    """JSON that has what a chat completion has, where it may belong and where it does not."""
    match chance.randrange(7 if depth else 5):
        case 0:
            return chance.choice((None, True, False))
        case 1:
            return chance.choice((-1, 0, 1, 2, 10**12, 10**40, 1.5, float("nan"), float("inf")))
        case 2 | 3 | 4:
            return chance.choice(_WORDS)
        case 5:
            return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
        case _:
            return {chance.choice(_NAMES): _value(chance, depth - 1) for _ in range(chance.randrange(5))}


def _some(chance: Random, **fields: object) -> dict[str, object]:
    """Some of the fields, and sometimes with something else in them."""
    return {
        name: value if chance.random() < 0.9 else _value(chance)
        for name, value in fields.items()
        if chance.random() < 0.7
    }


def _event(chance: Random) -> object:
    if chance.random() < 0.2:
        return _value(chance)
    words = chance.choices(_WORDS, k=4)
    function = _some(chance, name=chance.choice(("weather", "add", "time", words[0])), arguments=words[1])
    call = _some(chance, index=chance.randrange(3), id=chance.choice(("a", "b", "")), function=function)
    delta = _some(chance, content=words[2], tool_calls=[call])
    reason = chance.choice((None, None, None, "stop", "length", "tool_calls", words[3]))
    return _some(chance, choices=[_some(chance, delta=delta, finish_reason=reason)], usage=_value(chance))


def _body(chance: Random) -> bytes:
    """What an endpoint sends."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(200))
    found = b""
    for _ in range(chance.randrange(12)):
        kind = chance.random()
        if kind < 0.7:
            found += b"data: " + json.dumps(_event(chance), ensure_ascii=chance.random() < 0.5).encode(errors="replace")
        elif kind < 0.9:
            found += chance.choice(_LINES)
        else:
            found += chance.choice(_LINES) * chance.randrange(2_000)
        found += chance.choice(_ENDS)
    return found


def _pieces(whole: bytes, chance: Random) -> list[bytes]:
    edges = [0, *sorted(chance.randint(0, len(whole)) for _ in range(chance.randrange(12))), len(whole)]
    return [whole[first:end] for first, end in pairwise(edges)]


def _read(chunks: Iterable[bytes]) -> tuple[list[ReplyEvent], str]:
    """The events, and why they end where they do not end as a reply does."""
    reader = CompletionReader(Endpoint("http://host/v1", "m", "secret"), _HELLO)
    found: list[ReplyEvent] = []
    try:
        for chunk in chunks:
            for event in reader.feed(chunk):
                found.append(event)  # noqa: PERF402 - not at once: what comes before a failure counts
        found += reader.finish()
    except EndpointFailed as failure:
        return found, str(failure)
    return found, ""


def _send(events: Iterable[ReplyEvent]) -> None:
    """Put events into what the wire has for them."""
    for event in events:
        match event:
            case Delta(text):
                assert text
                llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text=text)).SerializeToString()
            case ToolCall(call_id, name, arguments):
                assert call_id
                assert name
                llm_pb2.ToolCall(id=call_id, name=name, arguments_json=arguments).SerializeToString()
            case GaveUp():
                raise AssertionError("only who asks several endpoints gives one up")
            case Finish():
                finished(event, 0, 0).SerializeToString()
            case Progress():
                pass
            case _:
                raise AssertionError("only functions and rules change a session")


def _reads_to_an_end(chance: Random) -> None:
    body = _body(chance)
    events, failed = _read(body[place : place + _AT_ONCE] for place in range(0, len(body), _AT_ONCE))
    _send(events)
    assert bool(failed) is not any(isinstance(event, Finish) for event in events)
    failed.encode()
    assert len(failed) < 400


def _is_cut_anywhere(chance: Random) -> None:
    body = _body(chance)
    assert _read(_pieces(body, chance)) == _read([body])


def _is_marked_up_anywhere(chance: Random) -> None:
    text = "".join(chance.choices(_WORDS, k=chance.randrange(30))) * chance.choice((1, 1, 1, 20))
    if chance.random() < 0.1:
        text += f"<tool_call>{chance.choice(_WORDS) * chance.randrange(2_000)}</tool_call>"
    text = text.encode(errors="replace").decode()[:_AT_ONCE]
    pieces = [piece.decode("latin-1") for piece in _pieces(text.encode("latin-1"), chance)]
    opened, found = chance.choice(("", "", "<think>")), []
    for each in ([text], pieces):
        markup = Markup(opened=opened)
        events = [event for piece in each for event in markup.feed(piece)] + markup.finish()
        _send(events)
        found.append(("".join(event.text for event in events if isinstance(event, Delta)), _calls(events)))
    assert found[0] == found[1]


def _calls(events: Iterable[ReplyEvent]) -> list[ToolCall]:
    return [event for event in events if isinstance(event, ToolCall)]


def test_any_bytes_are_a_reply_or_a_failure() -> None:
    _try("bytes of an endpoint", _reads_to_an_end)


def test_any_bytes_are_the_same_events_wherever_they_are_cut() -> None:
    _try("bytes of an endpoint that are cut", _is_cut_anywhere)


def test_any_text_of_a_model_is_the_same_wherever_it_is_cut() -> None:
    _try("text of a model", _is_marked_up_anywhere)
