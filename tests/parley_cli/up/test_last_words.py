"""What a process says goes on to the user line by line, except the reason of its end, which is told once."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from parley_cli.up.last_words import LastWords
from parley_cli.up.terminal import Terminal, readable


@dataclass(frozen=True, slots=True)
class Page(Terminal):
    """A terminal that keeps what it was told."""

    encoding: str = "utf-8"
    for_people: bool = False
    lines: list[str] = field(default_factory=list)

    def pass_on(self, line: str) -> None:
        self.lines.append(line)


def heard(*words: bytes) -> tuple[list[str], str]:
    page = Page()
    listener = LastWords(page)
    for each in words:
        listener.hear(each)
    return page.lines, listener.last


def test_the_reason_of_an_end_is_kept_and_not_passed_on() -> None:
    words = b'{"level": "info"}\nasr: PARLEY_LOG_LEVEL=loud: not one of DEBUG\n'
    assert heard(words) == (['{"level": "info"}'], "PARLEY_LOG_LEVEL=loud: not one of DEBUG")


def test_what_looks_like_a_reason_and_is_none_is_passed_on_late() -> None:
    assert heard(b"tts: PARLEY_X is set, and nothing reads it\n", b"more\n") == (
        ["tts: PARLEY_X is set, and nothing reads it", "more"],
        "more",
    )


def test_the_last_line_of_a_traceback_is_the_reason_where_there_is_no_other() -> None:
    lines, last = heard(b"Traceback (most recent call last):\n  File x\nMemoryError: 5 GB", b" wanted")
    assert last == "MemoryError: 5 GB wanted"
    assert lines[-1] == last


def test_of_a_log_line_its_message_is_the_reason() -> None:
    log = b'{"level": "error", "service": "llm", "message": "the model is gone", "error": "Traceback"}\n'
    assert heard(log)[1] == "llm: the model is gone"


def test_a_line_without_end_is_not_kept_without_end() -> None:
    page = Page()
    listener = LastWords(page)
    for _ in range(100):
        listener.hear(b"x" * 10_000)
    assert sum(map(len, page.lines)) >= 900_000


def test_who_says_nothing_gives_no_reason() -> None:
    assert heard(b"\n \n") == ([], "")


def test_what_is_no_log_stays_as_it_is() -> None:
    for line in ("{", "[1]", '{"message": "x"}', "7", "[" * 100_000):
        assert readable(line) == line


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_in_any_pieces_are_heard(pieces: list[bytes]) -> None:
    heard(*pieces)
    assert heard(*pieces)[1] == heard(b"".join(pieces))[1]
