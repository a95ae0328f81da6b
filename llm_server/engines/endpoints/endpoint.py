"""One OpenAI-compatible endpoint: a conversation goes out, the pieces of the reply come in as they are written."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp

from llm_server.engine import Conversation, Delta, Finish, StopReason, ToolCall
from llm_server.engines.endpoints.sse import EventReader
from llm_server.engines.messages import as_dict, tool_as_dict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

_END: Final = "[DONE]"
_REASONS: Final = {
    "stop": StopReason.STOP,
    "length": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "content_filter": StopReason.STOP,
}
_MOST_OF_A_BODY: Final = 200
_CONNECT_SECONDS: Final = 1.0
_BETWEEN_WORDS_SECONDS: Final = 5.0
# What is wrong is the conversation: malformed, too long, refused.
_TOO_MUCH: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


class EndpointFailed(Exception):
    """An endpoint cannot be used, or broke off."""

    def __init__(self, message: str, retry_after_seconds: float | None = None, *, is_well: bool = False) -> None:
        """Say what happened, when it wants to be asked again, and whether it is well and only this was too much."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.is_well = is_well


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and whom."""

    url: str
    """Base of the API, such as "http://127.0.0.1:11434/v1"."""
    model: str
    """Name of the model there."""
    api_key: str = field(default="", repr=False)
    """Sent as a bearer token; never logged."""
    first_token_seconds: float = 1.3
    """How long its first words may take, from the request on."""

    @property
    def name(self) -> str:
        """Model and host, for people; what else is in the address may be secret."""
        parts = urlsplit(self.url)
        return f"{self.model}@{parts.hostname}:{parts.port}" if parts.port else f"{self.model}@{parts.hostname}"

    async def answer(
        self, session: aiohttp.ClientSession, conversation: Conversation
    ) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        """Write a reply; closing the generator closes the connection, which ends the endpoint's work.

        Raises:
            EndpointFailed: it refuses, is silent for too long, breaks off, or writes nothing.
        """
        patience = _Patience(asyncio.get_running_loop().time() + self.first_token_seconds)
        try:
            async with asyncio.timeout_at(patience.until):
                response = await self._post(session, conversation)
        except TimeoutError:
            raise EndpointFailed(f"{self.name} has not answered for {self.first_token_seconds:g} s") from None
        except aiohttp.ClientError as error:
            raise EndpointFailed(f"{self.name} cannot be reached: {error}") from error
        try:
            usage, reason, written, calls = _Usage(), None, False, _Calls()
            async for data in self._events(response, patience):
                piece = _piece(data, self.name)
                usage = piece.usage or usage
                reason = piece.reason or reason
                calls.add(piece.calls)
                if piece.text or piece.calls:
                    written, patience.until = True, asyncio.get_running_loop().time() + _BETWEEN_WORDS_SECONDS
                if piece.text:
                    yield Delta(piece.text)
            if reason is None:
                raise EndpointFailed(f"{self.name} broke off in the middle of a reply")
            if not written:
                raise EndpointFailed(f"{self.name} wrote nothing")
            for call in calls.whole(self.name):
                yield call
            # Some call functions and say that they have stopped.
            yield self._finish(StopReason.TOOL_CALLS if calls.begun else reason, usage)
        finally:
            response.close()

    def _finish(self, reason: StopReason, usage: _Usage) -> Finish:
        return Finish(
            reason, usage.prompt_tokens, usage.completion_tokens, cached_tokens=usage.cached_tokens, model=self.name
        )

    async def _post(self, session: aiohttp.ClientSession, conversation: Conversation) -> aiohttp.ClientResponse:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        address = f"{self.url.rstrip('/')}/chat/completions"
        response = await session.post(address, json=self._body(conversation), headers=headers, timeout=timeout)
        if response.status == HTTPStatus.OK:
            return response
        try:
            why = " ".join((await response.text(errors="replace")).split())[:_MOST_OF_A_BODY]
        finally:
            response.close()
        # An endpoint may quote the key that it does not like.
        why = why.replace(self.api_key, "***") if self.api_key else why
        retry_after = _seconds(response.headers.get("Retry-After"))
        is_well = response.status in _TOO_MUCH
        raise EndpointFailed(f"{self.name} answers {response.status}: {why}", retry_after, is_well=is_well)

    async def _events(self, response: aiohttp.ClientResponse, patience: _Patience) -> AsyncIterator[str]:
        """The data of each event, until the endpoint says that there is no more."""
        reader, chunks = EventReader(), aiter(response.content.iter_any())
        while True:
            try:
                async with asyncio.timeout_at(patience.until):
                    chunk = await anext(chunks, b"")
            except TimeoutError:
                raise EndpointFailed(f"{self.name} has written nothing for too long") from None
            except aiohttp.ClientError as error:
                raise EndpointFailed(f"{self.name} broke off: {error}") from error
            if not chunk:
                return
            for data in reader.feed(chunk):
                if data == _END:
                    return
                yield data

    def _body(self, conversation: Conversation) -> dict[str, object]:
        body: dict[str, object] = {
            "model": self.model,
            "messages": [as_dict(each, arguments_as_text=True) for each in conversation.messages],
            "max_tokens": conversation.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if conversation.tools:
            body["tools"] = [tool_as_dict(tool) for tool in conversation.tools]
        if conversation.temperature is not None:
            body["temperature"] = conversation.temperature
        if conversation.seed is not None:
            body["seed"] = conversation.seed
        return body


@dataclass(slots=True)
class _Patience:
    """Until when the next words must have come: comments and empty pieces do not put it off."""

    until: float


@dataclass(frozen=True, slots=True)
class _Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class _Fragment:
    """A piece of a call of a function."""

    place: int | None
    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class _Begun:
    """A call of a function, as far as it has been written."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class _Calls:
    """Calls of functions, which come in fragments with the place of each."""

    def __init__(self) -> None:
        self.begun: dict[int, _Begun] = {}

    def add(self, fragments: list[_Fragment]) -> None:
        for fragment in fragments:
            # Endpoints that send each call whole may leave its place out.
            place = len(self.begun) if fragment.place is None else fragment.place
            call = self.begun.setdefault(place, _Begun())
            call.id = call.id or fragment.id
            call.name += fragment.name
            call.arguments += fragment.arguments

    def whole(self, endpoint: str) -> list[ToolCall]:
        """The calls.

        Raises:
            EndpointFailed: one has no name.
        """
        found = [ToolCall(each.id or f"call-{place}", each.name, each.arguments) for place, each in self.begun.items()]
        if not all(call.name for call in found):
            raise EndpointFailed(f"{endpoint} wants a function called that it does not name")
        return found


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one event brings."""

    text: str = ""
    reason: StopReason | None = None
    usage: _Usage | None = None
    calls: list[_Fragment] = field(default_factory=list)


def _piece(data: str, name: str) -> _Piece:
    """An event's data, read.

    Raises:
        EndpointFailed: it is no JSON, or says that something failed.
    """
    try:
        event = json.loads(data)
    except json.JSONDecodeError as error:
        raise EndpointFailed(f"{name} sends what is no JSON: {data[:_MOST_OF_A_BODY]}") from error
    if not isinstance(event, dict) or event.get("error"):
        raise EndpointFailed(f"{name} says: {data[:_MOST_OF_A_BODY]}")
    try:
        return _read(event)
    except (AttributeError, KeyError, TypeError) as error:
        raise EndpointFailed(f"{name} sends what is no chat completion: {data[:_MOST_OF_A_BODY]}") from error


def _read(event: dict[str, Any]) -> _Piece:
    # The last event of some endpoints has the usage and no choice.
    choice = (event.get("choices") or [{}])[0]
    delta = choice.get("delta") or {}
    ended = choice.get("finish_reason")
    reason = _REASONS.get(ended, StopReason.STOP) if ended else None
    calls = [_fragment(each) for each in delta.get("tool_calls") or []]
    return _Piece(delta.get("content") or "", reason, _usage(event.get("usage")), calls)


def _fragment(call: dict[str, Any]) -> _Fragment:
    function = call.get("function") or {}
    return _Fragment(
        call.get("index"), call.get("id") or "", function.get("name") or "", function.get("arguments") or ""
    )


def _usage(counted: dict[str, Any] | None) -> _Usage | None:
    if not counted:
        return None
    cached = (counted.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return _Usage(counted.get("prompt_tokens", 0), counted.get("completion_tokens", 0), cached)


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header that counts seconds; dates are not worth the reading here."""
    try:
        return float(retry_after) if retry_after else None
    except ValueError:
        return None
