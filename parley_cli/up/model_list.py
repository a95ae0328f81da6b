"""PURE: which model of those that a server lists is talked with; what it lists is a stranger's word.

Left out are models that do not chat (embeddings, rerankers, speech), by the fields in which servers say so and by the
words in their names, and those that a server only passes on to its maker's machines (Ollama's `:cloud`). Of the rest a
model that is loaded goes first, then one for talk before one for code, mathematics or long thought, then the order of
the server, which for Ollama is the newest first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from parley._json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 262_144
"""Longest list that is read."""

_MOST_VALUES: Final = 20_000
_LONGEST_NAME: Final = 200
_NO_CHAT: Final = re.compile(
    r"(?<![a-z])(embed\w*|\w*-?embedding\w*|rerank\w*|reranker|bge|gte|e5|minilm|colbert|nomic|mxbai|arctic-embed|whisper"
    r"|parakeet|moonshine|tts|kokoro|bark|clip|siglip|bert|roberta|diffusion|flux|guard|shieldgemma)(?![a-z])",
    re.IGNORECASE,
)
_ELSEWHERE: Final = re.compile(r"[:-]cloud$", re.IGNORECASE)
_SPECIAL: Final = re.compile(
    r"(?<![a-z])(code|coder|codellama|starcoder\d*|codestral|devstral|sql\w*|math|base|text|ocr|vision|vl|thinking"
    r"|reason\w*|r1|qwq|deepscaler)(?![a-z])",
    re.IGNORECASE,
)
_OTHER_KINDS: Final = ("embedding", "embeddings", "rerank", "reranker", "audio", "image", "speech", "transcription")


def choose_model(answer: str) -> str:
    """Name of the model to talk with in an answer to `GET /v1/models`; empty: there is none.

    Raises:
        ValueError: it is no such list, or goes over a bound.
    """
    listed = read_json(answer, most_values=_MOST_VALUES)
    entries = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no list of models")  # noqa: TRY004 - as of what is no JSON at all
    able = [entry for entry in entries if isinstance(entry, dict) and _can_chat(entry)]
    best = min(range(len(able)), key=lambda place: (*_rank(able[place]), place), default=None)
    return "" if best is None else str(able[best]["id"])


def _can_chat(entry: dict[str, object]) -> bool:
    name = entry.get("id")
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= _LONGEST_NAME
        or not name.isprintable()
        or name != name.strip()
    ):
        return False
    kinds = {kind.lower() for kind in _kinds(entry)}
    if kinds.intersection(_OTHER_KINDS) and not kinds & {"completion", "chat", "llm", "vlm"}:
        return False
    return _NO_CHAT.search(name) is None and _ELSEWHERE.search(name) is None


def _kinds(entry: dict[str, object]) -> Iterator[str]:
    """What a server says that a model is: LM Studio in `type`, others in `task` or `capabilities`."""
    for key in ("type", "task", "capabilities"):
        value = entry.get(key)
        yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str))


def _rank(entry: dict[str, object]) -> tuple[bool, bool]:
    status = entry.get("status")
    states = (entry.get("state"), status.get("value") if isinstance(status, dict) else status)
    return "loaded" not in states, _SPECIAL.search(str(entry["id"])) is not None
