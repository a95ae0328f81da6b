"""What goes over HTTP: a request, and what an endpoint answers that is no reply."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp

from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.endpoints.proxies import proxy_for
from llm_server.engines.endpoints.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import SimpleNamespace

    from llm_server.engines.endpoints.attempt import Attempt
    from llm_server.engines.endpoints.endpoint import Endpoint
    from llm_server.engines.endpoints.patience import Watch

CONNECT_SECONDS: Final = 1.0
BROKEN: Final = (aiohttp.ClientError, OSError, ValueError)
"""What aiohttp raises of a connection; the last of addresses and headers that nobody can be asked with."""

# What is wrong is the request: malformed, too long, refused.
TOO_MUCH: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
_MOST_OF_A_REFUSAL: Final = 16_384


def open_session() -> aiohttp.ClientSession:
    """What keeps connections to endpoints."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_reused)
    # The server has a limit of its own; a queue here would look like an endpoint that is silent.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trace_configs=[trace])


async def post(
    http: aiohttp.ClientSession, endpoint: Endpoint, attempt: Attempt, watch: Watch
) -> aiohttp.ClientResponse:
    """Ask for a reply; the response that will have it. The caller closes it.

    Raises:
        EndpointFailed: it cannot be reached, refuses, or is silent for too long.
    """
    try:
        async with asyncio.timeout_at(watch.until):
            response = await _sent(http, endpoint, attempt.body(endpoint.model))
            if response.ok:
                return response
            try:
                raise await refused(endpoint, response)
            finally:
                response.close()
    except aiohttp.ConnectionTimeoutError:
        raise EndpointFailed(
            f"{endpoint.name} takes no connection within {CONNECT_SECONDS:g} s", is_silent=True
        ) from None
    except TimeoutError:
        raise EndpointFailed(f"{endpoint.name} {watch.why}", is_silent=True) from None
    except BROKEN as error:
        raise EndpointFailed(f"{endpoint.name} cannot be reached", said=why(endpoint, error)) from error


async def _sent(http: aiohttp.ClientSession, endpoint: Endpoint, body: dict[str, object]) -> aiohttp.ClientResponse:
    timeout, proxy = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS), proxy_for(endpoint.chat)
    while True:
        known = {"reused": False}
        try:
            return await http.post(
                endpoint.chat,
                json=body,
                headers=endpoint.headers,
                timeout=timeout,
                proxy=proxy,
                trace_request_ctx=known,
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # Whoever serves may close a kept connection at any time, as llama.cpp does after each reply.
            if not known["reused"]:
                raise


async def _reused(
    _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionReuseconnParams
) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx["reused"] = True


async def refused(endpoint: Endpoint, response: aiohttp.ClientResponse) -> EndpointFailed:
    """What a response with another status than success says."""
    text, status = await read_some(response, _MOST_OF_A_REFUSAL), response.status
    is_well = status in TOO_MUCH
    refusal = Refusal(text, is_for_size=status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    # Servers of llama.cpp and LM Studio say with any of these that a conversation is too long, or functions unknown.
    is_other = status in {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.NOT_ACCEPTABLE}
    is_told = is_other and (refusal.is_too_long or refusal.is_for_functions)
    return EndpointFailed(
        f"{endpoint.name} answers {status}",
        _seconds(response.headers.get("Retry-After")),
        is_well=is_well or is_told,
        refusal=refusal if is_well or is_told else None,
        said=endpoint.quoted(text),
        http_status=status,
    )


async def read_some(response: aiohttp.ClientResponse, most_bytes: int) -> str:
    """The beginning of a body."""
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) >= most_bytes:
            break
    return bytes(found[:most_bytes]).decode(errors="replace")


async def next_of(endpoint: Endpoint, chunks: AsyncIterator[bytes], watch: Watch) -> bytes:
    """The next bytes of a reply; none at its end.

    Raises:
        EndpointFailed: the endpoint breaks off, or is silent for too long.
    """
    try:
        async with asyncio.timeout_at(watch.until):
            return await anext(chunks, b"")
    except TimeoutError:
        raise EndpointFailed(f"{endpoint.name} {watch.why}", is_silent=True) from None
    except BROKEN as error:
        raise EndpointFailed(f"{endpoint.name} broke off", said=why(endpoint, error)) from error


def why(endpoint: Endpoint, error: Exception) -> str:
    """What is wrong with a connection, for people."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {endpoint.quoted(error.message)}"
    return endpoint.quoted(str(error)) or type(error).__name__


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header that counts seconds; dates are not worth the reading here."""
    try:
        seconds = float(retry_after) if retry_after else math.nan
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
