"""Knows which engines, models, languages and voices the servers have; asked anew every ten seconds at most.

Many sessions begin at once, and a server that is away must hold up none of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from parley.errors import ParleyError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from edge_gateway.reply.reply import Servers
    from edge_gateway.servers.hops import Listens
    from parley.asr import Languages
    from parley.llm import Models
    from parley.tts import Voices

_BELIEVED_SECONDS: Final = 10.0
_AWAY_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Engines:
    """What listens, writes and speaks; None where a server is away."""

    asr: Languages | None = None
    """Who listens, and to which languages."""
    llm: Models | None = None
    """Who writes."""
    tts: Voices | None = None
    """Who speaks, and with which voices."""

    @property
    def writes(self) -> str:
        """Engine and model that write; empty: away."""
        return f"{self.llm.engine} {next(iter(self.llm.names), '')}".strip() if self.llm else ""

    @property
    def listens(self) -> str:
        """Engine and model that listen; empty: away."""
        return f"{self.asr.engine} {self.asr.model}".strip() if self.asr else ""

    @property
    def speaks(self) -> str:
        """Engine that speaks; empty: away."""
        return self.tts.engine if self.tts else ""

    @property
    def problem(self) -> str:
        """Why nobody can write replies at the moment, as far as is known."""
        return self.llm.problem if self.llm else ""


class Directory:
    """The engines behind one gateway."""

    def __init__(self, asr: Listens, servers: Servers) -> None:
        """Ask these servers."""
        self._asr = asr
        self._servers = servers
        self._engines = Engines()
        self._until_seconds = 0.0
        self._wrote = ""
        self._asking = asyncio.Lock()

    async def engines(self) -> Engines:
        """What is known, or can be learnt within a second."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if now >= self._until_seconds:
                found = self._engines = await self._ask()
                away = found.asr is None or found.llm is None or found.tts is None or found.problem
                self._until_seconds = now + (_AWAY_SECONDS if away else _BELIEVED_SECONDS)
            return self._engines

    def doubt(self) -> None:
        """A server has failed: who asks next is told what holds now."""
        self._until_seconds = 0.0

    def replied(self, model: str, *, failed: bool) -> None:
        """`model` has written a reply, empty where there is only one; that it is another than before has a reason."""
        if failed or (model and model != self._wrote):
            self._wrote = model or self._wrote
            self.doubt()

    async def _ask(self) -> Engines:
        async with asyncio.TaskGroup() as tasks:
            asr = tasks.create_task(_within_patience(self._asr.languages()), name="languages")
            llm = tasks.create_task(_within_patience(self._servers.llm.models()), name="models")
            tts = tasks.create_task(_within_patience(self._servers.tts.list_voices()), name="voices")
        return Engines(asr.result(), llm.result(), tts.result())


async def _within_patience(answer: Coroutine[None, None, T]) -> T | None:
    """An answer, or None: who answers will be told with each reply, and a session can begin without."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await answer
    except (ParleyError, TimeoutError):
        return None
