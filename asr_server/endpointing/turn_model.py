"""The turn detector: how finished a turn is by its words and, where there is a model, by how it sounds.

The model is asked when a pause begins, beside the transcription, and says one of three things: surely over, surely not
over, or nothing that the words and this speaker's habits would not say better. The seam for models that listen to a
pause; `completeness` goes by the words alone. Knows nothing of streams or of how long is waited.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from asr_server.endpointing.completeness import Completeness
from parley.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from serving.threads import Worker

# Pauses of other streams that may wait for the model: an answer that comes later than this changes nothing any more.
_LONGEST_WAIT_SECONDS: Final = 0.5
_UNMEASURED_WAITING: Final = 8


class TurnModel(Protocol):
    """Hears whether a speaker is done. Called on a thread of its own, one call at a time."""

    def load(self) -> None:
        """Load the model and warm it up; blocks.

        Raises:
            ParleyError: it is not there, or is none; the message names the remedy.
        """
        ...

    def probability(self, audio: NDArray[np.float32]) -> float:
        """How likely the turn is over, 0 to 1; `audio` is float32 of shape (samples,) at 16 kHz, up to the pause.

        Raises:
            ParleyError: the model failed on it.
        """
        ...


class Heard(enum.Enum):
    """What a turn model made of a pause."""

    OVER = enum.auto()
    """The turn is surely over."""
    UNSURE = enum.auto()
    """It may be either: the words and the speaker's habits decide, as if nobody had listened."""
    NOT_OVER = enum.auto()
    """More is surely to come."""


@dataclass(frozen=True, slots=True)
class Bands:
    """What a probability means, and how long is waited then."""

    over: float = 0.9
    """From here on the turn is surely over."""
    not_over: float = 0.2
    """Up to here it surely is not."""
    over_silence_seconds: float = 0.55
    """Silence that ends a turn that is surely over."""

    def __post_init__(self) -> None:
        """See that they leave no probability in both.

        Raises:
            InvalidInput: they do.
        """
        if self.not_over >= self.over:
            raise InvalidInput(
                f"a turn cannot be over from {self.over:g} on and not over up to {self.not_over:g}: "
                "PARLEY_ASR_TURN_NOT_OVER must be less than PARLEY_ASR_TURN_THRESHOLD",
                field="PARLEY_ASR_TURN_NOT_OVER",
            )

    def heard(self, probability: float) -> Heard:
        """What a probability says."""
        if probability >= self.over:
            return Heard.OVER
        return Heard.NOT_OVER if probability <= self.not_over else Heard.UNSURE


def together(words: Completeness | None, heard: Heard | None) -> Completeness | None:
    """How finished a turn looks by its `words` and what was `heard`; each is None where it is not known, or not yet."""
    if heard is None or heard is Heard.UNSURE:
        return words
    over = heard is Heard.OVER
    match words:
        case None:
            return Completeness.SOUNDS_OVER if over else Completeness.SOUNDS_OPEN
        # Who dictates digits or ends on "and" has more to say, whatever their voice does.
        case Completeness.DICTATING | Completeness.UNFINISHED:
            return words
        case Completeness.SURE if over:
            return words
        # A voice that does not fall is like a comma, and costs as little where it misleads.
        case _:
            return Completeness.OVER if over else Completeness.HESITANT


class TurnDetector:
    """Asks the model where there is one and it pays; shared by all streams."""

    def __init__(
        self, model: TurnModel | None = None, bands: Bands | None = None, worker: Worker | None = None
    ) -> None:
        """Run `model` on `worker`, and judge what it says by `bands`. Without a model the words decide."""
        self._model = model
        self._bands = bands or Bands()
        self._worker = worker
        self._most = _UNMEASURED_WAITING
        self._waiting = 0

    @property
    def over_silence_seconds(self) -> float:
        """Silence that ends a turn that is surely over."""
        return self._bands.over_silence_seconds

    @property
    def listens(self) -> bool:
        """Whether a model is asked."""
        return self._model is not None and self._worker is not None

    def measured(self, seconds: float) -> None:
        """Take how long the model needs for a pause: so many may wait for it as are answered in good time."""
        self._most = max(1, int(_LONGEST_WAIT_SECONDS / max(seconds, 1e-3)))

    def stop(self) -> None:
        """Ask the model no more."""
        self._model = None

    async def heard(self, audio: NDArray[np.float32]) -> Heard | None:
        """What the model makes of the turn's sound so far; None: there is none, or too many pauses wait for it.

        Who leaves before it has begun takes its question back.

        Raises:
            ParleyError: the model failed.
        """
        if self._model is None or self._worker is None or self._waiting >= self._most:
            return None
        self._waiting += 1
        try:
            return self._bands.heard(await self._worker.run(self._model.probability, audio))
        finally:
            self._waiting -= 1
