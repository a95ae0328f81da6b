"""Text as the TTS server speaks it, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley import tts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def speech(client: tts.TtsClient, config: tts.Config, text: str) -> tuple[bytes, int]:
    """`text`, s16le mono, and its samples per second.

    Raises:
        ParleyError: the server refused, failed or went away.
    """
    pcm, rate = bytearray(), config.sample_rate_hz
    async with client.synthesize(config, _whole(text)) as events:
        async for event in events:
            if isinstance(event, tts.Ready):
                rate = event.sample_rate_hz
            elif isinstance(event, tts.Audio):
                pcm += event.pcm
    return bytes(pcm), rate


async def _whole(text: str) -> AsyncIterator[tts.Request]:
    yield text
