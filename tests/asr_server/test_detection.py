"""The voice detector hears at once what came together, and says what it would say to each window by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from asr_server.detection import VoiceDetection
from asr_server.endpointing.config import EndpointingConfig
from asr_server.endpointing.endpointer import Endpointer
from asr_server.engines.silero import Silero, load_silero
from asr_server.front_end.front_end import FrontEnd, FrontEndConfig
from parley import asr
from tests.asr_server.sounds import noise, pcm, recording

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

RATE_HZ = 16_000


class Counting:
    """A session that keeps how many windows went through it at once."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self.sizes: list[int] = []

    def run(self, outputs: None, feed: dict[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
        self.sizes.append(len(feed["input"]))
        given: list[NDArray[np.float32]] = self._session.run(outputs, feed)
        return given


async def heard(sound: bytes, chunk_samples: int) -> tuple[list[float], list[object], list[int]]:
    """What the detector says, what is made of it, and how many windows went through it at once."""
    counting = Counting(load_silero().session)
    front_end = FrontEnd(FrontEndConfig(), 0)
    detection = VoiceDetection(front_end, Silero(cast("InferenceSession", counting)).stream())
    endpointer, in_turn = Endpointer(EndpointingConfig()), False
    said, events = list[float](), list[object]()
    for first in range(0, len(sound) // 2, chunk_samples):
        front_end.append(sound[2 * first : 2 * (first + chunk_samples)], first)
        while (probability := await detection.probability()) is not None:
            said.append(probability)
            for event in endpointer.step(probability):
                in_turn = isinstance(event, asr.VoiceOnset) or (in_turn and not isinstance(event, asr.TurnDiscarded))
                events.append(event)
            front_end.learn(probability, endpointer, in_turn=in_turn)
    return said, events, counting.sizes


@pytest.mark.parametrize("peak", [0.004, 0.03, 0.7])
async def test_how_many_windows_come_at_once_makes_no_difference(speech_dir: Path, peak: float) -> None:
    voice = recording(speech_dir, "watson-pause", peak=peak)
    sound = pcm(voice + noise(-80, len(voice)))
    alone, events, sizes = await heard(sound, 512)
    assert set(sizes) == {1}
    assert sum(probability > 0.5 for probability in alone) > 30, "there is voice in it"
    for chunk_samples in (1_280, 5_000, len(sound) // 2):
        said, told, sizes = await heard(sound, chunk_samples)
        assert said == pytest.approx(alone, abs=2e-3)
        assert told == events
        # What is heard again, where its gain moved, is little.
        assert sum(sizes) < 1.4 * len(alone)
        assert len(sizes) < 0.6 * len(alone)
