"""A call's hold on a server, and what its holder is told of that server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from parley.errors import Overloaded, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_gateway.servers.server import Server
    from parley.errors import ParleyError

C = TypeVar("C")


class Lease(Generic[C]):
    """A server that was chosen; a block that counts as its load."""

    def __init__(self, server: Server[C], landlord: Landlord[C]) -> None:
        """Hold nothing yet."""
        self._server = server
        self._landlord = landlord
        self.leave: Callable[[], None] | None = None
        """Told when the server takes no new calls any more, and another one would take this one."""
        self.is_told = False
        """It was told, or is about to be."""

    @property
    def client(self) -> C:
        """Calls the server."""
        return self._server.contact.client

    @property
    def server(self) -> Server[C]:
        """Where it is."""
        return self._server

    @property
    def is_to_be_left(self) -> bool:
        """The server takes no new calls, and another one does."""
        return self._landlord.is_to_be_left(self._server)

    @property
    def has_alternative(self) -> bool:
        """Another server takes calls."""
        return self._landlord.has_choice((self._server.address,))

    def __enter__(self) -> Self:
        """Count."""
        self._server.count(1)
        self._landlord.began(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Count off."""
        self._server.count(-1)
        self._landlord.ended(self)

    @property
    def is_slow(self) -> bool:
        """The server lives, and has said that it has too much to do."""
        return self._server.is_slow

    def failed(self, error: ParleyError) -> None:
        """The call failed: a server at fault is not asked while others are, until it has answered for its health."""
        if isinstance(error, Unavailable | Overloaded):
            self._server.doubt(error.retry_after_ms / 1000)

    def hangs(self) -> None:
        """The call was not answered in time."""
        self._server.doubt()


class Landlord(Protocol[C]):
    """Who gives leases."""

    def has_choice(self, avoid: tuple[str, ...]) -> bool:
        """Whether a server can be asked, none of these addresses."""
        ...

    def is_to_be_left(self, server: Server[C]) -> bool:
        """Whether its calls are to go elsewhere, as soon as they can."""
        ...

    def began(self, lease: Lease[C]) -> None:
        """A lease counts."""
        ...

    def ended(self, lease: Lease[C]) -> None:
        """It counts no more."""
        ...
