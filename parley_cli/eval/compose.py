"""Composes what a microphone hears: rooms, pauses, noises. Sound is float32 mono at 48 kHz, full scale 1.

Knows nothing of files, clocks or wires; the same seed gives the same sound.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from parley_cli.client import MIC_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]

_FRAME: Final = MIC_RATE_HZ // 100
# How far below its loud passages a recording counts as silent, and how far above its quietest.
_BELOW_LOUD_DB: Final = 25.0
_ABOVE_FLOOR_DB: Final = 12.0
_LEAST_BELOW_DB: Final = 9.0
_VOICE_BAND_HZ: Final = (250, 6_000)
_SMOOTH_FRAMES: Final = 3
_SYLLABLE_FRAMES: Final = 12
# A lull between words is at least so much quieter than the words, and so far from either end.
_LULL_DB: Final = 12.0
_LULL_FROM_END_SECONDS: Final = 0.5
_LULL_FRAMES: Final = 4
_STRAY_FRAMES: Final = 30
_STRAY_GAP_FRAMES: Final = 30
# What a cut into a recording is faded over, so that it does not click.
_FADE: Final = MIC_RATE_HZ // 200
_SPEECH_LEVEL: Final = 0.08
_QUIET_ROOM: Final = 0.0005


def silence(seconds: float) -> Sound:
    """Nothing."""
    return np.zeros(round(seconds * MIC_RATE_HZ), dtype=np.float32)


def levels_db(sound: Sound) -> NDArray[np.float64]:
    """RMS of each 10 ms, in dB of full scale."""
    frames = sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    return np.asarray(10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-12)))


def voiced_span(sound: Sound) -> tuple[int, int]:
    """First sample of the voice in a recording, and the sample after its last; by loudness alone.

    Independent of the detectors that are evaluated with it.
    """
    runs = _voiced_runs(sound)
    return (runs[0][0] * _FRAME, min(len(sound), runs[-1][1] * _FRAME)) if runs else (0, len(sound))


def longest_pause_seconds(sound: Sound) -> float:
    """The longest silence within a recording."""
    runs = _voiced_runs(sound)
    gaps = [later[0] - earlier[1] for earlier, later in pairwise(runs)]
    return max(gaps, default=0) * _FRAME / MIC_RATE_HZ


def _voiced_runs(sound: Sound) -> list[tuple[int, int]]:
    """Stretches of voice, as frames of 10 ms."""
    power = 10 ** (levels_db(_voice_band(sound)) / 10)
    if len(power) < _SMOOTH_FRAMES:
        return []
    levels = 10 * np.log10(np.convolve(power, np.ones(_SMOOTH_FRAMES) / _SMOOTH_FRAMES, "same"))
    loud, floor = float(np.percentile(levels, 95)), float(np.percentile(levels, 5))
    threshold = max(loud - _BELOW_LOUD_DB, min(floor + _ABOVE_FLOOR_DB, loud - _LEAST_BELOW_DB))
    loud_frames = np.flatnonzero(levels > threshold)
    # A click is over sooner than a syllable.
    edges = np.flatnonzero(np.diff(loud_frames) > 1)
    starts = loud_frames[np.concatenate([[0], edges + 1])]
    ends = loud_frames[np.concatenate([edges, [len(loud_frames) - 1]])] + 1
    runs = [(int(start), int(end)) for start, end in zip(starts, ends, strict=True) if end - start >= _SYLLABLE_FRAMES]
    while len(runs) > 1 and _is_stray(runs[-2], runs[-1], runs[-1]):
        runs.pop()
    while len(runs) > 1 and _is_stray(runs[0], runs[1], runs[0]):
        runs.pop(0)
    return runs


def _is_stray(earlier: tuple[int, int], later: tuple[int, int], run: tuple[int, int]) -> bool:
    """True when `run`, at one end of a recording, is short and far from its neighbour: a switch, not a word."""
    return later[0] - earlier[1] >= _STRAY_GAP_FRAMES and run[1] - run[0] < _STRAY_FRAMES


def _voice_band(sound: Sound) -> Sound:
    """Without the hum below and the hiss above a voice."""
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / MIC_RATE_HZ)
    spectrum[(frequencies < _VOICE_BAND_HZ[0]) | (frequencies > _VOICE_BAND_HZ[1])] = 0
    return np.asarray(np.fft.irfft(spectrum, len(sound)), dtype=np.float32)


def at_speech_level(sound: Sound) -> Sound:
    """The recording made as loud as somebody who speaks to their own computer."""
    first, end = voiced_span(sound)
    loudness = float(np.sqrt((sound[first:end].astype(np.float64) ** 2).mean())) if end > first else 0.0
    return sound if not loudness else np.clip(sound * (_SPEECH_LEVEL / loudness), -1, 1).astype(np.float32)


def lull(sound: Sound) -> int | None:
    """Where, well inside a recording, the voice is quietest; None where it never falls."""
    levels = levels_db(sound)
    margin = round(_LULL_FROM_END_SECONDS * 100)
    if len(levels) < 2 * margin + _LULL_FRAMES:
        return None
    smooth = np.convolve(levels, np.ones(_LULL_FRAMES) / _LULL_FRAMES, "same")[margin:-margin]
    quietest = int(np.argmin(smooth))
    if smooth[quietest] > float(np.percentile(levels, 75)) - _LULL_DB:
        return None
    return (margin + quietest) * _FRAME


def with_pause(before: Sound, seconds: float, after: Sound) -> Sound:
    """Two pieces of speech with a pause of `seconds` between their voices: less silence where they end softly."""
    joined = np.concatenate([faded(before), silence(seconds), faded(after)])
    beyond = longest_pause_seconds(joined) - seconds
    if beyond <= 0:
        return joined
    return np.concatenate([faded(before), silence(max(0.0, seconds - beyond)), faded(after)])


def faded(sound: Sound) -> Sound:
    """A piece of a recording that begins and ends without a click."""
    if len(sound) < 2 * _FADE:
        return sound
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    shaped = sound.copy()
    shaped[:_FADE] *= ramp
    shaped[-_FADE:] *= ramp[::-1]
    return shaped


def room(seconds: float, chance: np.random.Generator, snr_db: float | None = None) -> Sound:
    """Pink noise of a room, `snr_db` below somebody who speaks; None: a very quiet room."""
    count = round(seconds * MIC_RATE_HZ)
    spectrum = np.fft.rfft(chance.standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, count)
    level = _QUIET_ROOM if snr_db is None else _SPEECH_LEVEL * 10 ** (-snr_db / 20)
    return np.asarray(noise / noise.std() * level, dtype=np.float32)


def cough(chance: np.random.Generator) -> Sound:
    """Two bursts of breath, as of a cough."""
    burst = chance.standard_normal(round(0.18 * MIC_RATE_HZ))
    burst *= np.exp(-np.linspace(0, 6, len(burst))) * 0.25
    pause = np.zeros(round(0.12 * MIC_RATE_HZ))
    return np.concatenate([burst, pause, burst * 0.7]).astype(np.float32)


def knocks(chance: np.random.Generator) -> Sound:
    """Three knocks on a table."""
    seconds = np.arange(round(0.16 * MIC_RATE_HZ)) / MIC_RATE_HZ
    knock = np.sin(2 * np.pi * 140 * seconds) * np.exp(-seconds * 60)
    knock += chance.standard_normal(len(seconds)) * np.exp(-seconds * 300) * 0.5
    return np.tile(knock * 0.4, 3).astype(np.float32)


def typing(chance: np.random.Generator) -> Sound:
    """A second of keys being struck."""
    sound = np.zeros(MIC_RATE_HZ)
    click = chance.standard_normal(round(0.008 * MIC_RATE_HZ)) * np.exp(-np.linspace(0, 5, round(0.008 * MIC_RATE_HZ)))
    for at in np.sort(chance.integers(0, MIC_RATE_HZ - len(click), 9)):
        sound[at : at + len(click)] += click * 0.15
    return sound.astype(np.float32)


def to_pcm(sound: Sound) -> bytes:
    """s16le of a sound; what is too loud is clipped."""
    return np.asarray(np.clip(sound, -1, 1) * 32_767, dtype="<i2").tobytes()


def from_pcm(pcm: bytes) -> Sound:
    """The sound of s16le."""
    return np.asarray(np.frombuffer(pcm, dtype="<i2") / 32_768, dtype=np.float32)
