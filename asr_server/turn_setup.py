"""The turn model of this process: loaded, measured, and asked only where it is wanted and pays."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.endpointing.config import EndpointingConfig
from asr_server.endpointing.turn_cost import measured_seconds, pays
from asr_server.endpointing.turn_model import Bands, TurnDetector
from asr_server.engine import RATE_HZ
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from asr_server.config import AsrConfig
    from asr_server.endpointing.turn_model import TurnModel

_log = logging.getLogger("parley.asr")

_WORDS: Final = "words"
_MEASURED_ON_SECONDS: Final = 8
_NICENESS: Final = 10


class TurnSetup:
    """A turn model with its thread, and what became of it."""

    def __init__(self, config: AsrConfig, model: TurnModel | None) -> None:
        """Ask `model` as `config` says, on a thread of its own; None: the words decide.

        Raises:
            InvalidInput: the bands of `config` overlap.
        """
        self._config = config
        self._model = model
        self._worker = Worker("turn-model")
        bands = Bands(config.turn_threshold, config.turn_not_over, config.turn_silence_ms / 1000)
        self.detector = TurnDetector(model, bands, self._worker)
        """What the streams ask."""
        self.told = _WORDS
        """How turns are found to be over, for people."""

    async def load(self, measure: Callable[[Callable[[], object]], float] = measured_seconds) -> None:
        """Load the model with its `load`, and find out whether it pays here; says in the log what came of it.

        Raises:
            ParleyError: the model cannot be loaded.
        """
        model = self._model
        if model is None:
            return
        await self._worker.run(_yield_to_others)
        await self._worker.run(model.load)
        sound = np.random.default_rng(1).normal(0, 0.05, _MEASURED_ON_SECONDS * RATE_HZ).astype(np.float32)
        seconds = await self._worker.run(measure, lambda: model.probability(sound))
        name = PurePath(self._config.turn_model).name
        if self._is_worth_it(seconds):
            self.detector.measured(seconds)
            self.told = f"{name}, {seconds * 1000:.0f} ms a pause"
        else:
            self.detector.stop()
            self.told = f"{_WORDS}; {name} takes {seconds * 1000:.0f} ms a pause, which is more than it saves here"
        _log.info("turn detection: %s", self.told)

    def close(self) -> None:
        """Wait for the thread to end."""
        self._worker.close()

    def _is_worth_it(self, seconds: float) -> bool:
        endpointing = EndpointingConfig(heard_over_silence_seconds=self._config.turn_silence_ms / 1000)
        return self._config.turn_detection == "on" or pays(seconds, os.cpu_count() or 1, endpointing)


def _yield_to_others() -> None:
    """Let this thread compute only when nobody else wants to, where a thread can be told so.

    On a busy machine the words come later by what the model takes from them, and with them the end of every turn.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
