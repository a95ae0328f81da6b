"""Moonshine tiny (English), from moonshine-voice 0.1.0, the last wheel that carries the model.

Measured on that version: its own voice detector leaks state from one call to the next and invents a first word, so it
is switched off; without it, buffers are split at 15 s and noise becomes words, so ours gates and trims what comes here
and `hygiene` drops what is left. A transcriber holds one call at a time: the scheduler's thread is the only caller.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engine import Transcript
from asr_server.hygiene import clean
from asr_server.vad import SileroVad, load_silero
from parley.errors import Unavailable

if TYPE_CHECKING:
    from moonshine_voice import Transcriber
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_RATE_HZ: Final = 16_000
_LONGEST_SECONDS: Final = 14.0
# Where a cut may be looked for: the last part of what fits.
_CUT_WITHIN_SECONDS: Final = 4.0
_QUIET_WINDOW: Final = 800


class MoonshineRecognizer:
    """Transcribes for one stream; the model itself is shared."""

    def __init__(self, transcriber: Transcriber) -> None:
        """Use the shared model."""
        self._transcriber = transcriber

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        """What is said in `audio`; long audio is cut where it is quietest."""
        pieces = [self._piece(part) for part in cut(audio)]
        return Transcript(" ".join(piece for piece in pieces if piece))

    def _piece(self, audio: NDArray[np.float32]) -> str:
        heard = self._transcriber.transcribe_without_streaming(audio, _RATE_HZ)
        return clean(" ".join(line.text.strip() for line in heard.lines), len(audio) / _RATE_HZ)


class MoonshineEngine:
    """The model, loaded once."""

    name = "moonshine"
    model = "tiny-en"
    languages: tuple[str, ...] = ("en",)

    def __init__(self) -> None:
        """Load nothing yet."""
        self._transcriber: Transcriber | None = None
        self._silero: InferenceSession | None = None

    def load(self) -> None:
        """Load the model and the voice detector, and transcribe once to warm up.

        Raises:
            Unavailable: the package is not installed.
        """
        if importlib.util.find_spec("moonshine_voice") is None:
            raise Unavailable("moonshine-voice is not installed: pip install 'parley[asr]'")
        from moonshine_voice import ModelArch, Transcriber, get_model_path

        self._silero = load_silero()
        self._transcriber = Transcriber(str(get_model_path("tiny-en")), ModelArch.TINY, options={"vad_threshold": "0"})
        self._transcriber.transcribe_without_streaming(np.zeros(_RATE_HZ, dtype=np.float32), _RATE_HZ)

    def recognizer(self, language: str, hints: tuple[str, ...]) -> MoonshineRecognizer:
        """A recogniser over the shared model."""
        assert self._transcriber is not None  # noqa: S101 - the server loads before it serves
        return MoonshineRecognizer(self._transcriber)

    def vad(self) -> SileroVad:
        """A voice detector over the shared network."""
        assert self._silero is not None  # noqa: S101 - as above
        return SileroVad(self._silero)


def cut(audio: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Parts of `audio` of at most 14 s, cut in the quietest 50 ms of each part's last 4 s."""
    parts = []
    longest, within = round(_LONGEST_SECONDS * _RATE_HZ), round(_CUT_WITHIN_SECONDS * _RATE_HZ)
    while len(audio) > longest:
        tail = audio[longest - within : longest]
        windows = tail[: len(tail) // _QUIET_WINDOW * _QUIET_WINDOW].reshape(-1, _QUIET_WINDOW)
        quietest = int(np.argmin((windows**2).mean(axis=1)))
        at = longest - within + quietest * _QUIET_WINDOW + _QUIET_WINDOW // 2
        parts.append(audio[:at])
        audio = audio[at:]
    parts.append(audio)
    return parts
