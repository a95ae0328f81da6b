"""What the hub says: the files of a repository with their checksums, and why it refuses one.

Where the hub is, and who asks, is what huggingface_hub reads from the environment and from its login. It fetches files
too; but what has come of one is thrown away when it is interrupted, and its checksum is not looked at. So `fetch` does.
"""

from __future__ import annotations

import importlib.util
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import aiohttp

from parley.errors import NotFound, Unavailable, not_installed
from parley_cli.models.names import HubFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CONNECT_SECONDS: Final = 10.0
_REFUSED: Final = (401, 403)
_LONGEST_LICENSE: Final = 100


@dataclass(frozen=True, slots=True)
class Hub:
    """Where the hub is, who asks, and where its cache is."""

    endpoint: str
    """Base of its addresses."""
    headers: Mapping[str, str]
    """Sent with every request: who asks."""
    read_seconds: float
    """How long it may be silent."""
    offline: bool
    """It must not be asked."""
    cache: Path
    """Folder in which every program keeps what it has from the hub."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Connections to it."""
        # Lengths and ranges are those of the file, not of a packed form of it.
        headers = {**self.headers, "Accept-Encoding": "identity"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=self.read_seconds)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=True) as session:
            yield session

    def address(self, repository: str, commit: str, path: str) -> str:
        """Where a file of a repository can be had."""
        return f"{self.endpoint}/{repository}/resolve/{commit}/{quote(path)}"


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one moment."""

    commit: str
    """Its newest commit, 40 hexadecimal digits."""
    files: tuple[HubFile, ...]
    """All its files."""
    license: str = ""
    """Under which it is given out, by its card; empty: it does not say."""


def find_hub() -> Hub:
    """The hub that this machine is set up for.

    Raises:
        Unavailable: huggingface_hub is not installed.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise not_installed("huggingface_hub", "models")
    from huggingface_hub import constants  # noqa: PLC0415 - the command line is installed without it
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # noqa: PLC0415 - left out of its types

    return Hub(
        endpoint=constants.ENDPOINT,
        headers=build_hf_headers(library_name="parley"),
        read_seconds=float(constants.HF_HUB_DOWNLOAD_TIMEOUT),
        offline=bool(constants.HF_HUB_OFFLINE),
        cache=Path(constants.HF_HUB_CACHE).expanduser(),
    )


async def list_files(hub: Hub, session: aiohttp.ClientSession, repository: str) -> Listing:
    """All files of a repository as they are now.

    Raises:
        NotFound: there is no such repository.
        Unavailable: the hub cannot be reached, refuses, or answers something else.
    """
    address = f"{hub.endpoint}/api/models/{repository}/revision/main?blobs=true"
    try:
        async with session.get(address) as response:
            refuse(response.status, repository)
            answer = json.loads(await response.read())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unreachable(hub, error) from error
    except ValueError as error:
        raise Unavailable(f"{hub.endpoint} is no hub: its answer is no JSON; look at HF_ENDPOINT") from error
    commit, siblings = _inner(answer, "sha"), _inner(answer, "siblings")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit) or not isinstance(siblings, list):
        raise Unavailable(f"{hub.endpoint} does not say which files {repository} has; look at HF_ENDPOINT")
    return Listing(commit, tuple(_file(repository, each) for each in siblings), _license(answer))


def refuse(status: int, wanted: str) -> None:
    """See whether the hub gave what it was asked for.

    Raises:
        NotFound: there is nothing of this name.
        Unavailable: it does not want to, or cannot.
    """
    if status in _REFUSED:
        raise Unavailable(
            f"the hub does not give out {wanted} ({status}): either there is no such repository, or one must agree "
            "to its terms on its page, and name an access token in HF_TOKEN"
        )
    if status == HTTPStatus.NOT_FOUND:
        raise NotFound(f"the hub has no {wanted} (404)")
    if status not in {200, 206}:
        raise Unavailable(f"the hub answers {status} when it is asked for {wanted}: try again later")


def unreachable(hub: Hub, error: BaseException) -> Unavailable:
    """What is said when the hub does not answer."""
    return Unavailable(
        f"{hub.endpoint} cannot be reached ({str(error) or type(error).__name__}): is there a network, is HF_ENDPOINT "
        "right? What is here already works without: parley models list"
    )


def _file(repository: str, entry: object) -> HubFile:
    """A file from the hub's list, whose names go to the disk only if they stay within a folder."""
    path, size = _inner(entry, "rfilename"), _inner(entry, "size")
    checksum = _inner(entry, "lfs", "sha256") or _inner(entry, "blobId")
    if (
        not isinstance(path, str)
        or not isinstance(size, int)
        or not isinstance(checksum, str)
        or not _CHECKSUM.fullmatch(checksum)
        or PurePosixPath(path).is_absolute()
        or ".." in PurePosixPath(path).parts
    ):
        raise Unavailable(f"the hub lists a file of {repository} that cannot be used: {entry}")
    return HubFile(path, size, checksum)


def _license(answer: object) -> str:
    """The licence by a repository's card, as people read it; anybody may write there, so what cannot be one is none."""
    named, more = _inner(answer, "cardData", "license"), _inner(answer, "cardData", "license_name")
    found = ", ".join(each for each in (named if isinstance(named, list) else [named, more]) if isinstance(each, str))
    return found if found.isprintable() and len(found) <= _LONGEST_LICENSE else ""


def _inner(value: object, *keys: str) -> object:
    """A value within JSON objects; None where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
