"""Silence that a client leaves out changes nothing of what is heard: turns, words, and where they lie."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from asr_server.engines.scripted import LevelVad, ScriptedEngine
from parley import asr
from parley.audio import decode_file, to_float32
from tests.asr_server.sounds import RATE_HZ, noise, pcm
from tests.asr_server.test_recordings import hear, turns, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from asr_server.engines.moonshine.engine import MoonshineEngine
    from serving.threads import Worker

PACKET: Final = RATE_HZ // 50
ROOM_DB: Final = -70.0
# As the page does it: so many packets are sent after a sound and before it, and of the silence 4 in 48.
AFTER, BEFORE, EVERY, SENT = 150, 15, 48, 4
SPOKEN: Final = ("v2j-time", "living-room-lamp", "watson-pause", "quilter", "ms-weather")
NEAR: Final = round(0.04 * RATE_HZ)


def conversation(speech_dir: Path) -> bytes:
    """What five speakers say in a room that is not quite silent, one after the other."""
    parts: list[NDArray[np.floating]] = [np.zeros(8 * RATE_HZ)]
    for name in SPOKEN:
        parts += [to_float32(decode_file(speech_dir / f"{name}.flac", RATE_HZ)) * 0.5, np.zeros(9 * RATE_HZ)]
    sound = np.concatenate(parts)
    return pcm(sound + noise(ROOM_DB, len(sound)))


def kept(sound: bytes) -> Iterator[asr.Audio]:
    """What is sent of it: runs of packets."""
    packets = to_float32(sound)[: len(sound) // 2 // PACKET * PACKET].reshape(-1, PACKET)
    loud = np.flatnonzero(10 * np.log10(np.mean(packets**2, axis=1)) > ROOM_DB + 6)
    wanted = np.arange(len(packets)) % EVERY < SENT
    for place in loud:
        wanted[max(0, place - BEFORE) : place + AFTER + 1] = True
    for place in np.flatnonzero(wanted):
        yield asr.Audio(sound[2 * PACKET * place :][: 2 * PACKET], int(place) * PACKET)


@pytest.mark.timeout(120)
async def test_real_speech_is_heard_as_if_its_silence_had_been_sent(
    engine: MoonshineEngine, worker: Worker, speech_dir: Path
) -> None:
    sound = conversation(speech_dir)
    sent = list(kept(sound))
    assert len(sent) * PACKET < 0.8 * len(sound) // 2, "there is silence to be left out"
    whole, heard = turns(await hear(engine, worker, sound)), turns(await hear(engine, worker, sent))
    assert [words(turn.text) for turn in heard] == [words(turn.text) for turn in whole]
    assert len(whole) >= len(SPOKEN)
    for one, other in zip(whole, heard, strict=True):
        assert abs(one.first_sample - other.first_sample) <= NEAR
        assert abs(one.speech_end_sample - other.speech_end_sample) <= NEAR


class Looks(ScriptedEngine):
    """Counts the windows in which a voice is sought."""

    windows = 0

    def vad(self) -> LevelVad:
        return Counting(self)


class Counting(LevelVad):
    def __init__(self, looks: Looks) -> None:
        super().__init__()
        self._looks = looks

    async def probabilities(self, windows: NDArray[np.float32]) -> list[float]:
        self._looks.windows += len(windows)
        return await super().probabilities(windows)


async def test_what_is_left_out_is_not_listened_to(worker: Worker) -> None:
    sound = pcm(noise(ROOM_DB, 20 * RATE_HZ))
    engine = Looks(("",), 0.0)
    events = await hear(engine, worker, list(kept(sound)))
    # The four packets of each second lie in three or four windows.
    assert 3 * 20 <= engine.windows <= 4 * 21
    # A gateway takes a server that says nothing for a while for one that is gone.
    accounted = [event.end_sample for event in events if isinstance(event, asr.AudioAck)]
    assert all(0 <= later - earlier <= 2 * RATE_HZ for earlier, later in pairwise(accounted))
    assert accounted[-1] > 18 * RATE_HZ
