"""Where a long call is: what its holder learns of its server, and says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_gateway.servers.lease import Lease


class Placement:
    """The place of one call, once it has one."""

    def __init__(self, leave: Callable[[], None]) -> None:
        """`leave` is told when the server drains and another one would take the call, which may go on all the same."""
        self._leave = leave
        self._lease: Lease[Any] | None = None

    def found(self, lease: Lease[Any]) -> None:
        """The call is there."""
        self._lease = lease
        lease.leave = self._leave

    @property
    def is_to_be_left(self) -> bool:
        """The server takes no new calls, and the call was told to go elsewhere."""
        return self._lease is not None and self._lease.is_told and self._lease.is_to_be_left

    @property
    def has_alternative(self) -> bool:
        """Another server would take the call."""
        return self._lease is not None and self._lease.has_alternative

    @property
    def is_slow(self) -> bool:
        """The server lives, and has said that it has too much to do."""
        return self._lease is not None and self._lease.is_slow

    def hangs(self) -> None:
        """The server does not answer."""
        if self._lease is not None:
            self._lease.hangs()
