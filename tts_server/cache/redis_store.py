"""Entries in a Redis that several servers share, and that outlives them.

A Redis that is away, slow or full of something else costs a tenth of a second, a line in the log and a few seconds in
which it is not asked; a reply never notices. Each command has one deadline over connecting, sending and the answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from parley._masking import masked, secrets_in
from parley.errors import Unavailable
from tts_server.cache.entry import decode, encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tts_server.cache.entry import CacheEntry

_PREFIX: Final = "parley:tts:"
_EXPIRY_SECONDS: Final = 7 * 24 * 3600
_DEADLINE_SECONDS: Final = 0.1
_REST_SECONDS: Final = 5.0

_NO_URL: Final = (
    "PARLEY_REDIS_URL: write redis://HOST:PORT, rediss://HOST:PORT or unix://PATH, with :PASSWORD@ before the host if "
    "it wants one, and / ? # @ in a password as %2F %3F %23 %40"
)

_log = logging.getLogger("parley.tts.cache")


class RedisStore:
    """One Redis."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Connect to `url` with the first command.

        Raises:
            Unavailable: it is no URL of a Redis.
        """
        self._secrets = secrets_in(url)
        # With one of these in a password, what follows it is taken for a path, and what is before it for a host.
        if "@" in urlsplit(url)._replace(netloc="").geturl():
            raise Unavailable(_NO_URL)
        try:
            self._client = Redis.from_url(url, retry=Retry(NoBackoff(), 0), max_connections=64)
        except ValueError:
            # Without the library's own words: they quote what it takes for a port, and that may be a password.
            raise Unavailable(_NO_URL) from None
        self._clock = clock
        self._rests_until = 0.0
        self._down = False

    async def get(self, key: str, text: str) -> CacheEntry | None:
        """The entry of `text` under `key`."""
        written = await self._ask(lambda: self._client.get(_PREFIX + key))
        return decode(key, text, written) if isinstance(written, bytes) else None

    async def put(self, key: str, entry: CacheEntry) -> None:
        """Store an entry for a week."""
        await self._ask(lambda: self._client.set(_PREFIX + key, encode(key, entry), ex=_EXPIRY_SECONDS))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, command: Callable[[], Awaitable[object]]) -> object:
        """What a command answers; None when it fails, and for a while after one that failed."""
        if self._clock() < self._rests_until:
            return None
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                answer = await command()
        except (RedisError, OSError) as error:
            self._rest(error)
            return None
        if self._down:
            _log.info("the cache in Redis is back")
        self._down = False
        return answer

    def _rest(self, error: Exception) -> None:
        self._rests_until = self._clock() + _REST_SECONDS
        if not self._down:
            # A server that wants no password quotes the one that it was given.
            why = masked(str(error), self._secrets) or f"no answer within {_DEADLINE_SECONDS:g} s"
            _log.warning("the cache in Redis cannot be used, and speech is made anew: %s", why)
        self._down = True
