"""Silero's voice detector, for every engine that has none of its own.

A window takes Silero 60 µs (measured), less than handing it to a thread would, so it runs where it is called.
Knows nothing of turns.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.errors import not_installed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_CONTEXT_SAMPLES: Final = 64
_STATE_SHAPE: Final = (1, 1, 128)
# faster-whisper's wheel carries Silero VAD 6 (MIT); it is read from there without importing that package.
_PACKAGE: Final = "faster_whisper"
_FILE: Final = "assets/silero_vad_v6.onnx"


def load_silero() -> InferenceSession:
    """Silero's network, to be shared by every stream of the process (a session of its own would cost 10 MB each).

    Raises:
        Unavailable: onnxruntime or the model is not installed; the message says what to install.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin).parent / _FILE if spec and spec.origin else None
    if path is None or not path.exists() or importlib.util.find_spec("onnxruntime") is None:
        raise not_installed("the Silero voice detector", "asr")
    import onnxruntime  # 60 MB that the scripted engine does without

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class SileroVad:
    """Silero VAD for one stream."""

    def __init__(self, session: InferenceSession) -> None:
        """Use the shared network with a state of our own."""
        self._session = session
        self._h = np.zeros(_STATE_SHAPE, dtype=np.float32)
        self._c = np.zeros(_STATE_SHAPE, dtype=np.float32)
        self._input = np.zeros((1, _CONTEXT_SAMPLES + 512), dtype=np.float32)

    def probability(self, window: NDArray[np.float32]) -> float:
        """How likely the window, float32 of shape (512,), holds voice."""
        self._input[0, :_CONTEXT_SAMPLES] = self._input[0, -_CONTEXT_SAMPLES:]
        self._input[0, _CONTEXT_SAMPLES:] = window
        result, self._h, self._c = self._session.run(None, {"input": self._input, "h": self._h, "c": self._c})
        return float(result.item())
