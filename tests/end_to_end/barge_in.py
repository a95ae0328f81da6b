"""Somebody speaks into replies, in Chromium: what the page's loudspeaker did, to the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.audio import decode_file
from parley_cli.eval.compose import from_pcm, to_pcm, voiced_span
from tests.end_to_end.chromium import RATE_HZ, Visitor, status, visiting
from tests.end_to_end.tap import Recording, recorded
from tests.end_to_end.voice import SPEAKS, kept, say, sounding
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

QUESTION: Final = "v2j-time"
# Each said in one breath.
INTERRUPTIONS: Final = ("living-room-light", "ms-weather", "go-forward", "gcp-brooklyn", "living-room-lamp", "aws-test")
# The scripted engines speak in a tone that is the same all along, so that its level tells whether it is ducked.
TONE: Final = {"PARLEY_LLM_ENGINE": "scripted", "PARLEY_TTS_ENGINE": "scripted", "PARLEY_LOG_LEVEL": "CRITICAL"}
LONG: Final = "This goes on and on without an end so that somebody can speak while it can still be heard " * 3
_BLOCK_SECONDS: Final = 0.005
# A tone 18 dB softer has an eighth of its level.
_DUCKED_SHARE: Final = 0.25
# Of a reply before somebody speaks into it, and of what is recorded from the last voice on.
_HEARD_SECONDS: Final = 1.5
_AFTERWARDS_SECONDS: Final = 4.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """When a reply became softer and silent, in milliseconds after the first voiced sample that interrupted it."""

    ducked_ms: float
    """To the end of the first 5 ms that are ducked, and stay so."""
    silent_ms: float
    """To the last sample that is not zero."""
    told_to_silent_ms: float
    """From the gateway's message to it; below 0 where the loudspeaker had it sooner than the page's own thread."""


@dataclass(frozen=True, slots=True)
class Evening:
    """What came of all of it."""

    interruptions: tuple[Interruption, ...]
    """One for each recording."""
    unheard: tuple[str, ...]
    """What the page shows as not heard, reply by reply."""
    latency_ms: float
    """From the recorded loudspeaker to what is heard."""


async def interrupt(folder: Path, names: tuple[str, ...] = INTERRUPTIONS) -> Evening:
    """Ask something, and speak each of the recordings of `folder` into the reply to the one before."""
    question, *voices = [_voice(folder / f"{name}.flac") for name in (QUESTION, *names)]
    async with (
        open_house(**TONE, PARLEY_SCRIPTED_LLM_TEXT=LONG) as house,
        visiting(f"{house.url}/?tap=1", Visitor(script=SPEAKS)) as page,
    ):
        await page.click("#talk")
        await status(page, "listening")
        said = [await say(page, to_pcm(question))]
        for voice in voices:
            await sounding(page, _HEARD_SECONDS)
            said.append(await say(page, to_pcm(voice)))
            await kept(page, said[-1] + len(voice))
        await kept(page, said[-1] + round(_AFTERWARDS_SECONDS * RATE_HZ))
        recording = await recorded(page)
        unheard = await page.eval_on_selector_all(".unheard", "all => all.map(piece => piece.textContent.trim())")
    assert recording.rate_hz == RATE_HZ
    assert recording.gaps == 0
    found = [_interruption(recording, _first_loud(recording.microphone, place)) for place in said[1:]]
    return Evening(tuple(found), tuple(unheard), 1000 * recording.latency_seconds)


def _voice(file: Path) -> NDArray[np.float32]:
    sound = from_pcm(decode_file(file, RATE_HZ))
    first, end = voiced_span(sound)
    return sound[first:end]


def _first_loud(sound: NDArray[np.float32], start: int) -> int:
    """The first sample of a voice that is at least a hundredth as loud as it becomes; before it there is silence."""
    loud = np.abs(sound[start : start + RATE_HZ])
    return start + int(np.argmax(loud > loud.max() / 100))


def _interruption(recording: Recording, voiced: int) -> Interruption:
    block = round(_BLOCK_SECONDS * RATE_HZ)
    sound = recording.speaker[voiced : voiced + 3 * RATE_HZ]
    full = np.abs(recording.speaker[voiced - RATE_HZ : voiced - RATE_HZ // 5]).max()
    assert full > 0.01, "a reply was to be heard here"
    silent = _silent(sound)
    peaks = np.abs(sound[: silent // block * block].reshape(-1, block)).max(axis=1)
    at_full = np.flatnonzero(peaks > _DUCKED_SHARE * full)
    ducked = block * (int(at_full[-1]) + 2) if len(at_full) else 0
    told = next(event.sample for event in recording.told("flush_playback") if event.sample > voiced)
    per_ms = RATE_HZ / 1000
    return Interruption(min(ducked, silent) / per_ms, silent / per_ms, (voiced + silent - told) / per_ms)


def _silent(sound: NDArray[np.float32]) -> int:
    """The sample after the last one before 100 ms of silence."""
    sounding = np.append(np.flatnonzero(sound), len(sound) + RATE_HZ)
    breaks = np.flatnonzero(np.diff(sounding) > RATE_HZ // 10)
    assert len(breaks), "the reply went on"
    return int(sounding[breaks[0]]) + 1
