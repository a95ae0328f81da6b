"""A hub of models on this machine: lists, redirects to a store of another origin, ranges, and what goes wrong."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.test_utils import TestServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COMMIT: Final = "5" * 40
_LARGE: Final = (".bin", ".gguf", ".onnx", ".safetensors")
_CHUNK: Final = 16_384


@dataclass(frozen=True, slots=True)
class Served:
    """One request for a file."""

    path: str
    range: str
    authorization: str
    sent_bytes: int


@dataclass
class HubServer:
    """What it has, and how it behaves."""

    files: dict[str, dict[str, bytes]]
    """By repository and path."""
    refusals: dict[str, int] = field(default_factory=dict)
    """Repositories that it does not give out, with the status that it says instead."""
    claimed_sizes: dict[str, int] = field(default_factory=dict)
    """Lengths of files that are not true."""
    breaks: dict[str, list[int]] = field(default_factory=dict)
    """After how many bytes each answer for a file breaks off, one after the other; -1: it is silent from then on."""
    spoilt: set[str] = field(default_factory=set)
    """Files of which something else comes."""
    licenses: dict[str, str] = field(default_factory=dict)
    """By repository."""
    knows_ranges: bool = True
    commit: str = COMMIT
    served: list[Served] = field(default_factory=list)
    lists: int = 0
    url: str = ""
    store_url: str = ""
    halted: asyncio.Event = field(default_factory=asyncio.Event)

    def sent(self, path: str) -> int:
        """Bytes of a file that were sent in all."""
        return sum(each.sent_bytes for each in self.served if each.path == path)

    def ranges(self, path: str) -> list[str]:
        """The range that each request for a file asked for."""
        return [each.range for each in self.served if each.path == path]

    def settings(self) -> dict[str, str]:
        """What the environment of a process must say so that it asks this hub."""
        return {"HF_ENDPOINT": self.url, "HF_HUB_DOWNLOAD_TIMEOUT": "10"}

    async def list_files(self, request: web.Request) -> web.Response:
        self.lists += 1
        repository = _repository(request)
        if status := self._status(repository):
            return web.json_response({"error": "no"}, status=status)
        siblings = [self._sibling(path, content) for path, content in self.files[repository].items()]
        card = {"license": self.licenses[repository]} if repository in self.licenses else None
        return web.json_response({"id": repository, "sha": self.commit, "siblings": siblings, "cardData": card})

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        repository, path = _repository(request), request.match_info["path"]
        if status := self._status(repository) or (0 if path in self.files[repository] else 404):
            return web.Response(status=status)
        if path.endswith(_LARGE):
            raise web.HTTPFound(f"{self.store_url}/{repository}/{path}")
        return await self.give(request)

    async def give(self, request: web.Request) -> web.StreamResponse:
        repository, path = _repository(request), request.match_info["path"]
        content = self.files[repository][path]
        if path in self.spoilt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = request.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.knows_ranges else 0
        headers = {"Content-Length": str(len(content) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        breaks = self.breaks.get(path)
        count = breaks.pop(0) if breaks else len(content) - start
        silent, sent = count < 0, 0
        end = start + (len(content) // 2 if silent else count)
        for place in range(start, end, _CHUNK):
            piece = content[place : min(place + _CHUNK, end)]
            await response.write(piece)
            sent += len(piece)
        self.served.append(Served(path, asked, request.headers.get("Authorization", ""), sent))
        if silent:
            await self.halted.wait()
        if end < len(content) and request.transport is not None:
            request.transport.close()
        return response

    def _status(self, repository: str) -> int:
        return self.refusals.get(repository, 0) or (0 if repository in self.files else 404)

    def _sibling(self, path: str, content: bytes) -> dict[str, object]:
        size = self.claimed_sizes.get(path, len(content))
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - git's own
        sibling: dict[str, object] = {"rfilename": path, "size": size, "blobId": blob}
        if path.endswith(_LARGE):
            sibling["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 134}
        return sibling


@asynccontextmanager
async def open_hub(files: dict[str, dict[str, bytes]]) -> AsyncIterator[HubServer]:
    """A hub with `files` that answers, and the store that it sends one to."""
    hub = HubServer(files)
    front, store = web.Application(), web.Application()
    front.router.add_get("/api/models/{owner}/{name}/revision/main", hub.list_files)
    front.router.add_get("/{owner}/{name}/resolve/{revision}/{path:.+}", hub.resolve)
    store.router.add_get("/{owner}/{name}/{path:.+}", hub.give)
    async with TestServer(front) as first, TestServer(store) as second:
        hub.url, hub.store_url = str(first.make_url("")).rstrip("/"), str(second.make_url("")).rstrip("/")
        try:
            yield hub
        finally:
            hub.halted.set()


def _repository(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['name']}"
