"""`parley transcribe`: asks the ASR server alone, over gRPC."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from parley import asr
from parley._tls import tls_of
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES
from parley_cli.arguments import sound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK_SAMPLES: Final = 640


async def transcribe(server: str, file: str) -> int:
    """Print the turns that the ASR server hears in `file`, sent as fast as it takes it."""
    pcm = sound(file, LISTENING_RATE_HZ)
    turns = 0
    async with asr.AsrClient(server, tls=tls_of(os.environ)) as client, client.transcribe(_audio(pcm)) as events:
        async for event in events:
            if isinstance(event, asr.EndOfTurn):
                turns += 1
                print(event.text, flush=True)
    if not turns:
        print("No speech was heard in this recording.", file=sys.stderr)
    return 0


async def _audio(pcm: bytes) -> AsyncIterator[asr.Request]:
    yield asr.Config(session_id="transcribe", partials=False)
    size = _CHUNK_SAMPLES * SAMPLE_BYTES
    for start in range(0, len(pcm), size):
        yield asr.Audio(pcm[start : start + size], start // SAMPLE_BYTES)
