"""What a turn model changes in when turns end: the conversations of `parley eval` on the clock of their sound.

    PYTHONPATH=. python benchmarks/turn_model.py MODEL.onnx [--clips DIR] [--seeds 3] [--server HOST:PORT]

Every conversation is heard by the ASR server's own recognition, once with the words alone and once for each choice of
bands, and words and model always answer before the next sound. So nothing in it depends on the machine or its load: it
says what the bands of `asr_server.endpointing.turn_model` are worth, and `parley eval --compare` what the model costs.
Without --clips a TTS server speaks the sentences. Prints, for each choice: people cut off, and milliseconds waited.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from prometheus_client import CollectorRegistry

from asr_server.endpointing.turn_model import Bands, TurnDetector
from asr_server.engine import RATE_HZ
from asr_server.engines.moonshine.engine import MoonshineEngine
from asr_server.engines.turn_onnx import OnnxTurnModel
from asr_server.metrics import AsrMetrics
from asr_server.recognition import Recognition
from asr_server.scheduler import Scheduler
from asr_server.transcriber import Models
from asr_server.turn_telemetry import TurnTelemetry
from parley import asr
from parley.audio import resample
from parley_cli.client import MIC_RATE_HZ
from parley_cli.eval.clips import load_clips
from parley_cli.eval.compose import silence, to_pcm
from parley_cli.eval.scenes import Kind, standard
from serving.telemetry import Telemetry, new_provider
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from asr_server.engine import Recognizer, Transcript, Vad
    from parley_cli.eval.scenes import Sitting

    Conversation = list[tuple[Kind, bytes, int]]

_CHUNK: Final = RATE_HZ // 25
_ROOM_SECONDS: Final = 0.5
_AFTER_SECONDS: Final = 3.0
# A turn is cut off where it ends before the voice does, by more than detectors and codecs are off.
_TOLERANCE: Final = RATE_HZ // 20
_CHOICES: Final = {
    "words alone": None,
    "words, 600 ms patience": None,
    "over .9, 550 ms": Bands(0.9, -1.0, 0.55),
    "over .9, 280 ms": Bands(0.9, -1.0, 0.28),
    "not over .2": Bands(1.1, 0.2),
    "both (as it is set)": Bands(),
    "one bound, 280 ms": Bands(0.5, 0.499, 0.28),
}


# A session may set its own patience: what a model saves must be more than this does.
_PATIENCE: Final = {"words, 600 ms patience": asr.Endpointing(patient_silence_ms=600)}


class _RememberingVad:
    """A voice detector that computes each beginning of a conversation once."""

    def __init__(self, vad: Vad, known: dict[int, Sequence[float]]) -> None:
        self._vad, self._known = vad, known
        self._so_far = self._before = 0
        self._computed = False

    async def probabilities(self, windows: NDArray[np.float32]) -> Sequence[float]:
        """How likely each of the windows holds voice."""
        self._before, self._so_far = self._so_far, hash((self._so_far, windows.tobytes()))
        self._computed = self._so_far not in self._known
        if self._computed:
            self._known[self._so_far] = await self._vad.probabilities(windows)
        return self._known[self._so_far]

    def take_back(self) -> None:
        """Be as before the last windows."""
        self._so_far = self._before
        if self._computed:
            self._vad.take_back()


class Remembering:
    """An engine and a turn model that compute each sound once."""

    def __init__(self, model: OnnxTurnModel) -> None:
        """Ask Moonshine, and `model`."""
        self._engine, self._model = MoonshineEngine(), model
        self._asked: tuple[str, tuple[str, ...]] = ("en", ())
        self._said: dict[bytes, Transcript] = {}
        self._heard: dict[bytes, float] = {}
        self._voiced: dict[int, Sequence[float]] = {}
        self.name, self.model, self.languages = self._engine.name, self._engine.model, self._engine.languages

    def load(self) -> None:
        """Load both."""
        self._engine.load()
        self._model.load()

    def vad(self) -> Vad:
        """Moonshine's own; what it said of the same sound so far, it says again."""
        return _RememberingVad(self._engine.vad(), self._voiced)

    def recognizer(self, language: str, hints: tuple[str, ...]) -> Recognizer:
        """One that asks Moonshine, afresh for each sound."""
        self._asked = (language, hints)
        return self

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        """What is said."""
        key = audio.tobytes()
        if key not in self._said:
            self._said[key] = self._engine.recognizer(*self._asked).transcribe(audio, final=final)
        return self._said[key]

    def probability(self, audio: NDArray[np.float32]) -> float:
        """How likely the turn is over."""
        key = audio.tobytes()
        if key not in self._heard:
            self._heard[key] = self._model.probability(audio)
        return self._heard[key]


