"""What the page asks before a conversation, and while a part of Parley is away: what there is, and whether it works.

Knows nothing of sessions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from edge_gateway.directory import Directory, Engines
    from edge_gateway.transports.status_access import StatusAccess
    from parley.tts import Voice

_GENDER: Final = re.compile(r"\b(female|male)\b", re.IGNORECASE)


def add_facts(app: web.Application, directory: Directory, trace_url: str, status: StatusAccess) -> None:
    """Serve `/v1/page`; `trace_url` is where one trace is shown, with `{trace_id}` in it, or empty.

    Whom `status` lets see how the gateway is doing is told so, and gets a link.
    """

    async def facts(request: web.Request) -> web.Response:
        engines = await directory.engines()
        voices = engines.tts.voices if engines.tts else ()
        return web.json_response(
            {
                "voices": [_described(voice) for voice in voices],
                "trace_url": trace_url,
                "status": status.allows(request),
                "engines": _engines(engines),
            }
        )

    app.router.add_get("/v1/page", facts)


def _engines(engines: Engines) -> dict[str, dict[str, object]]:
    """The three engines by their hop; one that is away has no name, and leaves open what it could do."""
    ignores = engines.llm is not None and engines.llm.ignores_instructions
    return {
        "asr": {
            "name": engines.listens,
            "works": engines.asr is not None,
            "languages": engines.asr.languages if engines.asr else (),
        },
        "llm": {
            "name": engines.writes,
            "works": engines.llm is not None and not engines.problem,
            "instructions": not ignores,
            "found_at": engines.llm.address if engines.llm and engines.llm.discovered else "",
            "backup_reason": engines.llm.backup_reason if engines.llm else "",
        },
        "tts": {"name": engines.speaks, "works": engines.tts is not None},
    }


def _described(voice: Voice) -> dict[str, str]:
    """A voice for a picker; servers say in its description whether it is a man's or a woman's."""
    gender = _GENDER.search(voice.description)
    return {
        "name": voice.name,
        "language": voice.language,
        "description": voice.description.strip(),
        "gender": gender[1].lower() if gender else "",
    }
