"""Silero's voice detector, for every engine that has none of its own.

A window takes it 60 µs alone, 33 µs as one of three in a row, and 17 µs where several streams have as many: less than
handing it to a thread would, so it runs where it is called. Windows of several streams that come in the same turn of
the event loop go through it together. Knows nothing of turns of speech.
"""

from __future__ import annotations

import asyncio
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engines.silero_network import CONTEXT_SAMPLES, STATE_SIZE, batched
from parley.errors import Unavailable, not_installed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_WINDOW_SAMPLES: Final = 512
_STATE_SHAPE: Final = (1, 1, STATE_SIZE)
_OUTPUTS: Final = ("probabilities", "hn", "cn")
# faster-whisper's wheel carries Silero VAD 6 (MIT); it is read from there without importing that package.
_PACKAGE: Final = "faster_whisper"
_FILE: Final = "assets/silero_vad_v6.onnx"
# From so many streams in a turn of the loop on, as a mean, a window waits for others. It costs each a turn.
_CROWD: Final = 1.5
_SHARE_OF_NEWEST: Final = 0.1


class Silero:
    """Silero's network, shared by every stream of the process (one of its own would cost each 10 MB)."""

    def __init__(self, session: InferenceSession) -> None:
        """Use the network of `session`, as `load_silero` opens it."""
        self.session = session
        """The network."""
        self._waiting: list[SileroVad] = []
        self._came: set[SileroVad] = set()
        self._streams_a_turn = 1.0

    def stream(self) -> SileroVad:
        """A detector for one stream."""
        return SileroVad(self)

    async def hear(self, stream: SileroVad) -> None:
        """Have the windows of `stream` heard, together with those of others that come in this turn of the loop."""
        if not self._came:
            asyncio.get_running_loop().call_soon(self._count)
        self._came.add(stream)
        self._waiting.append(stream)
        if self._streams_a_turn >= _CROWD:
            # Whoever comes in this turn has come when the next one begins; the first to go on runs it for all.
            await asyncio.sleep(0)
        if stream in self._waiting:
            self._run()

    def _count(self) -> None:
        self._streams_a_turn += _SHARE_OF_NEWEST * (len(self._came) - self._streams_a_turn)
        self._came.clear()

    def _run(self) -> None:
        streams, self._waiting = self._waiting, []
        lengths = tuple([len(stream.windows) for stream in streams])
        inputs = np.empty((sum(lengths), CONTEXT_SAMPLES + _WINDOW_SAMPLES), dtype=np.float32)
        end = 0
        for stream, length in zip(streams, lengths, strict=True):
            first, end = end, end + length
            stream.fill(inputs[first:end])
        if len(streams) == 1:
            h, c = streams[0].h, streams[0].c
        else:
            h = np.concatenate([stream.h for stream in streams], axis=1)
            c = np.concatenate([stream.c for stream in streams], axis=1)
        order, steps = places(lengths)
        feed = {"input": inputs, "order": order, "steps": steps, "h": h, "c": c}
        probabilities, h, c = self.session.run(_OUTPUTS, feed)
        said = probabilities.tolist()
        for number, stream in enumerate(streams):
            stream.h, stream.c = h[:, number : number + 1], c[:, number : number + 1]
            stream.heard = said[number :: len(streams)][: lengths[number]]


@lru_cache
def places(lengths: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """What the network is told of the windows of streams that have so many each: `order` and `steps`."""
    order = np.zeros((max(lengths), len(lengths)), dtype=np.int64)
    first = 0
    for number, length in enumerate(lengths):
        order[:length, number] = range(first, first + length)
        first += length
    return order, np.array(lengths, dtype=np.int32)


class SileroVad:
    """Silero VAD for one stream."""

    def __init__(self, silero: Silero) -> None:
        """Use the shared network with a state of our own."""
        self._silero = silero
        self.h = np.zeros(_STATE_SHAPE, dtype=np.float32)
        """The first half of the state; of shape (1, 1, 128)."""
        self.c = np.zeros(_STATE_SHAPE, dtype=np.float32)
        """The second half."""
        self.windows = np.zeros((1, _WINDOW_SAMPLES), dtype=np.float32)
        """The windows that are to be heard, of shape (windows, 512)."""
        self.heard: list[float] = []
        """How likely each of them holds voice."""
        self._context = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)
        self._before = self.h, self.c, self._context

    async def probabilities(self, windows: NDArray[np.float32]) -> list[float]:
        """How likely each of the windows, float32 of shape (windows, 512), holds voice."""
        self._before = self.h, self.c, self._context
        self.windows = windows
        await self._silero.hear(self)
        return self.heard

    def fill(self, inputs: NDArray[np.float32]) -> None:
        """Write the windows to `inputs`, of shape (windows, 576), each after the end of the one before."""
        windows = self.windows
        inputs[0, :CONTEXT_SAMPLES] = self._context
        inputs[:, CONTEXT_SAMPLES:] = windows
        if len(windows) > 1:
            inputs[1:, :CONTEXT_SAMPLES] = windows[:-1, -CONTEXT_SAMPLES:]
        self._context = windows[-1, -CONTEXT_SAMPLES:].copy()

    def take_back(self) -> None:
        """Be as before the last windows."""
        self.h, self.c, self._context = self._before


def find_silero() -> Path:
    """The file that the wheel of faster-whisper carries.

    Raises:
        Unavailable: it is not installed, or onnxruntime is not.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin).parent / _FILE if spec and spec.origin else None
    if path is None or not path.exists() or importlib.util.find_spec("onnxruntime") is None:
        raise not_installed("the Silero voice detector", "asr")
    return path


def load_silero() -> Silero:
    """The detector, loaded.

    Raises:
        Unavailable: onnxruntime or the model is not installed; the message says what to install.
    """
    path = find_silero()
    import onnxruntime  # 60 MB that the scripted engine does without

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        network = batched(path.read_bytes())
    except ValueError as error:
        raise Unavailable(f"{path} cannot be used, install faster-whisper anew: {error}") from error
    return Silero(onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"]))
