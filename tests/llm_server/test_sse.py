"""Server-sent events in all the ways in which endpoints send them, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_server.engines.endpoints.sse import LONGEST_EVENT, EventReader, EventTooLongError

A, B = '{"a": "ü"}', '{"b": 2}'
STREAMS = {
    "line feeds": (f"data: {A}\n\ndata: {B}\n\ndata: [DONE]\n\n", [A, B, "[DONE]"]),
    "both": (f"data: {A}\r\n\r\ndata: {B}\r\n\r\n", [A, B]),
    "carriage returns": (f"data: {A}\r\rdata: {B}\r\r", [A, B]),
    "a mixture": (f"data: {A}\r\n\rdata: {B}\n\r\n", [A, B]),
    "a mark of its byte order": (f"\ufeffdata: {A}\n\n", [A]),
    "comments": (f": hello\n\n:\ndata: {A}\n: and\ndata: {B}\n\n", [A, B]),
    "other fields": (f"event: message\nid: 1\nretry: 10\ndata: {A}\n\nfoo: bar\nbaz\n", [A]),
    "no space": (f"data:{A}\n\n", [A]),
    "more space": (f"data:  {A}\n\n", [f" {A}"]),
    "no empty lines": (f"data: {A}\ndata: {B}\ndata: [DONE]\n", [A, B, "[DONE]"]),
    "no last line": (f"data: {A}\n\ndata: {B}", [A, B]),
    "no last empty line": (f"data: {A}\n\ndata: {B}\n", [A, B]),
    "an event in lines": ('data: {"a":\ndata: 1}\n\n', ['{"a":\n1}']),
    "an event in lines that could end": ('data: {"a": {"b": 1}\ndata: }\n\n', ['{"a": {"b": 1}\n}']),
    "empty data": (f"data:\n\ndata\n\ndata: {A}\n\n", ["", "", A]),
    "other ends of lines": ("data: a\x0bb\u2028c\x85d\n\n", ["a\x0bb\u2028c\x85d"]),
    "text": ("data: one\ndata: two\n\n", ["one\ntwo"]),
    "nothing": ("\n\n\r\r", []),
    "JSON": ('\n{\n  "a": 1\n}\n', ['{\n  "a": 1\n}\n']),
    "lines of JSON": (f"{A}\n{B}\n\n", [A, B]),
    "a page": ("<html>\n</html>", ["<html>\n</html>"]),
}


def read(stream: bytes, cuts: list[int]) -> list[str]:
    reader, found = EventReader(), list[str]()
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for first, end in pairwise(edges):
        found += reader.feed(stream[first:end])
    return [*found, *reader.finish()]


@given(name=st.sampled_from(list(STREAMS)), cuts=st.lists(st.integers(0, 1000), max_size=12))
def test_events_are_the_same_wherever_the_bytes_are_cut(name: str, cuts: list[int]) -> None:
    text, events = STREAMS[name]
    assert read(text.encode(), cuts) == events


@pytest.mark.parametrize("name", STREAMS)
def test_events_are_the_same_byte_by_byte(name: str) -> None:
    text, events = STREAMS[name]
    assert read(text.encode(), list(range(len(text.encode())))) == events


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_does_not_wait_for_what_comes_after_it(end: bytes) -> None:
    assert list(EventReader().feed(b"data: one" + end + end)) == ["one"]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert read(b"data: \xff\xc3\n\n", [7, 8]) == ["\ufffd\ufffd"]


@pytest.mark.parametrize(
    "stream", [b"x" * (LONGEST_EVENT + 1), b"data: x\n" * LONGEST_EVENT, b"{" + b"\n" * LONGEST_EVENT]
)
def test_an_event_without_end_is_none(stream: bytes) -> None:
    with pytest.raises(EventTooLongError, match=r"more than 65536 characters"):
        read(stream, [])
