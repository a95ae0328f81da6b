"""The three services behind a gateway, each as one client whose calls go to the server that is to be asked next.

Replicas of one service are taken to be alike: what one says of its languages, models and voices holds for all.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from edge_gateway.servers.answers import Answers
from edge_gateway.servers.calls import Call, asked, opened
from edge_gateway.servers.replay import Replay
from parley import asr, llm, tts
from parley._flag import Flag

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from edge_gateway.servers.placement import Placement
    from edge_gateway.servers.pool import Pool
    from parley._pushed import Pushed


class Listens(Protocol):
    """ASR servers."""

    def transcribe(
        self, requests: Pushed[asr.Request], placement: Placement | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[asr.Event]]:
        """As `AsrClient.transcribe`; `placement` is told where the stream is."""
        ...

    def known(self, config: asr.Config) -> asr.Ready | None:
        """What a server would answer to such a configuration, as far as is known; None: it has to be asked."""
        ...

    async def languages(self) -> asr.Languages:
        """As `AsrClient.languages`."""
        ...


class Writes(Protocol):
    """LLM servers."""

    def chat(
        self, config: llm.Config, results: AsyncIterable[llm.ToolResult] | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[llm.Event]]:
        """As `LlmClient.chat`."""
        ...

    async def models(self) -> llm.Models:
        """As `LlmClient.models`."""
        ...


class Speaks(Protocol):
    """TTS servers."""

    def synthesize(
        self, config: tts.Config, text: AsyncIterable[tts.Request]
    ) -> AbstractAsyncContextManager[AsyncIterator[tts.Event]]:
        """As `TtsClient.synthesize`."""
        ...

    async def list_voices(self) -> tts.Voices:
        """As `TtsClient.list_voices`."""
        ...


class AsrServers:
    """The ASR servers of a pool."""

    def __init__(self, pool: Pool[asr.AsrClient]) -> None:
        """Ask them."""
        self._pool = pool
        self._answers = Answers()

    @asynccontextmanager
    async def transcribe(
        self, requests: Pushed[asr.Request], placement: Placement | None = None
    ) -> AsyncIterator[AsyncIterator[asr.Event]]:
        """A stream on one of them, for as long as it lasts; `placement` is told which."""

        def begins(event: asr.Event) -> bool:
            # Behind the first request there is none before the server is ready, and then the stream has begun.
            if isinstance(requests.first, asr.Config) and isinstance(event, asr.Ready):
                self._answers.note(requests.first, event, _now())
            return True

        call: Call[asr.AsrClient, asr.Event] = Call(
            lambda client: client.transcribe(requests), begins, placement, lambda client: client.is_quick
        )
        async with opened(self._pool, call) as events:
            yield events

    def known(self, config: asr.Config) -> asr.Ready | None:
        """What was answered lately to one of the same content; nothing while all servers are away, or suspected."""
        return self._answers.to(config, _now()) if self._pool.is_well else None

    async def languages(self) -> asr.Languages:
        """What one of them transcribes."""
        return await asked(self._pool, lambda client: client.languages())


class LlmServers:
    """The LLM servers of a pool."""

    def __init__(self, pool: Pool[llm.LlmClient]) -> None:
        """Ask them."""
        self._pool = pool

    @asynccontextmanager
    async def chat(
        self, config: llm.Config, results: AsyncIterable[llm.ToolResult] | None = None
    ) -> AsyncIterator[AsyncIterator[llm.Event]]:
        """A reply by one of them; by another one where it fails before it has said or wanted anything."""
        begun = Flag()
        """Of the server that was asked last."""

        def begins(event: llm.Event) -> bool:
            if not isinstance(event, llm.Ready | llm.Progress):
                begun.set()
            return begun.is_set()

        async def when_begun(begun: Flag, results: AsyncIterable[llm.ToolResult]) -> AsyncIterator[llm.ToolResult]:
            # A call that is over closes what it was given: before anything was wanted there is nothing to give.
            await begun.wait()
            async for result in results:
                yield result

        def chat(client: llm.LlmClient) -> AbstractAsyncContextManager[AsyncIterator[llm.Event]]:
            nonlocal begun
            begun = Flag()
            return client.chat(config, None if results is None else when_begun(begun, results))

        async with opened(self._pool, Call(chat, begins, is_quick=lambda client: client.is_quick)) as events:
            yield events

    async def models(self) -> llm.Models:
        """What one of them writes with."""
        return await asked(self._pool, lambda client: client.models())


class TtsServers:
    """The TTS servers of a pool."""

    def __init__(self, pool: Pool[tts.TtsClient]) -> None:
        """Ask them."""
        self._pool = pool

    @asynccontextmanager
    async def synthesize(
        self, config: tts.Config, text: AsyncIterable[tts.Request]
    ) -> AsyncIterator[AsyncIterator[tts.Event]]:
        """Speech by one of them; by another one, which is told all of the text, where it fails before any sound.

        A wait for the next piece of `text` may be given up, and asked for again.
        """
        replay = Replay(text)

        def begins(event: tts.Event) -> bool:
            return not isinstance(event, tts.Ready)

        call: Call[tts.TtsClient, tts.Event] = Call(
            lambda client: client.synthesize(config, replay.from_the_start()),
            begins,
            is_quick=lambda client: client.is_quick,
        )
        async with opened(self._pool, call) as events:
            yield events

    async def list_voices(self) -> tts.Voices:
        """The voices of one of them."""
        return await asked(self._pool, lambda client: client.list_voices())


def _now() -> float:
    return asyncio.get_running_loop().time()
