"""Client of the ASR server: sound goes up, turns of text come down.

Knows nothing of microphones, codecs or replies.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import grpc.aio

from parley._carried import CarriedCall
from parley._channel import open_channel
from parley._duplex import Translated, duplex
from parley._flag import Flag
from parley._pushed import Pushed
from parley.asr.wire import SERVICE, event_from_proto, languages_from_proto, request_to_proto
from parley.errors import from_rpc
from parley.v1 import asr_pb2, asr_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from parley._multiplexer import Multiplexer
    from parley._tls import Tls
    from parley.asr.events import Event, Languages
    from parley.asr.requests import Request

    _Block = AbstractAsyncContextManager[AsyncIterator[asr_pb2.TranscribeResponse]]

_METHOD: Final = f"/{SERVICE}/Transcribe"


class AsrClient:
    """Client of one ASR server, or of several behind one name.

    Example:
        async with AsrClient("localhost:50051") as asr, asr.transcribe(requests()) as events:
            async for event in events: ...
    """

    def __init__(
        self,
        address: str | grpc.aio.Channel,
        *,
        tls: Tls | None = None,
        name: str = "",
        multiplexer: Multiplexer | None = None,
    ) -> None:
        """Prepare a channel to `address` ("host:port"), or use a channel; it connects with the first call.

        Args:
            address: where the server is; "https://host:port" also asks for TLS.
            tls: certificate, key and authorities of this side; None: plaintext, unless the address asks for TLS.
            name: what the server's certificate must be for, where `address` is a number that came from a name.
            multiplexer: has calls share a stream, for who has many at once; made over the same channel.

        Raises:
            InvalidInput: the address or the certificates cannot be used.
            Unavailable: the package that reads certificates is not installed.
        """
        if isinstance(address, str):
            address = open_channel(address, SERVICE, tls=tls, name=name)
        self._channel = address
        self._multiplexer = multiplexer
        self._stub: asr_pb2_grpc.AsrServiceAsyncStub = asr_pb2_grpc.AsrServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        """Use the client as a block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """End every call and close the channel."""
        await self._channel.close()

    @property
    def is_quick(self) -> bool:
        """A call begins at once: no connection has to be waited for."""
        return self._multiplexer is None or self._multiplexer.is_ready

    @asynccontextmanager
    async def transcribe(self, requests: AsyncIterable[Request]) -> AsyncIterator[AsyncIterator[Event]]:
        """Open a stream; the first request must be a `Config`, the first event is `Ready`.

        Over a multiplexer pushed requests are sent where they are put, without a task and a turn of the loop.

        Raises:
            ParleyError: the server refused, failed or went away; raised where the events are read.
        """
        admitted = Flag()
        call = self._plain(requests, admitted) if self._multiplexer is None else await self._carried(requests, admitted)
        async with call as responses:

            def translate(response: asr_pb2.TranscribeResponse) -> Event | None:
                if not admitted.is_set():
                    admitted.set()
                    if isinstance(requests, Pushed) and isinstance(responses, CarriedCall):
                        requests.attach(responses, request_to_proto)
                return event_from_proto(response)

            yield Translated(responses, translate)

    def _plain(self, requests: AsyncIterable[Request], admitted: Flag) -> _Block:
        return duplex(self._stub.Transcribe, _all(requests, admitted), "asr")

    async def _carried(self, requests: AsyncIterable[Request], admitted: Flag) -> _Block:
        assert self._multiplexer is not None  # noqa: S101 - asked of who has one
        pushes = isinstance(requests, Pushed)
        if isinstance(requests, Pushed):
            first, remaining = requests.first, requests.rest()
        else:
            remaining = aiter(requests)
            first = await anext(remaining)
        return self._multiplexer.call(
            _METHOD,
            asr_pb2.TranscribeResponse.FromString,
            request_to_proto(first),
            _when_admitted(remaining, admitted),
            self._stub.Transcribe,
            pushes=pushes,
        )

    async def languages(self) -> Languages:
        """The engine and the languages that it transcribes.

        Raises:
            ParleyError: the server cannot be reached within 3 seconds.
        """
        try:
            answer = await self._stub.ListLanguages(asr_pb2.ListLanguagesRequest(), timeout=3)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, "asr") from error
        return languages_from_proto(answer)


async def _all(requests: AsyncIterable[Request], admitted: Flag) -> AsyncIterator[asr_pb2.TranscribeRequest]:
    """The requests, the second one when the server is ready. The first may be long in coming, too."""
    remaining = aiter(requests)
    async for first in remaining:
        yield request_to_proto(first)
        break
    async for request in _when_admitted(remaining, admitted):
        yield request


async def _when_admitted(requests: AsyncIterator[Request], admitted: Flag) -> AsyncIterator[asr_pb2.TranscribeRequest]:
    # A refusal that met a write on its way would lose its words (see parley.errors), so nothing follows the first
    # request before Ready.
    await admitted.wait()
    async for request in requests:
        yield request_to_proto(request)
