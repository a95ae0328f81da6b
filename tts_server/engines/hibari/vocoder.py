"""Makes sound of spectra piece by piece, so that the first is there at once; the sums are those of `hibari.dsp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FRAMES_AT_ONCE: Final = 32
# Frames on either side that have a part in the sound of one: a window is four frames long.
_REACH: Final = 2


def render(spectra: list[NDArray[np.float32]], noise: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Sound of `Frames.spectra`, some 0.4 s at a time, 1 being full scale; 24,000 samples a second."""
    from hibari import dsp

    *parts, pitch = spectra
    source = dsp.pulses(pitch)
    many = len(pitch)
    spectrum = np.zeros((len(parts[0]), many), dtype=np.complex64)
    done = 0
    for start in range(0, many, _FRAMES_AT_ONCE):
        end = min(start + _FRAMES_AT_ONCE, many)
        before = max(0, start - _REACH)
        excited = dsp.stft(source[before * dsp.HOP : (end + _REACH) * dsp.HOP], end - before)[:, start - before :]
        spectrum[:, start:end] = _sum(excited, [part[:, start:end] for part in parts], noise)
        ready = end if end == many else end - _REACH
        before = max(0, done - _REACH)
        sound = dsp.ola(spectrum[:, before:end])
        yield sound[(done - before) * dsp.HOP : (ready - before) * dsp.HOP]
        done = ready


def _sum(
    excited: NDArray[np.complex64], parts: list[NDArray[np.float32]], noise: np.random.Generator
) -> NDArray[np.complex64]:
    """The spectrum of some frames: a filtered pulse train, noise, and a part with phases of its own."""
    from hibari import dsp

    harmonic, turn, hiss, free, phase = parts
    rows, frames = harmonic.shape
    random = noise.standard_normal((rows, 2 * frames), dtype=np.float32).view(np.complex64)
    spectrum: NDArray[np.complex64] = (
        excited * dsp.ex(harmonic) * np.exp(1j * np.pi * np.tanh(turn)).astype(np.complex64)
        + dsp.ex(hiss) * random
        + dsp.ex(free) * np.exp(1j * phase).astype(np.complex64)
    )
    return spectrum
