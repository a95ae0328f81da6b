"""A conversation goes out to an endpoint, the pieces of the reply come in as they are written."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from llm_server.engine import Progress
from llm_server.engines.endpoints.attempt import Attempt
from llm_server.engines.endpoints.completion import CompletionReader
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.endpoints.patience import Patience, Watch
from llm_server.engines.endpoints.transport import next_of, post

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import aiohttp

    from llm_server.engine import Conversation, ReplyEvent
    from llm_server.engines.endpoints.endpoint import Endpoint

# Behind the end of a reply only the number of its tokens comes, and some endpoints forget to close.
_USAGE_SECONDS: Final = 1.0
_BYTES_AT_ONCE: Final = 8_192

_log = logging.getLogger("parley.llm")


async def answer(
    http: aiohttp.ClientSession, endpoint: Endpoint, conversation: Conversation, first: Patience, later: Patience
) -> AsyncGenerator[ReplyEvent, None]:
    """Have a reply written; closing the generator closes the connection, which ends the endpoint's work.

    `first` bounds the waits for its first words, `later` those after them. All that comes is a sign of life: a thought
    aloud, an empty piece, a comment, a refusal of something that can be asked otherwise.

    Raises:
        EndpointFailed: it refuses, is silent for too long, breaks off, or writes nothing.
    """
    watch, attempt = Watch(first, _now()), Attempt.first(conversation, endpoint.habits)
    while True:
        events, begun = _attempt(http, endpoint, attempt, watch, later), False
        try:
            async with aclosing(events):
                async for event in events:
                    begun = begun or not isinstance(event, Progress)
                    yield event  # noqa: ASYNC119 - whoever asks closes the generator
        except EndpointFailed as failure:
            again = None if begun else attempt.after(failure.refusal)
            if again is None:
                raise
            left_out = len(attempt.conversation.messages) - len(again.conversation.messages)
            why = failure.plain
            _log.info("%s is asked otherwise, without %d oldest messages: %s", endpoint.name, left_out, why)
            attempt = again
            watch.alive(_now())
        else:
            return


async def _attempt(
    http: aiohttp.ClientSession, endpoint: Endpoint, attempt: Attempt, watch: Watch, later: Patience
) -> AsyncGenerator[ReplyEvent, None]:
    response = await post(http, endpoint, attempt, watch)
    try:
        watch.alive(_now())
        reader = CompletionReader(endpoint, attempt.conversation)
        async with aclosing(_pieces(endpoint, response, reader, watch)) as pieces:
            async for piece in pieces:
                written = reader.written
                for event in reader.feed(piece):
                    yield event  # noqa: ASYNC119 - as above
                if reader.written > written:
                    watch.wrote(_now(), later)
        last = reader.finish()
        endpoint.habits.learn(attempt)
        for event in last:
            yield event
    finally:
        response.close()


async def _pieces(
    endpoint: Endpoint, response: aiohttp.ClientResponse, reader: CompletionReader, watch: Watch
) -> AsyncGenerator[bytes, None]:
    """The bytes of a response, until `reader` has seen the end."""
    chunks, ends = aiter(response.content.iter_any()), None
    while not reader.is_over:
        if reader.is_complete and ends is None:
            ends = Watch(Patience(_USAGE_SECONDS, _USAGE_SECONDS), _now())
        try:
            chunk = await next_of(endpoint, chunks, ends or watch)
        except EndpointFailed:
            if ends is None:
                raise
            return
        if not chunk:
            return
        watch.alive(_now())
        for place in range(0, len(chunk), _BYTES_AT_ONCE):
            yield chunk[place : place + _BYTES_AT_ONCE]
            if len(chunk) > _BYTES_AT_ONCE:
                # Thousands of events at once are work that others would wait for.
                await asyncio.sleep(0)


def _now() -> float:
    return asyncio.get_running_loop().time()
