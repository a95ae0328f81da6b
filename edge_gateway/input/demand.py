"""Whether a session needs a stream to the ASR server: to learn whether it is taken, and then when there is sound.

Knows nothing of streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from parley.conversation import AudioPacket


class Demand:
    """The need of one session."""

    def __init__(self, begin: Callable[[], None] | None) -> None:
        """Need an answer; `begin` is called whenever something more is needed. None: a stream is needed for good."""
        self._begin = begin
        self._is_answered = False
        self._lasts = begin is None

    @property
    def is_there(self) -> bool:
        """True while a stream is needed."""
        return self._lasts or not self._is_answered

    def answered(self) -> None:
        """A server has taken the session."""
        self._is_answered = True

    def with_sound(self, hear: Callable[[AudioPacket, int], int]) -> Callable[[AudioPacket, int], int]:
        """What hears as `hear` does, and needs a stream for it."""

        def heard(packet: AudioPacket, received_ns: int) -> int:
            if not self._lasts:
                self.arises()
            return hear(packet, received_ns)

        return heard

    def arises(self) -> None:
        """There is something for a server to hear, or to be told: from now on a stream is needed."""
        self._lasts = True
        if self._begin is not None:
            self._begin()
