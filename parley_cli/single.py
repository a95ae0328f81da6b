"""`parley transcribe`, `chat` and `say`: one server each, over gRPC."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from parley import asr, llm, tts
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES, decode_file, write_wav

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK_SAMPLES: Final = 640


async def transcribe(server: str, file: str) -> int:
    """Print the turns that the ASR server hears in `file`, sent as fast as it takes it."""
    pcm = decode_file(file, LISTENING_RATE_HZ)
    turns = 0
    async with asr.AsrClient(server) as client, client.transcribe(_audio(pcm)) as events:
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


async def chat(server: str, text: str) -> int:
    """Print the LLM server's reply to `text`, as it comes."""
    config = llm.Config(messages=(llm.Message(llm.Role.USER, text),), session_id="chat")
    async with llm.LlmClient(server) as client, client.chat(config) as events:
        async for event in events:
            if isinstance(event, llm.Delta):
                print(event.text, end="", flush=True)
    print()
    return 0


async def say(server: str, text: str, out: str, voice: str) -> int:
    """Write `text`, spoken by the TTS server, to the WAV file `out`."""
    config = tts.Config(voice=voice, session_id="say")
    pcm = bytearray()
    rate = config.sample_rate_hz
    async with tts.TtsClient(server) as client, client.synthesize(config, _text(text)) as events:
        async for event in events:
            if isinstance(event, tts.Ready):
                rate = event.sample_rate_hz
            elif isinstance(event, tts.Audio):
                pcm += event.pcm
    write_wav(out, bytes(pcm), rate)
    print(f"{out}: {len(pcm) / SAMPLE_BYTES / rate:.2f} s")
    return 0


async def _text(text: str) -> AsyncIterator[tts.Request]:
    yield text
