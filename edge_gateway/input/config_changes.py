"""Follows which configuration the ASR server has taken, so that one that it refuses can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parley import asr


class ConfigChanges:
    """The configurations of one session's recognition."""

    def __init__(self, config: asr.Config) -> None:
        """Begin with `config`, which no server has taken yet."""
        self.wanted = self._opened = config
        """What the session asks for."""
        self._agreed: asr.Config | None = None
        self._proposed: list[tuple[int, asr.Config]] = []
        """Changes that the server has not passed yet, each with the samples that were sent before it."""

    @property
    def pending(self) -> bool:
        """True while the server may still refuse a change."""
        return bool(self._proposed)

    def propose(self, config: asr.Config, sent_samples: int) -> None:
        """Ask for a change, after so much sound."""
        self.wanted = config
        self._proposed.append((sent_samples, config))

    def opening(self) -> asr.Config:
        """What a new stream is opened with."""
        self._opened = self.wanted
        return self.wanted

    def ready(self) -> None:
        """The server has taken what the stream was opened with."""
        self._agreed = self._opened

    def passed(self, received_samples: int) -> None:
        """The server has received so much sound, and with it every change before that."""
        while self._proposed and self._proposed[0][0] < received_samples:
            self._agreed = self._proposed.pop(0)[1]

    def forget(self) -> None:
        """A new stream will tell whether the change is taken."""
        self._proposed = []

    def refuse(self) -> asr.Config | None:
        """Go back to what the server has taken before; None when that was nothing else."""
        in_force = self._agreed if self.wanted is not self._agreed else None
        self.wanted = in_force or self.wanted
        self._proposed = []
        return in_force
