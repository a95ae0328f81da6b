"""A channel whose certificates may rotate: new calls use the new ones, and calls that run go on over the old ones.

grpcio reads the client's certificates once, when the channel is made (1.85). Knows nothing of files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import grpc.aio

if TYPE_CHECKING:
    from collections.abc import Callable

    from parley._tls import Pem


class _Generation:
    """A channel made with some certificates, and the calls that run over it."""

    def __init__(self, pem: Pem, channel: grpc.aio.Channel) -> None:
        self.pem = pem
        self.channel = channel
        self.calls = 0
        self.prepared: dict[object, Callable[..., grpc.aio.Call]] = {}


class RenewedChannel(grpc.aio.Channel):
    """Stands for a channel that is made anew whenever other certificates are in force."""

    def __init__(self, current: Callable[[], Pem], make: Callable[[Pem], grpc.aio.Channel]) -> None:
        """Look at `current` before each call, and `make` a channel where it has changed."""
        self._find = current
        self._make = make
        pem = current()
        self._newest = _Generation(pem, make(pem))
        # Older ones over which calls run; a channel that nobody holds any more closes itself.
        self._retired: set[_Generation] = set()

    async def __aenter__(self) -> Self:
        """Use the channel as a block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """End every call, also those over older channels, each kind within `grace` seconds."""
        for generation in (*self._retired, self._newest):
            await generation.channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - grpc's
        """State of the newest channel."""
        return self._newest.channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait for another state of the newest channel."""
        await self._newest.channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the newest channel is connected."""
        await self._renewed().channel.channel_ready()

    def unary_unary(self, method: str, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - grpc's own
        """As that of any channel."""
        return self._callable("unary_unary", method, rest, named)

    def unary_stream(self, method: str, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - grpc's own
        """As that of any channel."""
        return self._callable("unary_stream", method, rest, named)

    def stream_unary(self, method: str, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - grpc's own
        """As that of any channel."""
        return self._callable("stream_unary", method, rest, named)

    def stream_stream(self, method: str, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - grpc's own
        """As that of any channel."""
        return self._callable("stream_stream", method, rest, named)

    def _callable(self, kind: str, method: str, rest: tuple[Any, ...], named: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
        key = object()

        def call(*arguments: Any, **settings: Any) -> grpc.aio.Call:  # noqa: ANN401 - as the stub's user gives them
            generation = self._renewed()
            if key not in generation.prepared:
                generation.prepared[key] = getattr(generation.channel, kind)(method, *rest, **named)
            call = generation.prepared[key](*arguments, **settings)
            generation.calls += 1
            call.add_done_callback(lambda _: self._ended(generation))
            return call

        return call

    def _renewed(self) -> _Generation:
        pem = self._find()
        if pem is not self._newest.pem:
            old, self._newest = self._newest, _Generation(pem, self._make(pem))
            if old.calls:
                self._retired.add(old)
        return self._newest

    def _ended(self, generation: _Generation) -> None:
        generation.calls -= 1
        if not generation.calls:
            self._retired.discard(generation)
