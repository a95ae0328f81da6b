"""Knows which engines, models and voices the LLM and the TTS server have; asked anew every ten seconds at most.

Many sessions begin at once, and a server that is away must hold up none of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.errors import ParleyError

if TYPE_CHECKING:
    from edge_gateway.reply.reply import Servers
    from parley.tts import Voice

_BELIEVED_SECONDS: Final = 10.0
_AWAY_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Engines:
    """What writes and speaks; empty where a server is away."""

    llm: str = ""
    """Engine and model that write."""
    tts: str = ""
    """Engine that speaks."""
    voices: tuple[Voice, ...] = ()
    """Voices, the default first."""
    problem: str = ""
    """Why nobody can write replies at the moment, as far as is known."""


class Directory:
    """The engines behind one gateway."""

    def __init__(self, servers: Servers) -> None:
        """Ask these servers."""
        self._servers = servers
        self._engines = Engines()
        self._until_seconds = 0.0
        self._asking = asyncio.Lock()

    async def engines(self) -> Engines:
        """What is known, or can be learnt within a second."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if now >= self._until_seconds:
                self._engines = await self._ask()
                away = not (self._engines.llm and self._engines.tts) or bool(self._engines.problem)
                self._until_seconds = now + (_AWAY_SECONDS if away else _BELIEVED_SECONDS)
            return self._engines

    async def _ask(self) -> Engines:
        async with asyncio.TaskGroup() as tasks:
            llm = tasks.create_task(self._llm(), name="models")
            tts = tasks.create_task(self._tts(), name="voices")
        speaks, voices = tts.result()
        writes, problem = llm.result()
        return Engines(writes, speaks, voices, problem)

    async def _llm(self) -> tuple[str, str]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                models = await self._servers.llm.models()
        except (ParleyError, TimeoutError):
            # Who answers will be told with each reply; a session can begin without.
            return "", ""
        return f"{models.engine} {next(iter(models.names), '')}".strip(), models.problem

    async def _tts(self) -> tuple[str, tuple[Voice, ...]]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                voices = await self._servers.tts.list_voices()
        except (ParleyError, TimeoutError):
            return "", ()
        return voices.engine, voices.voices
