"""Moonshine tiny (English): the weights come in the wheel of moonshine-voice 0.1.0, and onnxruntime computes them.

That package's own library is not used: on the same weights it takes 1.5 times as long, can have one call at a time, and
transcribes a growing utterance anew each time. Moonshine turns noise into words, so the voice detector gates what comes
here, and the hallucination filter drops what is left. The scheduler's thread is the only caller.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engine import RATE_HZ, Transcript
from asr_server.engines.moonshine.network import MoonshineNetwork, Tokens, read_vocabulary
from asr_server.engines.silero import load_silero
from asr_server.hallucination_filter import clean
from parley.errors import Unavailable, not_installed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from asr_server.engines.silero import Silero, SileroVad

_PACKAGE: Final = "moonshine_voice"
_FOLDER: Final = "assets/tiny-en"
_LONGEST_SECONDS: Final = 14.0
# Where a cut may be looked for: the last part of what fits.
_CUT_WITHIN_SECONDS: Final = 4.0
_QUIET_WINDOW: Final = 800
# Sound that breaks off right after the voice gets a comma where it would get a full stop.
_SILENCE_SAMPLES: Final = round(0.3 * RATE_HZ)
# Where a growing utterance was transcribed, it ended a sentence only by chance: that end is no good draft.
_DRAFT_SPARES: Final = 2
# Threads for one call: more help little, and the event loops need theirs.
_MOST_THREADS: Final = 4


class MoonshineRecognizer:
    """Transcribes for one stream; the model itself is shared, and the tokens of the utterance so far are used."""

    def __init__(self, network: MoonshineNetwork) -> None:
        """Use the shared model."""
        self._network = network
        self._looks: list[tuple[NDArray[np.float32], Tokens]] = []

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        """What is said in `audio`; long audio is cut where it is quietest."""
        earlier = self._looks
        self._looks = []
        for number, part in enumerate(cut(audio)):
            self._looks.append((part, self._tokens(part, earlier[number] if number < len(earlier) else None)))
        pieces = [clean(self._network.text(tokens), len(part) / RATE_HZ) for part, tokens in self._looks]
        return Transcript(" ".join(piece for piece in pieces if piece))

    def _tokens(self, part: NDArray[np.float32], look: tuple[NDArray[np.float32], Tokens] | None) -> Tokens:
        """The tokens of one part; `look`: those of the part at this place before, perhaps of other sound."""
        if look is None or len(look[0]) > len(part) or not np.array_equal(look[0], part[: len(look[0])]):
            draft: Tokens = []
        elif len(look[0]) == len(part):
            return look[1]
        else:
            draft = look[1][:-_DRAFT_SPARES]
        return self._network.tokens(np.pad(part, (0, _SILENCE_SAMPLES)), RATE_HZ, draft)


class MoonshineEngine:
    """The model, loaded once."""

    name = "moonshine"
    model = "tiny-en"
    languages: tuple[str, ...] = ("en",)

    def __init__(self) -> None:
        """Load nothing yet."""
        self._network: MoonshineNetwork | None = None
        self._silero: Silero | None = None

    def load(self) -> None:
        """Load the model and the voice detector, and transcribe once to warm up.

        Raises:
            Unavailable: the package is not installed, or is a release without the model.
        """
        self._silero = load_silero()
        self._network = _load_network()
        self._network.tokens(np.zeros(RATE_HZ, dtype=np.float32), RATE_HZ)

    def recognizer(self, language: str, hints: tuple[str, ...]) -> MoonshineRecognizer:
        """A recogniser over the shared model."""
        assert self._network is not None  # noqa: S101 - the server loads before it serves
        return MoonshineRecognizer(self._network)

    def vad(self) -> SileroVad:
        """A voice detector over the shared network."""
        assert self._silero is not None  # noqa: S101 - as above
        return self._silero.stream()


def _load_network() -> MoonshineNetwork:
    # Found without importing it, which would load its own library and a second onnxruntime.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise not_installed("moonshine-voice", "asr")
    folder = Path(spec.origin).parent / _FOLDER
    if not (folder / "encoder_model.ort").exists():
        raise Unavailable("this moonshine-voice carries no model: pip install moonshine-voice==0.1.0")
    import onnxruntime  # 60 MB that other engines do without

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // 2))
    # A thread that waits for more work by turning in circles takes it from the voice detector and the event loop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    def session(name: str) -> InferenceSession:
        return onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])

    encoder, decoder = session("encoder_model.ort"), session("decoder_model_merged.ort")
    return MoonshineNetwork(encoder, decoder, read_vocabulary(folder / "tokenizer.bin"))


def cut(audio: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Parts of `audio` of at most 14 s, cut in the quietest 50 ms of each part's last 4 s."""
    parts = []
    longest, within = round(_LONGEST_SECONDS * RATE_HZ), round(_CUT_WITHIN_SECONDS * RATE_HZ)
    while len(audio) > longest:
        tail = audio[longest - within : longest]
        windows = tail[: len(tail) // _QUIET_WINDOW * _QUIET_WINDOW].reshape(-1, _QUIET_WINDOW)
        quietest = int(np.argmin((windows**2).mean(axis=1)))
        at = longest - within + quietest * _QUIET_WINDOW + _QUIET_WINDOW // 2
        parts.append(audio[:at])
        audio = audio[at:]
    parts.append(audio)
    return parts
