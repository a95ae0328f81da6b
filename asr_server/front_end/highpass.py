"""A high-pass filter for voices: it takes away a constant offset (DC) and rumble, and leaves speech as it is.

A Butterworth filter of order four at 80 Hz: 24 dB less at 40 Hz, 48 dB less at 20 Hz, nothing left of an offset; 1 dB
less at 95 Hz, the lowest voices. It delays sound at 120 Hz by 3 ms, at 200 Hz by 1 ms, at 500 Hz by 0.1 ms. Each half
is a section of Robert Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter coefficients". A section after
the other, sample by sample, would be slow in Python, so blocks of samples go through in three products of matrices,
with the very states that they would have otherwise: 9 µs for a window of 32 ms, 13 for three that come together.
Knows nothing of speech.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engine import RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUTOFF_HZ: Final = 80.0
_BLOCK: Final = 64
# At once: the product that gives all their states grows with the square of them, and is kept for each number. These are
# three windows of 32 ms, as many as come together; for eight of them it would be half a megabyte.
_MOST_BLOCKS: Final = 24
_ORDER: Final = 4
# Of a Butterworth filter of order four.
_QUALITIES: Final = (0.5411961, 1.3065630)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The filter as products of matrices: what a block of input and a state at its beginning make."""

    output: NDArray[np.float64]
    """Of the input and the state; of shape (block + order, block)."""
    state_of_input: NDArray[np.float64]
    """What is added to the state; of shape (block, order)."""
    powers: NDArray[np.float64]
    """What so many blocks make of a state, of shape (blocks + 1, order, order)."""
    state_of_offset: NDArray[np.float64]
    """The state after an input of 1 for ever, of shape (order,)."""


class HighPass:
    """The filter of one stream."""

    def __init__(self) -> None:
        """Begin as if the first sample had been there for ever, so that an offset begins without a thump."""
        self._blocks = _blocks()
        self._state: NDArray[np.float64] | None = None

    def filter(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples of the stream without what is low; float32 of shape (samples,), a multiple of 64."""
        if self._state is None:
            self._state = self._blocks.state_of_offset * samples[0]
        blocks = samples.reshape(-1, _BLOCK)
        if len(blocks) <= _MOST_BLOCKS:
            return self._filter(blocks, self._state)
        parts = np.split(blocks, range(_MOST_BLOCKS, len(blocks), _MOST_BLOCKS))
        return np.concatenate([self._filter(part, self._state) for part in parts])

    def _filter(self, blocks: NDArray[np.float32], state: NDArray[np.float64]) -> NDArray[np.float32]:
        # Each block with the state at its beginning, which is known last. Written so, there are a third fewer calls.
        given = np.empty((len(blocks), _BLOCK + _ORDER))
        given[:, :_BLOCK] = blocks
        added = np.empty((len(blocks) + 1, _ORDER))
        added[0] = state
        np.matmul(given[:, :_BLOCK], self._blocks.state_of_input, out=added[1:])
        states = (_states(len(blocks)) @ added.reshape(-1)).reshape(-1, _ORDER)
        self._state = states[-1]
        given[:, _BLOCK:] = states[:-1]
        output: NDArray[np.float32] = (given @ self._blocks.output).astype(np.float32).reshape(-1)
        return output


def _section(quality: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """A section of order two as a state space: how state and input make the next state, and the output."""
    omega = 2 * math.pi * CUTOFF_HZ / RATE_HZ
    alpha, cosine = math.sin(omega) / (2 * quality), math.cos(omega)
    a1, a2 = -2 * cosine / (1 + alpha), (1 - alpha) / (1 + alpha)
    b0 = (1 + cosine) / 2 / (1 + alpha)
    state = np.array([[-a1, 1.0], [-a2, 0.0]])
    return state, np.array([-2 * b0 - a1 * b0, b0 - a2 * b0]), np.array([1.0, 0.0]), b0


@cache
def _states(blocks: int) -> NDArray[np.float64]:
    """The states at the beginning of each block and after the last one, of the first state and what each block adds.

    Of shape ((blocks + 1) * order, (blocks + 1) * order).
    """
    ages = np.subtract.outer(np.arange(blocks + 1), np.arange(blocks + 1))
    states = np.where((ages >= 0)[:, :, None, None], _blocks().powers[np.maximum(ages, 0)], 0.0)
    return states.transpose(0, 2, 1, 3).reshape(len(ages) * _ORDER, -1)


@cache
def _blocks() -> _Blocks:
    first, second = (_section(quality) for quality in _QUALITIES)
    # The second section is given what the first one gives.
    step = np.zeros((_ORDER, _ORDER))
    step[:2, :2], step[2:, 2:], step[2:, :2] = first[0], second[0], np.outer(second[1], first[2])
    taken = np.concatenate([first[1], second[1] * first[3]])
    given = np.concatenate([second[3] * first[2], second[2]])
    powers = [np.linalg.matrix_power(step, number) for number in range(_BLOCK + 1)]
    response = np.array([second[3] * first[3], *(given @ powers[number] @ taken for number in range(_BLOCK - 1))])
    delays = np.subtract.outer(np.arange(_BLOCK), np.arange(_BLOCK))
    output_of_input = np.where(delays >= 0, response[np.maximum(delays, 0)], 0.0)
    output_of_state = np.stack([given @ power for power in powers[:-1]], axis=1)
    return _Blocks(
        output=np.vstack([output_of_input.T, output_of_state]),
        state_of_input=np.stack([power @ taken for power in reversed(powers[:-1])]),
        powers=np.stack([np.linalg.matrix_power(powers[-1], number) for number in range(_MOST_BLOCKS + 1)]),
        state_of_offset=np.linalg.solve(np.eye(_ORDER) - step, taken),
    )
