"""Whisper through CTranslate2: any size, many languages, on a CPU or a GPU.

Whisper makes up sentences where nobody speaks, and falls into loops. So the voice detector gates what comes here,
temperature stays at 0 (a fallback to higher ones would multiply the time at random), and what the model itself calls
silence, or repeats itself, is dropped.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engine import RATE_HZ
from asr_server.engines.silero import load_silero
from asr_server.engines.whisper.loading import languages_of, load_model, placement
from asr_server.engines.whisper.recognizer import WhisperRecognizer, do_together
from parley.errors import not_installed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asr_server.engine import Job, Transcript
    from asr_server.engines.silero import Silero, SileroVad
    from asr_server.engines.whisper.network import WhisperNetwork
    from asr_server.engines.whisper.options import WhisperOptions

# A GPU has room for that many; on a CPU a call takes longer than its windows one by one.
_MOST_ON_A_GPU: Final = 16
# A CPU spends most of a partial on encoding silence; a GPU has no need to do without.
_CONTEXT_ON_A_CPU_SECONDS: Final = 10.0
_WHOLE_CONTEXT_SECONDS: Final = 30.0


class WhisperEngine:
    """The model, loaded once."""

    name = "faster-whisper"

    def __init__(self, options: WhisperOptions) -> None:
        """Load nothing yet."""
        self._options = options
        self._network: WhisperNetwork | None = None
        self._silero: Silero | None = None
        self._device = ""
        self.model = options.model
        self.languages: tuple[str, ...] = (options.language,)

    def load(self) -> None:
        """Load the model and the voice detector, and transcribe once to warm up.

        Raises:
            Unavailable: the package, the model, the device or the compute type is not there.
        """
        if importlib.util.find_spec("faster_whisper") is None:
            raise not_installed("faster-whisper", "asr")
        self._device, compute_type = placement(self._options)
        self._silero = load_silero()
        # With it comes the whole of faster-whisper, which other engines do without.
        from asr_server.engines.whisper.network import WhisperNetwork

        model = load_model(self._options, self._device, compute_type)
        self.model = Path(self._options.model).name
        self.languages = languages_of(model, self._options.language)
        self._network = WhisperNetwork(model)
        if not self._options.partial_context_seconds:
            seconds = _CONTEXT_ON_A_CPU_SECONDS if self._device == "cpu" else _WHOLE_CONTEXT_SECONDS
            self._options = replace(self._options, partial_context_seconds=seconds)
        self.recognizer(self.languages[0], ()).transcribe(np.zeros(RATE_HZ, dtype=np.float32), final=True)

    def recognizer(self, language: str, hints: tuple[str, ...]) -> WhisperRecognizer:
        """A recogniser over the shared model."""
        assert self._network is not None  # noqa: S101 - the server loads before it serves
        return WhisperRecognizer(self._network, self._options, language, hints)

    @property
    def most(self) -> int:
        """Streams at once, at most."""
        return self._options.batch or (_MOST_ON_A_GPU if self._device == "cuda" else 1)

    def transcribe_together(self, jobs: Sequence[Job]) -> list[Transcript | Exception]:
        """An answer to each job; a window of each goes through the networks at once."""
        assert self._network is not None  # noqa: S101 - the server loads before it serves
        works = []
        for job in jobs:
            assert isinstance(job.recognizer, WhisperRecognizer)  # noqa: S101 - this engine has made it
            works.append(job.recognizer.work(job.audio, final=job.final))
        return do_together(self._network, works)

    def vad(self) -> SileroVad:
        """A voice detector over the shared network."""
        assert self._silero is not None  # noqa: S101 - as above
        return self._silero.stream()
