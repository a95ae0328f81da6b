"""Errors as sentences for people, and on their way through the headers of a call."""

from __future__ import annotations

import pytest

from llm_server.engines.scripted import ScriptedEngine
from parley import llm
from parley.errors import InvalidInput, to_status
from tests.llm_server.test_service import serving  # the real thing, on a real port


def test_a_sentence_that_quotes_a_long_value_keeps_its_beginning_and_its_remedy() -> None:
    error = InvalidInput(f"voice {'x' * 50_000}: there are anna and ben", field="voice")
    assert len(str(error)) <= 600
    assert str(error).startswith("voice xxx")
    assert str(error).endswith("there are anna and ben")
    assert str(InvalidInput("voice x: there is none")) == "voice x: there is none"


@pytest.mark.parametrize(
    "value", ["x" * 50_000, "\u0301" * 50_000, "\U0001f469\u200d" * 20_000, "\ud800" * 50_000, "\0" * 9_000]
)
def test_what_travels_in_headers_is_small_enough_for_them(value: str) -> None:
    _, text, trailing = to_status(InvalidInput(f"{value}: no such thing", field="field"))
    assert len(text.encode()) <= 900
    assert sum(len(data) for _, data in trailing) < 2_500


@pytest.mark.parametrize("name", ["x" * 50_000, "\u0301" * 40_000])
async def test_a_caller_hears_of_a_long_value_by_the_name_of_its_field(name: str) -> None:
    config = llm.Config((llm.Message(llm.Role.USER, "hello"),), tools=(llm.Tool(name, ""),))
    async with serving(ScriptedEngine("Yes.", 0, 0)) as server:
        with pytest.raises(InvalidInput) as refused:
            async with server.client.chat(config) as events:
                async for _ in events:
                    pass
    assert refused.value.field == "config.tools[0].name"
