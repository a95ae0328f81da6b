"""`parley say`: has the TTS server alone speak a text, over gRPC."""

from __future__ import annotations

from parley import tts
from parley.audio import SAMPLE_BYTES, write_wav
from parley_cli.speech import speech


async def say(server: str, text: str, out: str, voice: str) -> int:
    """Write `text`, spoken by the TTS server, to the WAV file `out`."""
    async with tts.TtsClient(server) as client:
        pcm, rate = await speech(client, tts.Config(voice=voice, session_id="say"), text)
    write_wav(out, pcm, rate)
    print(f"{out}: {len(pcm) / SAMPLE_BYTES / rate:.2f} s")
    return 0
