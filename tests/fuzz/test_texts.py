"""Texts that are anything, to all that reads what people say, write or send: each step of it takes little time."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest

from asr_server.endpointing.completeness import completeness
from edge_gateway.turn_taking import echo, phrases
from llm_server.builtin_tools import arguments, calculate, tell_time
from llm_server.engine import Message, Role, ToolCall
from llm_server.engines.rules import arithmetic
from llm_server.engines.rules.skills import answer
from llm_server.session_tools import ToolFailed
from parley._json import read_json
from parley._masking import masked, secrets_in
from parley.errors import InvalidInput
from parley.llm import SessionState, Tool, read_tools
from tests.fuzz.common import FUZZER, fuzz, texts
from tts_server.cache.entry import decode
from tts_server.text.chunker import Chunker, without_short_stops
from tts_server.text.marks import mark_words, words_of
from tts_server.text.normalize import normalize
from tts_server.text.phonemes import place_words
from tts_server.text.spoken import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = FUZZER

_NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_CHANCE = Random(1)  # noqa: S311 - a choice of words
# What the speaker gives the chunker at once, and what it gives on at most.
_PIECE = 1_000
_LANGUAGES = ("en", "de", "fr", "es", "en-gb", "pl")


def _work_out(text: str) -> None:
    with suppress(arithmetic.Unspeakable):
        if calculation := arithmetic.find(text):
            arithmetic.work_out(calculation)


def _use_tools(text: str) -> None:
    with suppress(ToolFailed):
        calculate({"expression": text})
    with suppress(ToolFailed):
        tell_time({"time_zone": text})
    with suppress(ToolFailed):
        arguments(ToolCall("1", "f", text))


def _read(text: str) -> None:
    with suppress(ValueError):
        read_json(text)
    with suppress(InvalidInput):
        read_tools([Tool("f", text, text)] * 2, "tools")


def _speak(text: str) -> None:
    chunker = Chunker()
    pieces = [*chunker.add(text[:500]), *chunker.pause(), *chunker.flush()]
    assert "".join(piece.text for piece in pieces) == text[:500]


def _normalize(text: str) -> None:
    said = normalize(text[:_PIECE], language=_LANGUAGES[len(text) % len(_LANGUAGES)])
    assert len(said.mapped.starts) == len(said.mapped.ends) == len(said.text)
    without_short_stops(said.text)
    mark_words(said.text, [], 16_000)


def _place(text: str) -> None:
    words = [text[start:end] for start, end in words_of(text[:_PIECE])]
    place_words(words, text[:_PIECE])


READERS: dict[str, Callable[[str], object]] = {
    "sums": _work_out,
    "skills": lambda text: answer((Message(Role.USER, text), Message(Role.USER, text)), _NOON, _CHANCE, SessionState()),
    "tools": _use_tools,
    "JSON": _read,
    "chunker": _speak,
    "normalisation": _normalize,
    "phonemes": _place,
    "completeness": completeness,
    "phrases": lambda text: (phrases.is_backchannel(text[:8_000]), phrases.stop_phrase(text[:8_000])),
    "echo": lambda text: echo.is_own_voice(text[:8_000], text[:8_000], None),
    "masking": lambda text: masked(text, secrets_in(text)),
    "cache entries": lambda text: decode("k", text, text.encode()),
}


@pytest.mark.parametrize("reader", READERS)
def test_no_text_is_too_much(reader: str) -> None:
    prepare()
    fuzz(reader, texts(60_000), READERS[reader])
