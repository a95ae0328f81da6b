"""How long a model is waited for. Pure: seconds on any clock that does not go back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """The longest waits for one model."""

    silence_seconds: float
    """Without any sign of life."""
    words_seconds: float
    """Without a word or a call, whatever other signs of life there are."""


class Watch:
    """Watches over one reply: a sign of life puts the one bound off, words put off both."""

    def __init__(self, patience: Patience, now: float) -> None:
        """The model is asked `now`."""
        self._patience = patience
        self._lived = now
        self._wrote = now

    @property
    def until(self) -> float:
        """When patience ends, if nothing comes."""
        return min(self._lived + self._patience.silence_seconds, self._wrote + self._patience.words_seconds)

    @property
    def why(self) -> str:
        """What was missing, when it has ended."""
        silence, words = self._patience.silence_seconds, self._patience.words_seconds
        if self._lived + silence <= self._wrote + words:
            return f"has given no sign of life for {silence:g} s"
        return f"has been alive for {words:g} s without writing a word"

    def alive(self, now: float) -> None:
        """A sign of life: a thought, an empty piece, a comment that keeps a connection open."""
        self._lived = now

    def wrote(self, now: float, patience: Patience) -> None:
        """Words, or a call; from now on `patience` holds."""
        self._lived = self._wrote = now
        self._patience = patience
