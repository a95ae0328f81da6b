"""A turn model as an ONNX graph: one that takes Whisper's features, as smart-turn does, or one that takes the sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engine import RATE_HZ
from asr_server.engines.onnx_session import infer
from parley.errors import InvalidInput, Unavailable, not_installed

if TYPE_CHECKING:
    from faster_whisper.feature_extractor import FeatureExtractor
    from numpy.typing import NDArray

_MELS: Final = 80
_FRAMES_A_SECOND: Final = 100
_DEFAULT_SECONDS: Final = 8
_PIECE_FRAMES: Final = 16
_FEATURES_RANK: Final = 3
_SOUND_RANK: Final = 2


class OnnxTurnModel:
    """One graph, loaded once.

    Its input is (batch, 80, frames) of log-mel features, 100 frames a second, of sound normalised to mean 0 and
    variance 1; or (batch, samples) of sound at 16 kHz. Shorter sound is filled up with silence in front, of longer the
    end is taken. Its first output is a probability for each of the batch.
    """

    def __init__(self, name: str) -> None:
        """Use the graph `name`: a file, or OWNER/REPOSITORY:FILE of the Hugging Face hub that has been fetched."""
        self._name = name

    def load(self) -> None:
        """Load the graph and run it once.

        Raises:
            Unavailable: the file or a package is not there; the message says what to do.
            InvalidInput: it is no turn model.
        """
        path = _find(self._name)
        try:
            import onnxruntime
            from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf
        except ImportError as error:
            raise not_installed("onnxruntime", "asr") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except (Fail, InvalidGraph, InvalidProtobuf) as error:
            raise InvalidInput(f"{path} is no ONNX model: {error}", field="PARLEY_ASR_TURN_MODEL") from error
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) not in (_SOUND_RANK, _FEATURES_RANK) or (len(shape) == _FEATURES_RANK and shape[1] != _MELS):
            raise InvalidInput(
                f"{path} is no turn model: its inputs are {[(each.name, each.shape) for each in inputs]}, and one of "
                f"(batch, {_MELS}, frames) or (batch, samples) is wanted",
                field="PARLEY_ASR_TURN_MODEL",
            )
        self._input, self._features, length = inputs[0].name, len(shape) == _FEATURES_RANK, shape[-1]
        per_second = _FRAMES_A_SECOND if self._features else RATE_HZ
        self._samples = length * RATE_HZ // per_second if isinstance(length, int) else _DEFAULT_SECONDS * RATE_HZ
        self._extractor = _extractor(self._samples) if self._features else None
        self.probability(np.zeros(RATE_HZ, dtype=np.float32))

    def probability(self, audio: NDArray[np.float32]) -> float:
        """How likely the turn is over.

        Raises:
            InvalidInput: the graph gives something else than a probability.
            EngineFailed: the graph fails.
        """
        sound = audio[-self._samples :]
        sound = np.pad(sound, (self._samples - len(sound), 0))
        fed = sound if self._extractor is None else log_mel(self._extractor, sound)
        given = np.ravel(infer(self._session, None, {self._input: fed[np.newaxis].astype(np.float32)})[0])
        if given.size != 1 or not 0 <= float(given[0]) <= 1:
            raise InvalidInput(
                f"{self._name} gives {given[:4]}, and one probability from 0 to 1 is wanted",
                field="PARLEY_ASR_TURN_MODEL",
            )
        return float(given[0])


def _extractor(samples: int) -> FeatureExtractor:
    """What makes Whisper's features of that much sound."""
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor(feature_size=_MELS, chunk_length=samples // RATE_HZ)


def log_mel(extractor: FeatureExtractor, sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whisper's features of normalised sound, of shape (80, frames): those of `extractor`, by one thread."""
    normal = ((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)).astype(np.float32)
    window, hop = extractor.n_fft, extractor.hop_length
    padded = np.pad(normal, (window // 2, window // 2), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][: len(sound) // hop]
    hann = np.hanning(window + 1)[:-1].astype(np.float32)
    powers = np.abs(np.fft.rfft(frames * hann, axis=-1).astype(np.complex64)) ** 2
    # In pieces that are too small for BLAS to wake its other threads, which cost five times what they do here.
    pieces = np.split(powers, range(_PIECE_FRAMES, len(powers), _PIECE_FRAMES))
    mels = np.concatenate([piece @ extractor.mel_filters.T for piece in pieces]).T
    logs = np.log10(np.maximum(mels, 1e-10))
    return np.asarray((np.maximum(logs, logs.max() - 8) + 4) / 4, dtype=np.float32)


def _find(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    repository, colon, file = name.partition(":")
    if not colon or repository.count("/") != 1:
        raise Unavailable(f"turn model {name}: there is no such file, and OWNER/REPOSITORY:FILE names one of the hub")
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise not_installed("huggingface_hub", "asr") from error
    try:
        # Never fetched here: a server that starts must not wait for the network, nor depend on it.
        return Path(hf_hub_download(repository, file, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise Unavailable(f"turn model {name} is not on this machine: parley models pull turn:{name}") from error
