"""What ASR servers have answered to configurations: sessions that are alike need not ask, each for itself.

Pure: time comes as an argument, in seconds on any clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from parley import asr

# As long as it is believed which engines there are (`edge_gateway.directory`).
_BELIEVED_SECONDS: Final = 10.0
# Of sessions with hints of their own there may be as many configurations.
_MOST: Final = 64

_Content = tuple[object, ...]


class Answers:
    """The latest answer to each configuration."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self._ready: dict[_Content, tuple[asr.Ready, float]] = {}
        """Answers, and until when they hold; the oldest first."""

    def note(self, config: asr.Config, ready: asr.Ready, now: float) -> None:
        """A server has taken `config`."""
        content = _content(config)
        self._ready.pop(content, None)
        self._ready[content] = ready, now + _BELIEVED_SECONDS
        if len(self._ready) > _MOST:
            del self._ready[next(iter(self._ready))]

    def to(self, config: asr.Config, now: float) -> asr.Ready | None:
        """The answer to a configuration; None: nobody has asked, or long ago."""
        ready, until = self._ready.get(_content(config), (None, 0.0))
        return ready if now < until else None


def _content(config: asr.Config) -> _Content:
    """All of it that a server may refuse, or answers to."""
    return config.language, config.hints, config.endpointing, config.partials, config.sample_rate_hz
