"""What a window costs Silero's network: as the wheel has it, and as it is written anew, for so many streams at once.

    PYTHONPATH=. python benchmarks/silero.py

Microseconds of a processor a window, the best of some tries, with one thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from asr_server.engines.silero import find_silero
from asr_server.engines.silero_network import batched

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

TRIES = 9
WINDOWS = 800


def opened(model: bytes) -> InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def window_us(session: InferenceSession, streams: int) -> float:
    """Microseconds a window, of so many streams."""
    sound = np.random.default_rng(1).normal(0, 0.1, (streams, 576)).astype(np.float32)
    state = np.zeros((1, streams, 128), dtype=np.float32)
    runs = WINDOWS // streams

    def once() -> float:
        began = time.process_time()
        for _ in range(runs):
            session.run(None, {"input": sound, "h": state, "c": state})
        return time.process_time() - began

    return min(once() for _ in range(TRIES)) / runs / streams * 1e6


def main() -> None:
    """Measure, and tell."""
    model = find_silero().read_bytes()
    alone = window_us(opened(model), 1)
    print(f"as the wheel has it, one stream: {alone:.0f} µs a window")
    anew = opened(batched(model))
    for streams in (1, 2, 4, 8, 16, 32):
        us = window_us(anew, streams)
        print(f"written anew, {streams:>2} streams: {us:.0f} µs a window, {us / alone:.2f} times")


if __name__ == "__main__":
    main()
