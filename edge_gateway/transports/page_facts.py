"""What the page asks before a conversation: the voices there are, and where traces can be looked at.

Knows nothing of sessions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

from parley.errors import ParleyError

if TYPE_CHECKING:
    from parley.tts import TtsClient, Voice

_GENDER: Final = re.compile(r"\b(female|male)\b", re.IGNORECASE)


def add_facts(app: web.Application, tts: TtsClient, trace_url: str) -> None:
    """Serve `/v1/page`; `trace_url` is where one trace is shown, with `{trace_id}` in it, or empty."""

    async def facts(_request: web.Request) -> web.Response:
        try:
            voices, problem = await tts.voices(), ""
        except ParleyError as error:
            # The page works without a picker, and says why there is none.
            voices, problem = (), str(error)
        return web.json_response(
            {"voices": [_described(voice) for voice in voices], "voices_problem": problem, "trace_url": trace_url}
        )

    app.router.add_get("/v1/page", facts)


def _described(voice: Voice) -> dict[str, str]:
    """A voice for a picker; servers say in its description whether it is a man's or a woman's."""
    gender = _GENDER.search(voice.description)
    return {
        "name": voice.name,
        "language": voice.language,
        "description": voice.description.strip(),
        "gender": gender[1].lower() if gender else "",
    }
