"""One OpenAI-compatible endpoint: a conversation goes out, the pieces of the reply come in as they are written."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from llm_server.engine import Delta, Finish, Progress, ProgressKind, StopReason
from llm_server.engines.endpoints.chunks import CallAssembler, Usage, read_chunk
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.endpoints.patience import Watch
from llm_server.engines.endpoints.sse import EventReader
from llm_server.engines.messages import as_dict, tool_as_dict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from llm_server.engine import Conversation, ReplyEvent
    from llm_server.engines.endpoints.patience import Patience

_END: Final = "[DONE]"
_MOST_OF_A_BODY: Final = 200
_CONNECT_SECONDS: Final = 1.0
# The largest models take minutes to load.
_WARM_UP_SECONDS: Final = 300.0
# What is wrong is the conversation: malformed, too long, refused.
_TOO_MUCH: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
# An endpoint that will not write one token may be well all the same.
_WILL_NOT: Final = (*_TOO_MUCH, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and whom."""

    url: str
    """Base of the API, such as "http://127.0.0.1:11434/v1"."""
    model: str
    """Name of the model there."""
    api_key: str = field(default="", repr=False)
    """Sent as a bearer token; never logged."""

    @property
    def name(self) -> str:
        """Model and host, for people; what else is in the address may be secret."""
        parts = urlsplit(self.url)
        return f"{self.model}@{parts.hostname}:{parts.port}" if parts.port else f"{self.model}@{parts.hostname}"

    def masked(self, text: str) -> str:
        """`text` without the key: an endpoint may quote one that it does not like."""
        return text.replace(self.api_key, "***") if self.api_key else text

    async def answer(
        self, http: aiohttp.ClientSession, conversation: Conversation, first: Patience, later: Patience
    ) -> AsyncGenerator[ReplyEvent, None]:
        """Write a reply; closing the generator closes the connection, which ends the endpoint's work.

        `first` bounds the waits for its first words, `later` those after them. All that comes is a sign of life: a
        thought aloud, an empty piece, a comment.

        Raises:
            EndpointFailed: it refuses, is silent for too long, breaks off, or writes nothing.
        """
        watch = Watch(first, _now())
        response = await self._post(http, conversation, watch)
        try:
            usage, reason, written, thinks, calls = Usage(), None, False, False, CallAssembler()
            async for data in self._events(response, watch):
                chunk = read_chunk(data, self.name)
                usage = chunk.usage or usage
                reason = chunk.reason or reason
                calls.add(chunk.calls)
                if chunk.text or chunk.calls:
                    written = True
                    watch.wrote(_now(), later)
                if chunk.thinks and not thinks:
                    yield Progress(ProgressKind.REASONING, self.name)
                thinks = chunk.thinks
                if chunk.text:
                    yield Delta(chunk.text)
            if reason is None:
                raise EndpointFailed(f"{self.name} broke off in the middle of a reply")
            if not written:
                raise EndpointFailed(f"{self.name} wrote nothing")
            for call in calls.whole(self.name):
                yield call
            # Some call functions and say that they have stopped.
            yield self._finish(StopReason.TOOL_CALLS if calls else reason, usage)
        finally:
            response.close()

    async def warm_up(self, http: aiohttp.ClientSession) -> None:
        """Have the model loaded: ask for one token, or, of an endpoint that will not, whether it has the model.

        Raises:
            EndpointFailed: it does neither.
        """
        body = {"model": self.model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        timeout = aiohttp.ClientTimeout(total=_WARM_UP_SECONDS, sock_connect=_CONNECT_SECONDS)
        try:
            async with http.post(self._at("chat/completions"), json=body, headers=self._headers, timeout=timeout) as it:
                if it.status == HTTPStatus.OK:
                    return
                refusal = await self._refusal(it)
            if it.status not in _WILL_NOT:
                raise refusal
            async with http.get(self._at("models"), headers=self._headers, timeout=timeout) as it:
                listed = await it.json(content_type=None) if it.status == HTTPStatus.OK else None
        except TimeoutError:
            raise EndpointFailed(f"{self.name} has not answered for {_WARM_UP_SECONDS:g} s") from None
        except (aiohttp.ClientError, json.JSONDecodeError) as error:
            raise EndpointFailed(f"{self.name} cannot be reached: {error}") from error
        if not _lists(listed, self.model):
            raise refusal

    def _finish(self, reason: StopReason, usage: Usage) -> Finish:
        return Finish(
            reason, usage.prompt_tokens, usage.completion_tokens, cached_tokens=usage.cached_tokens, model=self.name
        )

    async def _post(
        self, http: aiohttp.ClientSession, conversation: Conversation, watch: Watch
    ) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        address, body = self._at("chat/completions"), self._body(conversation)
        try:
            async with asyncio.timeout_at(watch.until):
                response = await http.post(address, json=body, headers=self._headers, timeout=timeout)
                if response.status == HTTPStatus.OK:
                    watch.alive(_now())
                    return response
                try:
                    raise await self._refusal(response)
                finally:
                    response.close()
        except TimeoutError:
            raise EndpointFailed(f"{self.name} {watch.why}", is_silent=True) from None
        except aiohttp.ClientError as error:
            raise EndpointFailed(f"{self.name} cannot be reached: {error}") from error

    async def _refusal(self, response: aiohttp.ClientResponse) -> EndpointFailed:
        why = self.masked(" ".join((await response.text(errors="replace")).split()))[:_MOST_OF_A_BODY]
        retry_after = _seconds(response.headers.get("Retry-After"))
        is_well = response.status in _TOO_MUCH
        return EndpointFailed(f"{self.name} answers {response.status}: {why}", retry_after, is_well=is_well)

    async def _events(self, response: aiohttp.ClientResponse, watch: Watch) -> AsyncIterator[str]:
        """The data of each event, until the endpoint says that there is no more."""
        reader, chunks = EventReader(), aiter(response.content.iter_any())
        while True:
            try:
                async with asyncio.timeout_at(watch.until):
                    chunk = await anext(chunks, b"")
            except TimeoutError:
                raise EndpointFailed(f"{self.name} {watch.why}", is_silent=True) from None
            except aiohttp.ClientError as error:
                raise EndpointFailed(f"{self.name} broke off: {error}") from error
            if not chunk:
                return
            watch.alive(_now())
            for data in reader.feed(chunk):
                if data == _END:
                    return
                yield data

    def _at(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/{path}"

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

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


def _now() -> float:
    return asyncio.get_running_loop().time()


def _lists(answer: object, model: str) -> bool:
    """True when an answer to /models has the model; Ollama adds a tag to names that were given without one."""
    entries = answer.get("data") if isinstance(answer, dict) else None
    names = [each.get("id") for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    return any(isinstance(name, str) and f"{name}:".startswith(f"{model}:") for name in names)


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header that counts seconds; dates are not worth the reading here."""
    try:
        return float(retry_after) if retry_after else None
    except ValueError:
        return None
