"""Knows what an ASR stream is configured to: what it was opened with, changes on their way, and what held before them.

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
    """A configuration that a server may refuse yet."""

    config: asr.Config
    after_samples: int
    """Sound on its stream before it."""
    at_seconds: float


class StreamConfig:
    """The configuration of one session's streams, one after the other."""

    def __init__(self, config: asr.Config) -> None:
        """Open the first stream with `config`."""
        self.wanted = config
        """The newest; the next stream is opened with it."""
        self._in_force: asr.Config | None = None
        self._opened = config
        self._changes: list[_Change] = []
        self._is_open = False
        self._changes_in_opening = 0

    def change(self, config: asr.Config, after_samples: int, now_seconds: float) -> None:
        """Want another one, behind so many samples on the stream that is open."""
        while self._is_open and self._changes and now_seconds - self._changes[0].at_seconds > _REFUSAL_SECONDS:
            self._in_force = self._changes.pop(0).config
        self._changes.append(_Change(config, after_samples, now_seconds))
        self.wanted = config

    def opening(self) -> asr.Config:
        """What a stream is opened with now."""
        self._opened, self._is_open, self._changes_in_opening = self.wanted, False, len(self._changes)
        return self._opened

    def opened(self) -> asr.Config | None:
        """The server has taken that; gives the change that was made in the meantime, and is to be sent first of all."""
        self._in_force, self._is_open = self._opened, True
        self._changes = [replace(each, after_samples=0) for each in self._changes[self._changes_in_opening :]]
        return self.wanted if self._changes else None

    def received(self, samples: int) -> None:
        """The server has received so much sound of this stream, and all that was sent before it."""
        while self._is_open and self._changes and self._changes[0].after_samples < samples:
            self._in_force = self._changes.pop(0).config

    def refused(self) -> asr.Config | None:
        """The server refuses what is new to it: gives what is to hold in its place; None: there is nothing."""
        if self._is_open:
            instead = self._in_force if self._changes else None
            self._changes = []
        else:
            was_a_change = self._changes_in_opening > 0
            del self._changes[: self._changes_in_opening]
            # What was wanted since then may be better.
            instead = self.wanted if self._changes else self._in_force if was_a_change else None
        self.wanted = instead or self.wanted
        return instead
