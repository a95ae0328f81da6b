"""A few words in a voice, for who chooses one. Knows nothing of sessions."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Final

from aiohttp import web

from edge_gateway.session_config import SPEEDS, check_voice
from parley import tts
from parley.audio import write_wav
from parley.errors import InvalidInput, ParleyError, TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edge_gateway.servers.hops import Speaks

_RATE_HZ: Final = 24_000
_SECONDS: Final = 10.0
# Whoever listens to voices waits for one after the other; conversations come first.
_AT_ONCE: Final = 2
_LONGEST_NAME: Final = 200
# In the voice's own language; where there is none, numbers, which every engine reads in its own.
_WORDS: Final = {
    "de": "Guten Tag. So klinge ich, wenn wir miteinander sprechen.",
    "en": "Hello. This is how I sound when we talk with each other.",
    "es": "Hola. Así sueno cuando hablamos.",
    "fr": "Bonjour. Voici ma voix quand nous parlons ensemble.",
}
_NUMBERS: Final = "1, 2, 3, 4, 5."


def add_voice_preview(app: web.Application, client: Speaks) -> None:
    """Serve `/v1/voice-preview?voice=&language=&speed=`: a WAV file, or a status of 400 or 503 with the reason."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def preview(request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_SECONDS), places:
                config, words = await _asked(request, client)
                sound = await _speak(client, config, words)
        except (InvalidInput, TooLarge) as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        except (ParleyError, TimeoutError) as error:
            raise web.HTTPServiceUnavailable(text="the voice is away: try again later\n") from error
        return web.Response(body=sound, content_type="audio/wav")

    app.router.add_get("/v1/voice-preview", preview)


async def _asked(request: web.Request, client: Speaks) -> tuple[tts.Config, str]:
    """What is to be said, and how."""
    name, language = request.query.get("voice", ""), request.query.get("language", "")
    if max(len(name), len(language)) > _LONGEST_NAME:
        raise TooLarge(f"a voice or language of more than {_LONGEST_NAME} characters", field="voice")
    voices = (await client.list_voices()).voices
    check_voice(name, voices)
    spoken = next((voice.language for voice in voices if voice.name == name), language)
    words = _WORDS.get(spoken.lower().replace("_", "-").split("-")[0], _NUMBERS)
    config = tts.Config(
        voice=name, language="" if spoken == "auto" else spoken, sample_rate_hz=_RATE_HZ, speed=_speed(request)
    )
    return config, words


def _speed(request: web.Request) -> float:
    given, (least, most) = request.query.get("speed", "1"), SPEEDS
    try:
        speed = float(given)
    except ValueError:
        speed = 0.0
    if not least <= speed <= most:
        raise InvalidInput(f"speed {given[:20]!r}: from {least} to {most}", field="speed")
    return speed


async def _speak(client: Speaks, config: tts.Config, words: str) -> bytes:
    async def text() -> AsyncIterator[str]:
        yield words

    pcm = bytearray()
    async with client.synthesize(config, text()) as events:
        async for event in events:
            if isinstance(event, tts.Audio):
                pcm += event.pcm
    file = io.BytesIO()
    write_wav(file, bytes(pcm), _RATE_HZ)
    return file.getvalue()
