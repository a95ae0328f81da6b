"""Follows which configuration the ASR server has taken, so that one that it refuses can be undone.

A server says nothing when it takes a change; it ends the stream when it does not. It has taken what was sent before
sound that it acknowledges, and what it has not refused for as long as an answer may take. Reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from parley import asr

_REFUSAL_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Change:
    """A configuration that the server may refuse yet."""

    config: asr.Config
    after_samples: int
    """Sound on its stream before it."""
    at_seconds: float


class ConfigChanges:
    """The configurations of one session's recognition."""

    def __init__(self, config: asr.Config) -> None:
        """Begin with `config`, which no server has taken yet."""
        self.wanted = self._opened = config
        """What the session asks for; the next stream is opened with it."""
        self._agreed: asr.Config | None = None
        self._proposed: list[_Change] = []
        self._is_ready = False
        self._in_opening = 0

    @property
    def pending(self) -> bool:
        """True while the server may still refuse a change."""
        return bool(self._proposed)

    def propose(self, config: asr.Config, after_samples: int, now_seconds: float) -> None:
        """Ask for a change, after so much sound on the stream that is open."""
        while self._is_ready and self._proposed and now_seconds - self._proposed[0].at_seconds > _REFUSAL_SECONDS:
            self._agreed = self._proposed.pop(0).config
        self.wanted = config
        self._proposed.append(_Change(config, after_samples, now_seconds))

    def opening(self) -> asr.Config:
        """What a new stream is opened with."""
        self._opened, self._is_ready, self._in_opening = self.wanted, False, len(self._proposed)
        return self.wanted

    def ready(self) -> asr.Config | None:
        """The server has taken what the stream was opened with; gives what was asked for since, to be sent first."""
        self._agreed, self._is_ready = self._opened, True
        self._proposed = [replace(each, after_samples=0) for each in self._proposed[self._in_opening :]]
        return self.wanted if self._proposed else None

    def passed(self, received_samples: int) -> None:
        """The server has received so much sound, and with it every change before that."""
        while self._proposed and self._proposed[0].after_samples < received_samples:
            self._agreed = self._proposed.pop(0).config

    def forget(self) -> None:
        """A new stream will tell whether the change is taken."""
        self._proposed = []

    def refuse(self) -> asr.Config | None:
        """Go back to what the server has taken before; None when that was nothing else.

        What was asked for while the server thought about the refused one may be better, and is tried.
        """
        newer = [] if self._is_ready else self._proposed[self._in_opening :]
        in_force = self.wanted if newer else self._agreed if self.wanted is not self._agreed else None
        self.wanted = in_force or self.wanted
        self._proposed = newer
        return in_force