@dataclass(slots=True)
class Ends:
    """The client of one conversation."""

    turns: list[asr.EndOfTurn] = field(default_factory=list)

    async def emit(self, event: asr.Event) -> None:
        """Keep where turns end."""
        if isinstance(event, asr.EndOfTurn):
            self.turns.append(event)

    def engine_works(self) -> AbstractContextManager[None]:
        """Nothing comes in meanwhile."""
        return nullcontext()


@dataclass(slots=True)
class Found:
    """What came of some conversations; waits in milliseconds."""

    scenes: int = 0
    cut_off: int = 0
    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)

    def add(self, kind: Kind, place: int, end: int, turns: list[asr.EndOfTurn]) -> None:
        """Take the turns of a scene whose voice ends at the sample `end`."""
        self.scenes += 1
        self.cut_off += any(turn.end_sample < end - _TOLERANCE for turn in turns)
        waits = [(turn.end_sample - end) / RATE_HZ * 1000 for turn in turns if turn.end_sample >= end - _TOLERANCE]
        self.all += waits[:1]
        if kind is Kind.FLUENT:
            (self.first if place == 0 else self.later).extend(waits[:1])

    def row(self) -> str:
        """As a line of the table."""
        waits = (statistics.median(self.first), statistics.median(self.later), statistics.fmean(self.all))
        return f"{self.cut_off:>4} of {self.scenes:<5}" + "".join(f"{each:>9.0f}" for each in waits)


def heard(sitting: Sitting) -> Conversation:
    """What the server gets of a conversation."""
    scenes = [each for each in sitting.scenes if each.kind in (Kind.FLUENT, Kind.PAUSED, Kind.LONG_PAUSE)]
    pieces = []
    for scene in scenes:
        sound = np.concatenate([silence(_ROOM_SECONDS), scene.sound, silence(_AFTER_SECONDS)])
        sound += np.take(sitting.room, np.arange(len(sound)), mode="wrap")
        end = (round(_ROOM_SECONDS * MIC_RATE_HZ) + len(scene.sound)) * RATE_HZ // MIC_RATE_HZ
        pieces.append((scene.kind, resample(to_pcm(sound), MIC_RATE_HZ, RATE_HZ), end))
    return pieces


async def hold(conversation: Conversation, models: Models, endpointing: asr.Endpointing, found: Found) -> None:
    """Hold one conversation."""
    config = asr.Config(language="en", partials=False, endpointing=endpointing)
    telemetry = Telemetry(new_provider("asr"), CollectorRegistry())
    turns = TurnTelemetry(telemetry, AsrMetrics(telemetry, models.scheduler), "")
    client, position = Ends(), 0
    async with asyncio.TaskGroup() as tasks:
        recognition = Recognition(tasks, models, config, turns, client)
        for place, (kind, pcm, end) in enumerate(conversation):
            client.turns.clear()
            for start in range(0, len(pcm), 2 * _CHUNK):
                await recognition.hear(asr.Audio(pcm[start : start + 2 * _CHUNK], position + start // 2))
                await recognition.settled()
            found.add(kind, place, position + end, client.turns)
            position += len(pcm) // 2


async def main(options: argparse.Namespace) -> None:
    """Hold all conversations with every choice."""
    engine, worker, listener = Remembering(OnnxTurnModel(options.model)), Worker("engine"), Worker("turns")
    engine.load()
    clips = await load_clips(Path(options.clips) if options.clips else None, options.server)
    conversations = [heard(sitting) for seed in range(1, options.seeds + 1) for sitting in standard(clips, seed)]
    print(f"{'':<24}{'cut off':>12}{'first':>9}{'later':>9}{'mean':>9}")
    for name, bands in _CHOICES.items():
        found, detector = Found(), TurnDetector(engine if bands else None, bands, listener)
        for conversation in conversations:
            models = Models(engine, Scheduler(worker), detector)
            await hold(conversation, models, _PATIENCE.get(name, asr.Endpointing()), found)
        print(f"{name:<24}{found.row()}", flush=True)
    worker.close()
    listener.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the turn model, an ONNX file")
    parser.add_argument("--clips", metavar="DIR", help="recordings NAME.flac with their words in NAME.txt")
    parser.add_argument("--seeds", type=int, default=3, help="how many sets of scenes (3)")
    parser.add_argument("--server", default="127.0.0.1:50053", help="the TTS server")
    asyncio.run(main(parser.parse_args()))
