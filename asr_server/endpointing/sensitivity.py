"""How little evidence begins voice: less than usual while the assistant speaks, unless that misled of late.

Ducking a reply for nothing costs little, and the detector is unsure of hissing consonants for 150 ms, so a hint of
voice is enough while a reply plays. Not right at the reply's beginning, into which users breathe, and not for some time
after a false alarm, for longer after each: in a noisy room a reply that ducks again and again is worse than a duck that
comes late. Positions are samples of the session's audio clock.
"""

from __future__ import annotations

from typing import Final

from asr_server.engine import RATE_HZ

_ALERT_SHARE: Final = 0.1
_ALERT_AFTER_SAMPLES: Final = round(0.5 * RATE_HZ)
_CALM_SAMPLES: Final = 5 * RATE_HZ
_LONGEST_CALM_SAMPLES: Final = 60 * RATE_HZ


class OnsetSensitivity:
    """What share of the start threshold begins voice in one stream."""

    def __init__(self, position: int) -> None:
        """The assistant is silent at `position`."""
        self._speaking_since: int | None = None
        self._calm_until = position
        self._calm_samples = _CALM_SAMPLES

    @property
    def assistant_speaks(self) -> bool:
        """Whether a reply can be heard."""
        return self._speaking_since is not None

    def assistant(self, position: int, *, speaks: bool) -> None:
        """Take whether a reply can be heard from `position` on."""
        since = position if self._speaking_since is None else self._speaking_since
        self._speaking_since = since if speaks else None

    def share(self, position: int) -> float:
        """The share of the start threshold that begins voice at `position`, out of silence."""
        since = self._speaking_since
        calm = since is None or position < self._calm_until or position - since < _ALERT_AFTER_SAMPLES
        return 1.0 if calm else _ALERT_SHARE

    def speech(self, position: int) -> None:
        """What had begun was speech: earlier false alarms are forgotten."""
        self._calm_until, self._calm_samples = position, _CALM_SAMPLES

    def false_alarm(self, position: int) -> None:
        """What had begun on less than the usual evidence was none."""
        self._calm_until = position + self._calm_samples
        self._calm_samples = min(2 * self._calm_samples, _LONGEST_CALM_SAMPLES)
