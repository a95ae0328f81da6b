"""What a page with `?tap=1` kept: every sample of its microphone and loudspeaker on one clock, and when events came."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.async_api import Page

_READ = """
() => {
  const { rate, blocks, events, context } = window.__parleyTap;
  const side = (name) => {
    const samples = new Float32Array(128 * blocks.length);
    blocks.forEach((block, place) => block[name] && samples.set(block[name], 128 * place));
    const bytes = new Uint8Array(samples.buffer);
    let text = "";
    for (let from = 0; from < bytes.length; from += 32768) {
      text += String.fromCharCode(...bytes.subarray(from, from + 32768));
    }
    return btoa(text);
  };
  const gaps = blocks.filter((block, place) => place && block.frame !== blocks[place - 1].frame + 128).length;
  return { rate, gaps, first: blocks[0].frame, microphone: side("microphone"), speaker: side("speaker"), events,
           latency: context.outputLatency };
}
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One of the gateway's events."""

    kind: str
    """Its name."""
    sample: int
    """The sample that was being rendered when it came."""
    detail: dict[str, object]
    """Its fields."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What went in and out."""

    rate_hz: int
    """Samples per second."""
    microphone: NDArray[np.float32]
    """(samples,)"""
    speaker: NDArray[np.float32]
    """(samples,) on the same clock."""
    events: tuple[Told, ...]
    """What the gateway said."""
    latency_seconds: float
    """From the recording of the loudspeaker to what is heard."""
    gaps: int
    """Places where a block is missing."""

    def told(self, kind: str) -> list[Told]:
        """Events of one kind."""
        return [event for event in self.events if event.kind == kind]


async def recorded(page: Page) -> Recording:
    """What the page kept until now."""
    kept = await page.evaluate(_READ)
    rate, first = kept["rate"], kept["first"]
    events = tuple(Told(each["kind"], round(each["at"] * rate) - first, each["detail"]) for each in kept["events"])
    return Recording(
        rate,
        np.frombuffer(base64.b64decode(kept["microphone"]), dtype="<f4"),
        np.frombuffer(base64.b64decode(kept["speaker"]), dtype="<f4"),
        events,
        kept["latency"],
        kept["gaps"],
    )


def replies(recording: Recording, silence_seconds: float = 0.05) -> list[tuple[int, int]]:
    """Where sound begins and ends at the loudspeaker, when a reply is a tone without a pause."""
    sounding = np.flatnonzero(recording.speaker)
    breaks = np.flatnonzero(np.diff(sounding) > silence_seconds * recording.rate_hz)
    starts = [sounding[0], *sounding[breaks + 1]]
    ends = [*sounding[breaks] + 1, sounding[-1] + 1]
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def first_voiced(recording: Recording, start: int, end: int) -> int:
    """The first sample of the first 10 ms at the microphone that are within 20 dB of the loudest ones."""
    block = recording.rate_hz // 100
    sound = recording.microphone[start:end]
    levels = np.sqrt(np.square(sound[: len(sound) // block * block].reshape(-1, block)).mean(axis=1))
    return start + block * int(np.argmax(levels > np.percentile(levels, 99) / 10))
