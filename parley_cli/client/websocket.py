"""A conversation over the gateway's WebSocket, as the browser has it. Knows nothing of microphones."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

import aiohttp

from parley.conversation import (
    AudioPacket,
    Conversation,
    Encoding,
    Event,
    Request,
    SessionConfig,
    event_from_json,
    pack_mic,
    request_to_json,
    unpack_reply,
)
from parley.errors import Unavailable
from parley_cli.trust import trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CONNECT_SECONDS: Final = 5.0
_REMEDIES: Final[dict[int, str]] = {
    HTTPStatus.MISDIRECTED_REQUEST: "it is not known by that name; name the host in its PARLEY_ALLOWED_HOSTS",
    HTTPStatus.NOT_FOUND: "there is none at that path",
}


class WebSocket:
    """An open socket: requests go out as frames, and frames come in as events."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Speak over a socket that is open."""
        self.socket = socket
        """The socket itself, for frames that no client should send."""
        self._encoding = Encoding.OPUS

    async def send(self, request: Request) -> None:
        """Send a request as text, or a packet in a binary frame, in the form that the last `SessionConfig` named.

        Raises:
            Unavailable: the connection is closed; why is raised where the events are read.
        """
        if isinstance(request, SessionConfig):
            self._encoding = request.input.encoding if request.input else Encoding.OPUS
        try:
            if isinstance(request, AudioPacket):
                await self.socket.send_bytes(pack_mic(request, self._encoding))
            else:
                await self.socket.send_str(request_to_json(request))
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Unavailable("the connection to the gateway is closed") from error

    def __aiter__(self) -> Self:
        """Iterate over events and packets of replies, until the gateway closes."""
        return self

    async def __anext__(self) -> Event:
        """The next event; what this version does not know is left out.

        Raises:
            Unavailable: the connection was closed.
        """
        while True:
            message = await self.socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                return unpack_reply(message.data)[0]
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise Unavailable(f"the gateway closed the connection ({self.socket.close_code})")
            event = event_from_json(message.data)
            if event is not None:
                return event


@asynccontextmanager
async def open_http(connect_seconds: float = _CONNECT_SECONDS) -> AsyncIterator[aiohttp.ClientSession]:
    """What any number of WebSockets can be opened with, side by side; each may take so long to connect."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0, ssl=trust())) as http:
        yield http


@asynccontextmanager
async def open_websocket(url: str, http: aiohttp.ClientSession | None = None) -> AsyncIterator[WebSocket]:
    """Connect to the gateway whose page is at `url`; nothing has been said yet, and pings are events like all others.

    Raises:
        Unavailable: nothing answers there, or it takes no conversation; the message says what to do.
    """
    address = url.rstrip("/") + "/v1/conversation"
    async with AsyncExitStack() as stack:
        if http is None:
            http = await stack.enter_async_context(open_http())
        try:
            socket = await http.ws_connect(address, protocols=("parley.v1",), compress=0, max_msg_size=1024 * 1024)
        except aiohttp.WSServerHandshakeError as error:
            remedy = _REMEDIES.get(error.status, f"it answers {error.status}")
            raise Unavailable(f"the gateway at {url} takes no conversation: {remedy}") from error
        except aiohttp.ClientSSLError as error:
            raise Unavailable(f"the gateway at {url} {_why_not_secure(error)}") from error
        except aiohttp.ServerDisconnectedError as error:
            raise Unavailable(
                f"the gateway at {url} closed the connection at once: one that speaks TLS is asked for with https://"
            ) from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"no gateway at {url} ({error}): start one with `make run` or `parley up`") from error
        stack.push_async_callback(socket.close)
        yield WebSocket(socket)


def _why_not_secure(error: aiohttp.ClientSSLError) -> str:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"shows a certificate that is not believed ({cause.verify_message.rstrip('.')}): name its authority in "
            "PARLEY_TLS_CA, or ask by a name that the certificate is for"
        )
    return f"speaks no TLS ({error}): ask for it with http://"


@asynccontextmanager
async def converse(url: str, http: aiohttp.ClientSession | None = None) -> AsyncIterator[Conversation]:
    """A conversation with the gateway whose page is at `url`, not configured yet.

    Raises:
        Unavailable: nothing answers there; the message says how to start it.
    """
    async with open_websocket(url, http) as socket:
        yield Conversation(socket.send, socket)
