"""What a window costs Silero's network: as the wheel has it, and as it is written anew, for so many at once.

    PYTHONPATH=. python benchmarks/silero.py

Microseconds of a processor a window, the best of some tries, with one thread. A message of a microphone has two or
three windows in a row, and a message of a shared stream those of several streams.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from asr_server.engines.silero import find_silero, places
from asr_server.engines.silero_network import batched

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

TRIES = 9
WINDOWS = 800


def opened(model: bytes) -> InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def window_us(session: InferenceSession, streams: int, steps: int) -> float:
    """Microseconds a window, of so many streams with so many windows in a row each; no steps: as the wheel has it."""
    windows = streams * max(1, steps)
    state = np.zeros((1, streams, 128), dtype=np.float32)
    sound = np.random.default_rng(1).normal(0, 0.1, (windows, 576)).astype(np.float32)
    feed: dict[str, NDArray[np.generic]] = {"input": sound, "h": state, "c": state}
    if steps:
        feed["order"], feed["steps"] = places((steps,) * streams)
    runs = WINDOWS // windows

    def once() -> float:
        began = time.process_time()
        for _ in range(runs):
            session.run(None, feed)
        return time.process_time() - began

    return min(once() for _ in range(TRIES)) / runs / windows * 1e6


def main() -> None:
    """Measure, and tell."""
    model = find_silero().read_bytes()
    alone = window_us(opened(model), 1, 0)
    print(f"as the wheel has it, one stream: {alone:.0f} µs a window")
    anew = opened(batched(model))
    for streams in (1, 2, 4, 8, 16, 32):
        each = [(steps, window_us(anew, streams, steps)) for steps in (1, 2, 3)]
        told = ", ".join(f"{us:.0f} with {steps}" for steps, us in each)
        print(f"written anew, {streams:>2} streams, µs a window with so many in a row: {told}")


if __name__ == "__main__":
    main()
