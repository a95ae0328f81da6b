"""The network: phonemes in, a spectrum for every 12.5 ms out, and how long each phoneme lasts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.errors import EngineFailed, Unavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession, RunOptions

    Feed = dict[str, NDArray[np.int64] | NDArray[np.float32]]

_DURATIONS: Final = "/Round_output_0"
_DURATION_SAMPLES: Final = 600
_INPUTS: Final = ["ids", "speed"]
_OUTPUTS: Final = ["lh", "theta", "ln", "lr", "phi", "f0"]
_PAD: Final = 0
# How often a run looks whether it is still wanted.
_STOP_CHECK_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True)
class Frames:
    """What the network makes of a phrase."""

    spectra: list[NDArray[np.float32]]
    """Harmonics, their phase, noise, free part and its phase, each (601, frames); pitch in Hz, (frames,)."""
    starts: list[int]
    """Sample at which each phoneme begins."""

    @property
    def samples(self) -> int:
        """Length of the sound."""
        return len(self.spectra[-1]) * _DURATION_SAMPLES // 2


class Network:
    """The network, loaded; each run has one thread."""

    def __init__(self, model: bytes, ids: Mapping[str, int], parallel: int) -> None:
        """Load `model`, an ONNX file, which knows phonemes by `ids`; `parallel` runs at once.

        Raises:
            Unavailable: it is another network.
        """
        self._session = _open_session(model)
        self._ids = ids
        # A run has a thread of its own, so that the one that waits for it can end it.
        self._runs = ThreadPoolExecutor(parallel, thread_name_prefix="hibari")

    def known(self, phonemes: str) -> str:
        """The phonemes that it has sounds for."""
        return "".join(each for each in phonemes if each in self._ids)

    def run(self, phonemes: str, speed: float, stop: threading.Event) -> Frames | None:
        """What it makes of `phonemes`, all of them known; None once `stop` is set.

        Raises:
            EngineFailed: it failed.
        """
        from onnxruntime import RunOptions

        ids = [_PAD, *(self._ids[each] for each in phonemes), _PAD]
        feed: Feed = {"ids": np.array([ids], dtype=np.int64), "speed": np.array([speed], dtype=np.float32)}
        options = RunOptions()
        run = self._runs.submit(infer, self._session, feed, options)
        while wait([run], None if options.terminate else _STOP_CHECK_SECONDS).not_done:
            options.terminate = stop.is_set()
        if stop.is_set():
            # One that was ended has failed, in its own words.
            return None
        *spectra, durations = run.result()
        starts = np.cumsum(durations.reshape(-1))[:-2] * _DURATION_SAMPLES
        return Frames([each[0] for each in spectra], starts.astype(int).tolist())


def infer(session: InferenceSession, feed: Feed, options: RunOptions) -> list[NDArray[np.float32]]:
    """All outputs for `feed`.

    Raises:
        EngineFailed: it failed, or was ended.
    """
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

    try:
        outputs: list[NDArray[np.float32]] = session.run(None, feed, options)
    except (Fail, InvalidArgument, RuntimeException) as error:
        raise EngineFailed(f"hibari failed: {error}") from error
    return outputs


def load_errors() -> tuple[type[Exception], ...]:
    """What onnxruntime says of a file that it cannot use."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoSuchFile,
        state.NotImplemented,
    )


def _open_session(model: bytes) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # It warns of every part of the network that it leaves out.
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model + _output(_DURATIONS), options, providers=["CPUExecutionProvider"])
    except load_errors() as error:
        raise Unavailable(f"hibari's network cannot be used, install hibari-tts 0.2.1 anew: {error}") from error
    inputs, outputs = ([each.name for each in some] for some in (session.get_inputs(), session.get_outputs()))
    if (inputs, outputs) != (_INPUTS, [*_OUTPUTS, _DURATIONS]):
        raise Unavailable(
            f"hibari's network is another one, install hibari-tts 0.2.1: it takes {inputs} and gives {outputs}"
        )
    return session


def _output(name: str) -> bytes:
    """What makes a tensor an output when it is put behind an ONNX file: messages of protobuf merge where they join.

    Field 7 of a model is its graph, 12 of a graph an output, 1 of an output its name; each is a length and as much.
    """
    field = name.encode()
    for tag in (b"\x0a", b"\x62", b"\x3a"):
        field = tag + bytes([len(field)]) + field
    return field
