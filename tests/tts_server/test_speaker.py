"""A reply on its way from text to sound, with an engine that takes no time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tts_server.engine import Audio, SpeechRequest, Voice
from tts_server.prosody import Prosody
from tts_server.speaker import Chunk, Sentence, Speaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tts_server.speaker import Event
    from tts_server.synthesizer import SynthesisEvent


class Clicks:
    """Makes a click of whatever it is given."""

    @asynccontextmanager
    async def synthesize(self, request: SpeechRequest) -> AsyncIterator[AsyncIterator[SynthesisEvent]]:
        async def click() -> AsyncIterator[SynthesisEvent]:
            yield Audio(bytes(2 * len(request.text)))

        yield click()


async def all_at_once(text: str) -> AsyncIterator[str]:
    yield text


async def test_a_message_that_is_full_of_text_lets_others_have_their_turn_while_it_is_cut() -> None:
    text = "a.b,c;\u0301 " * 7_000
    turns, ends = [0], list[Sentence]()
    speaker = Speaker(Clicks(), Voice("tone", "en", "A tone", 24_000, "1"), 24_000, Prosody())

    async def emit(event: Event) -> None:
        if isinstance(event, Sentence):
            ends.append(event)

    async def others() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(others())
        await speaker.speak(all_at_once(text), emit)
        waiting.cancel()
    assert turns[0] >= len(text) // 500
    assert ends[-1].end_char <= len(text) == speaker.characters


async def test_the_first_sound_comes_two_turns_of_the_loop_after_its_text() -> None:
    given, heard = asyncio.Queue[str](), asyncio.Event()
    speaker = Speaker(Clicks(), Voice("tone", "en", "A tone", 24_000, "1"), 24_000, Prosody())

    async def text() -> AsyncIterator[str]:
        while True:
            yield await given.get()

    async def emit(event: Event) -> None:
        if isinstance(event, Chunk):
            heard.set()

    async with asyncio.TaskGroup() as tasks:
        speaking = tasks.create_task(speaker.speak(text(), emit))
        for _ in range(5):
            await asyncio.sleep(0)
        given.put_nowait("The quick brown fox jumps over the lazy dog. It is well.")
        for _ in range(2):
            assert not heard.is_set()
            await asyncio.sleep(0)
        assert heard.is_set()
        speaking.cancel()
