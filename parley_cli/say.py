"""`parley say`: has the TTS server alone speak a text, over gRPC."""

from __future__ import annotations

import os

from parley import tts
from parley._tls import tls_of
from parley.audio import SAMPLE_BYTES, write_wav
from parley.errors import InvalidInput
from parley_cli.arguments import in_utf8, target, words
from parley_cli.speech import speech


async def say(server: str, text: str, out: str, voice: str) -> int:
    """Write `text`, spoken by the TTS server, to the WAV file `out`.

    Raises:
        InvalidInput: nothing of the text can be spoken, or there can be no such file.
        ParleyError: the server refuses or fails.
    """
    said, file = words(text), target(out)
    async with tts.TtsClient(server, tls=tls_of(os.environ)) as client:
        pcm, rate = await speech(client, tts.Config(voice=in_utf8("--voice", voice), session_id="say"), said)
    if not pcm:
        raise InvalidInput(f"nothing of {text!r} can be spoken: {file} was not written", field="text")
    write_wav(file, pcm, rate)
    print(f"{file}: {len(pcm) / SAMPLE_BYTES / rate:.2f} s")
    return 0
