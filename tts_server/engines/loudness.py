"""How loud speech is, and the one level that all voices have, so that a change of voice or language is no jump.

The level is a measured gain before a compressor and a limiter. It is measured once for each voice on whole sentences:
EBU R128 measures programmes of seconds, which the first phrase of a reply has not, and so cannot be done on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tts_server.engines.dynamics import Dynamics

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL_DB: Final = -21.0
"""Loudness of every voice, as `loudness_db` measures it."""
_FRAME_SECONDS: Final = 0.0125
# Frames that are so much quieter than the loudest are pauses, which say nothing of how loud somebody speaks.
_PAUSE_DB: Final = 40.0
# A voice that needs more than ten times as much has noise to say.
_MOST_GAIN: Final = 10.0
# A compressor leaves a part of what the gain is changed by, so that the right one is come near to in steps.
_MOST_ROUNDS: Final = 20
_NEAR_DB: Final = 0.1
_SENTENCES: Final = {
    "de": "Guten Tag. So klinge ich, wenn wir miteinander sprechen, und morgen wird es ein schöner Tag.",
    "en": "Hello. This is how I sound when we talk with each other, and tomorrow will be a fine day.",
    "es": "Hola. Así sueno cuando hablamos, y mañana será un buen día.",
    "fr": "Bonjour. Voici ma voix quand nous parlons ensemble, et demain sera une belle journée.",
}
# Every language has words for digits.
_DIGITS: Final = "1, 2, 3, 4, 5, 6, 7, 8, 9."


def sample_of(language: str) -> str:
    """What a voice of that language (BCP 47) says to be measured: speech with the peaks that speech has."""
    return _SENTENCES.get(language.replace("_", "-").partition("-")[0].lower(), _DIGITS)


def loudness_db(sound: NDArray[np.float32], sample_rate_hz: int) -> float:
    """Root mean square of what is no pause, in dB below full scale; minus infinity for silence."""
    frame = round(_FRAME_SECONDS * sample_rate_hz)
    whole = sound[: len(sound) // frame * frame].reshape(-1, frame)
    powers = np.square(whole, dtype=np.float64).mean(axis=1)
    if not powers.max(initial=0.0):
        return float("-inf")
    speech = powers[powers > powers.max() * 10 ** (-_PAUSE_DB / 10)]
    return float(10 * np.log10(speech.mean()))


def gain_of(sound: NDArray[np.float32], sample_rate_hz: int, ratio: float) -> float | None:
    """What a voice that sounds so is multiplied by to have the level after `Dynamics` of `ratio`; None for silence."""
    gain_db, loudest_db = 0.0, 20 * np.log10(_MOST_GAIN)
    for _ in range(_MOST_ROUNDS):
        dynamics = Dynamics(sample_rate_hz, ratio)
        sounding = sound * np.float32(10 ** (gain_db / 20))
        loudness = loudness_db(np.concatenate((dynamics.push(sounding), dynamics.finish())), sample_rate_hz)
        if loudness == float("-inf"):
            return None
        step_db = min(LEVEL_DB - loudness, loudest_db - gain_db)
        gain_db += step_db
        if abs(step_db) < _NEAR_DB:
            break
    return float(10 ** (gain_db / 20))
