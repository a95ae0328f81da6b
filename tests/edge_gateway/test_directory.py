"""What the gateway knows of the engines behind it, and how long it believes that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from edge_gateway.directory import Directory
from edge_gateway.reply.reply import Servers
from parley import asr, llm, tts
from parley.errors import Unavailable
from tests.virtual_time import on_virtual_time, passed

if TYPE_CHECKING:
    from edge_gateway.servers.hops import Listens


@dataclass
class Engine:
    """A server that answers what it is asked, or does not."""

    asked: int = 0
    away: bool = False
    hangs: bool = False

    async def _answer(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise Unavailable("nobody is there")

    async def languages(self) -> asr.Languages:
        await self._answer()
        return asr.Languages("moonshine", "tiny-en", ("en",))

    async def models(self) -> llm.Models:
        await self._answer()
        return llm.Models("openai", ("llama3.2", "qwen3"))

    async def list_voices(self) -> tts.Voices:
        await self._answer()
        return tts.Voices("espeak", ())


class House:
    """Three engines and what is known of them."""

    def __init__(self) -> None:
        self.asr, self.llm, self.tts = self.engines = Engine(), Engine(), Engine()
        servers = Servers(cast("llm.LlmClient", self.llm), cast("tts.TtsClient", self.tts))
        self.directory = Directory(cast("Listens", self.asr), servers)

    async def names(self) -> tuple[str, str, str]:
        found = await self.directory.engines()
        return found.listens, found.writes, found.speaks


@on_virtual_time
async def test_engines_that_are_there_are_believed_for_ten_seconds() -> None:
    house = House()
    for _ in range(3):
        assert await house.names() == ("moonshine tiny-en", "openai llama3.2", "espeak")
        await passed(3)
    assert [engine.asked for engine in house.engines] == [1, 1, 1]
    await passed(2)
    await house.names()
    assert [engine.asked for engine in house.engines] == [2, 2, 2]


@on_virtual_time
async def test_an_engine_that_is_away_or_hangs_holds_up_nobody_and_is_asked_again_after_two_seconds() -> None:
    house = House()
    house.asr.away, house.tts.hangs = True, True
    async with asyncio.timeout(1.1):
        assert await house.names() == ("", "openai llama3.2", "")
    house.asr.away, house.tts.hangs = False, False
    assert await house.names() == ("", "openai llama3.2", "")
    await passed(2)
    assert await house.names() == ("moonshine tiny-en", "openai llama3.2", "espeak")


@on_virtual_time
async def test_after_a_failure_nothing_is_believed_that_was_known_before_it() -> None:
    house = House()
    await house.names()
    house.tts.away = True
    assert (await house.names())[2] == "espeak"
    house.directory.doubt()
    assert (await house.names())[2] == ""


@on_virtual_time
async def test_when_another_model_writes_than_before_who_asks_is_told_why_at_once() -> None:
    house = House()
    for model, asked in (("a@here", 1), ("a@here", 1), ("", 1), ("rules", 2), ("rules", 2), ("a@here", 3)):
        house.directory.replied(model, failed=False)
        await house.names()
        assert house.llm.asked == asked
