"""The turn detector: whether a speaker has finished, by their words, and, where there is a model, by how they sound.

The seam for models that listen to a pause; `completeness` goes by the words alone. Knows nothing of streams or of how
long is waited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asr_server.endpointing.completeness import Completeness, completeness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from serving.threads import Worker


class TurnModel(Protocol):
    """Hears whether a speaker is done. Called on a thread of its own, one call at a time."""

    def probability(self, audio: NDArray[np.float32]) -> float:
        """How likely the turn is over, 0 to 1; `audio` is float32 of shape (samples,) at 16 kHz, up to the pause.

        Raises:
            ParleyError: the model failed on it.
        """
        ...


class TurnDetector:
    """Goes by the words, and asks the model where there is one; shared by all streams."""

    def __init__(self, model: TurnModel | None = None, threshold: float = 0.5, worker: Worker | None = None) -> None:
        """Run `model` on `worker`; from `threshold` on, its word counts as a yes. Without one, the words decide."""
        self._model = model
        self._threshold = threshold
        self._worker = worker

    async def completeness(self, audio: NDArray[np.float32], text: str, language: str) -> Completeness:
        """How finished a turn is whose sound so far is `audio`, and whose words are `text`.

        Raises:
            ParleyError: the model failed.
        """
        words = completeness(text, language)
        # Who dictates digits or ends on "and" has more to say, whatever their voice does.
        if self._model is None or self._worker is None or words in (Completeness.DICTATING, Completeness.UNFINISHED):
            return words
        probability = await self._worker.run(self._model.probability, audio)
        return Completeness.SURE if probability >= self._threshold else Completeness.UNFINISHED
