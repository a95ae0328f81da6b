"""A microphone in Chromium that speaks when it is told to, so that what is said can wait for what is heard."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Final

from parley.audio import write_wav
from tests.end_to_end.chromium import RATE_HZ

if TYPE_CHECKING:
    from playwright.async_api import Page

SPEAKS: Final = """
  const context = new AudioContext({ sampleRate: 48000 });
  const mouth = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  navigator.mediaDevices.getUserMedia = async () => mouth.stream.clone();
  window.say = async (file) => {
    await context.resume();
    const bytes = Uint8Array.from(atob(file), (sign) => sign.charCodeAt(0));
    const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(bytes.buffer) });
    source.connect(mouth);
    source.start();
    return window.__parleyTap.blocks.length * 128;
  };
"""
"""For a page to run before its own scripts; its `?tap=1` says when something was said."""

_SOUNDS: Final = """
  blocks => {
    const kept = window.__parleyTap?.blocks.slice(-blocks) ?? [];
    return kept.length === blocks && kept.every(({ speaker }) => speaker?.some((sample) => sample));
  }
"""
_PATIENCE_SECONDS: Final = 40
_BLOCK: Final = 128


async def say(page: Page, pcm: bytes) -> int:
    """Say s16le at 48 kHz into the page's microphone; the sample of its recording before which nothing of it is."""
    file = io.BytesIO()
    write_wav(file, pcm, RATE_HZ)
    said: int = await page.evaluate("file => window.say(file)", base64.b64encode(file.getvalue()).decode())
    return said


async def sounding(page: Page, seconds: float) -> None:
    """Wait until the page has played a reply for so long."""
    await page.wait_for_function(_SOUNDS, arg=round(seconds * RATE_HZ / _BLOCK), timeout=1000 * _PATIENCE_SECONDS)


async def kept(page: Page, samples: int) -> None:
    """Wait until the page's recording is so long."""
    await page.wait_for_function(
        "samples => window.__parleyTap?.blocks.length * 128 >= samples", arg=samples, timeout=1000 * _PATIENCE_SECONDS
    )
