"""Fetches one file: goes on where it broke off, now or days ago, and takes nothing whose checksum is another.

What has come is kept beside the place where it is to lie; only a whole and right file goes there.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

import aiohttp

from parley.errors import EngineFailed, WrongState
from parley_cli.models.hub import refuse, unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from parley_cli.models.hub import Hub
    from parley_cli.models.names import HubFile

_CHUNK_BYTES: Final = 1 << 20
# Waits between tries that brought nothing at all; the first break is nearly always over at once.
_WAITS_SECONDS: Final = (0.0, 1.0, 2.0, 4.0)
_SHA256_DIGITS: Final = 64
_PARTIAL: Final = 206
# What a server may say when it is only busy.
_BUSY: Final = (408, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-")


class Progress(Protocol):
    """Shows how far something is."""

    def update(self, n: int) -> object:
        """`n` bytes more, or fewer when it is negative."""
        ...


class Hash(Protocol):
    """A checksum in the making."""

    def update(self, data: bytes, /) -> None:
        """More of the file."""
        ...

    def hexdigest(self) -> str:
        """The checksum of all of it."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file comes from."""

    hub: Hub
    """The hub."""
    session: aiohttp.ClientSession
    """Connections to it."""
    repository: str
    """OWNER/REPOSITORY."""
    commit: str
    """Of which commit."""


def new_hash(file: HubFile) -> Hash:
    """A checksum of the kind that the hub has of `file`: SHA-256, or SHA-1 as git counts it."""
    if len(file.checksum) == _SHA256_DIGITS:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)


def checksum_of(path: Path, file: HubFile, progress: Progress) -> str:
    """The checksum of what lies at `path`, of the kind that `file` has."""
    made = new_hash(file)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            made.update(chunk)
            progress.update(len(chunk))
    return made.hexdigest()


async def fetch(source: Source, file: HubFile, partial: Path, progress: Progress) -> None:
    """Fetch `file` into `partial`, of which a beginning may be there already.

    Raises:
        EngineFailed: what came has another checksum.
        NotFound, Unavailable: the hub refuses, or goes away.
        WrongState: another process fetches it.
    """
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("a+b") as stream:
        _lock(stream, file)
        part = _Part(file, stream, progress)
        resumed = await part.take_up()
        await _fill(source, part)
        if not part.right and resumed:
            # The beginning may have been of something else, or spoilt on the disk; once more from there is fair.
            part.begin_anew()
            await _fill(source, part)
        if part.right:
            return
        part.begin_anew()
    raise EngineFailed(
        f"{file.path}: what came from {source.hub.endpoint} has another checksum than it promises ({file.checksum}); "
        "nothing of it was kept. Try again, and without a proxy or mirror that might change it"
    )


class _Part:
    """As much of a file as has come, and its checksum so far."""

    def __init__(self, file: HubFile, stream: BinaryIO, progress: Progress) -> None:
        self.file = file
        self.length = 0
        self._stream = stream
        self._progress = progress
        self._hash = new_hash(file)

    @property
    def complete(self) -> bool:
        """Nothing more is to come."""
        return self.length >= self.file.size_bytes

    @property
    def right(self) -> bool:
        """It is the file that was promised."""
        return self.length == self.file.size_bytes and self._hash.hexdigest() == self.file.checksum

    async def take_up(self) -> bool:
        """Count what came in an earlier run; whether there is any."""
        self._stream.seek(0)
        while chunk := self._stream.read(_CHUNK_BYTES):
            self._count(chunk)
            # So that Ctrl-C is heard meanwhile.
            await asyncio.sleep(0)
        return self.length > 0

    def add(self, chunk: bytes) -> None:
        """Keep what follows, also when this process is killed."""
        self._stream.write(chunk)
        self._stream.flush()
        self._count(chunk)

    def begin_anew(self) -> None:
        """Throw all of it away."""
        self._progress.update(-self.length)
        self._stream.truncate(0)
        self.length, self._hash = 0, new_hash(self.file)

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.length += len(chunk)
        self._progress.update(len(chunk))


def _lock(stream: BinaryIO, file: HubFile) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WrongState(f"another process is fetching {file.path}: wait for it, or stop it") from error


async def _fill(source: Source, part: _Part) -> None:
    """Fetch what is lacking, in as many goes as it takes while each brings something."""
    silent = 0
    while not part.complete:
        before = part.length
        try:
            await _more(source, part)
        except (aiohttp.ClientError, TimeoutError) as error:
            silent = 1 if part.length > before else silent + 1
            if silent > len(_WAITS_SECONDS):
                raise unreachable(source.hub, error) from error
            await asyncio.sleep(_WAITS_SECONDS[silent - 1])


async def _more(source: Source, part: _Part) -> None:
    """Add what the hub has after `part`.

    Raises:
        aiohttp.ClientError: it broke off, or gave something else; another try may bring the rest.
        NotFound, Unavailable: the hub refuses.
    """
    headers = {"Range": f"bytes={part.length}-"} if part.length else {}
    address = source.hub.address(source.repository, source.commit, part.file.path)
    async with source.session.get(address, headers=headers) as response:
        if response.status in _BUSY:
            raise aiohttp.ClientPayloadError(f"it answers {response.status}")
        refuse(response.status, f"{source.repository}/{part.file.path}")
        if _first_byte(response) != part.length:
            # It knows nothing of ranges, and gives all of it.
            part.begin_anew()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            part.add(chunk)
            if part.length > part.file.size_bytes:
                return
    if not part.complete:
        raise aiohttp.ClientPayloadError("it broke off")


def _first_byte(response: aiohttp.ClientResponse) -> int:
    """The place in the file at which an answer begins."""
    found = _RANGE.match(response.headers.get("Content-Range", "")) if response.status == _PARTIAL else None
    return int(found[1]) if found else 0
