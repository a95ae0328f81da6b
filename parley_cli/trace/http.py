"""Asks for JSON over HTTP, and says in one line what came instead. Knows nothing of who answers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from parley._json import read_json
from parley.errors import DeadlinePassed, InvalidInput, TooLarge, Unavailable
from parley_cli.trust import trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_PATIENCE: Final = aiohttp.ClientTimeout(total=30.0)
_MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_VALUES: Final = 4_000_000
_LONGEST_REASON: Final = 300
OK: Final = 200
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Source:
    """Somebody who answers questions."""

    http: aiohttp.ClientSession
    """What they are asked through."""
    url: str
    """Base of what they are asked for."""
    name: str
    """What they are called in a sentence: "the gateway"."""
    remedy: str
    """What to do where nobody answers."""

    @property
    def shown(self) -> str:
        """The address as it may be printed."""
        return shown(self.url)

    async def ask(self, path: str, parameters: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and text of what is at `path`.

        Raises:
            ParleyError: nothing came, or more than can be read.
        """
        try:
            async with self.http.get(f"{self.url.rstrip('/')}{path}", params=parameters) as response:
                body = bytearray()
                async for piece in response.content.iter_chunked(1 << 16):
                    body += piece
                    if len(body) > _MOST_BYTES:
                        raise TooLarge(f"{self.name} at {self.shown} answers with over {_MOST_BYTES >> 20} MB")
                return response.status, body.decode(errors="replace")
        except TimeoutError as error:
            seconds = f"{_PATIENCE.total:.0f} s"
            raise DeadlinePassed(f"{self.name} at {self.shown} did not answer within {seconds}") from error
        except aiohttp.ClientError as error:
            what = f"{self.name} does not answer at {self.shown} ({_why(error)})"
            raise Unavailable(f"{what}: {self.remedy}") from error

    def read(self, body: str) -> object:
        """What an answer says.

        Raises:
            InvalidInput: it is no JSON.
        """
        try:
            return read_json(body, most_values=_MOST_VALUES)
        except ValueError as error:
            begin = reason(body) or "nothing at all"
            raise InvalidInput(f"what answers at {self.shown} is not {self.name}: no JSON, but {begin!r}") from error


@asynccontextmanager
async def opened(url: str, name: str, remedy: str) -> AsyncIterator[Source]:
    """A source for the length of a block.

    Raises:
        InvalidInput: `url` is no address.
    """
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise InvalidInput(f"{shown(url)!r} is no address of {name}: http://HOST:PORT is one", field="url")
    async with aiohttp.ClientSession(timeout=_PATIENCE, connector=aiohttp.TCPConnector(ssl=trust())) as http:
        yield Source(http, url, name, remedy)


def shown(url: str) -> str:
    """An address without the password in it."""
    before, at, after = url.partition("://")
    host, slash, path = after.partition("/")
    return f"{before}{at}{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


def reason(body: str) -> str:
    """What an answer that is no JSON says, on one line."""
    return " ".join(body.split())[:_LONGEST_REASON]


def _why(error: aiohttp.ClientError) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    told = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return told.partition(" (")[0] or type(cause).__name__
