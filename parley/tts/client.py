"""Client of the TTS server: pieces of text go up, sound and word marks come down.

Knows nothing of listeners.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import grpc.aio

from parley._channel import open_channel
from parley._duplex import Translated, duplex, joined
from parley._flag import Flag
from parley.errors import from_rpc
from parley.tts.wire import SERVICE, event_from_proto, request_to_proto, voices_from_proto
from parley.v1 import tts_pb2, tts_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from parley._multiplexer import Multiplexer
    from parley._tls import Tls
    from parley.tts.events import Event, Voice, Voices
    from parley.tts.requests import Config, Request

_METHOD: Final = f"/{SERVICE}/Synthesize"


class TtsClient:
    """Client of one TTS server, or of several behind one name.

    Example:
        async with TtsClient("localhost:50053") as tts, tts.synthesize(config, text()) as events:
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
        self._stub: tts_pb2_grpc.TtsServiceAsyncStub = tts_pb2_grpc.TtsServiceStub(self._channel)

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

    def _call(
        self, first: tts_pb2.SynthesizeRequest, rest: AsyncIterable[tts_pb2.SynthesizeRequest] | None
    ) -> AbstractAsyncContextManager[AsyncIterator[tts_pb2.SynthesizeResponse]]:
        if self._multiplexer is None:
            return duplex(self._stub.Synthesize, joined(first, rest), "tts")
        return self._multiplexer.call(
            _METHOD, tts_pb2.SynthesizeResponse.FromString, first, rest, self._stub.Synthesize
        )

    @asynccontextmanager
    async def synthesize(self, config: Config, text: AsyncIterable[Request]) -> AsyncIterator[AsyncIterator[Event]]:
        """Speak `text` as it comes; leaving the block ends the engine's work. The first event is `Ready`.

        Raises:
            ParleyError: the server refused, failed or went away; raised where the events are read.
            Exception: what `text` raised.
        """
        admitted = Flag()
        async with self._call(request_to_proto(config), self._requests(text, admitted)) as responses:

            def translate(response: tts_pb2.SynthesizeResponse) -> Event | None:
                admitted.set()
                return event_from_proto(response)

            yield Translated(responses, translate)

    async def _requests(self, text: AsyncIterable[Request], admitted: Flag) -> AsyncIterator[tts_pb2.SynthesizeRequest]:
        if self._multiplexer is None or self._multiplexer.is_plain:
            # A refusal that met a write on its way would lose its words (see parley.errors): nothing follows before
            # Ready. A stream that is shared has its refusals as messages, and is not held up.
            await admitted.wait()
        async for piece in text:
            yield request_to_proto(piece)

    async def voices(self, language: str = "") -> tuple[Voice, ...]:
        """The voices of a language, the default first; of every language when it is empty.

        Raises:
            ParleyError: the server cannot be reached within 3 seconds.
        """
        return (await self.list_voices(language)).voices

    async def list_voices(self, language: str = "") -> Voices:
        """The same, with the name of the engine.

        Raises:
            ParleyError: the server cannot be reached within 3 seconds.
        """
        try:
            answer = await self._stub.ListVoices(tts_pb2.ListVoicesRequest(language=language), timeout=3)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, "tts") from error
        return voices_from_proto(answer)
