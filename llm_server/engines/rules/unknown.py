"""What is said where nothing is known: that, what is known instead, and how to give Parley a language model. Pure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llm_server.engines.rules.asked import Asked

_FILE: Final = Path(__file__).with_name("languages.toml")
_BEGIN: Final = "Sorry, I do not know"
_REST: Final = (
    "without a language model I can tell the time and the date, do sums, convert units, spell and tell jokes, "
    'and the chapter "Engines" of the README says how to give me one.'
)
_SHORT: Final = "Ask me what I can do."
_LONGEST_TOPIC: Final = 60
_ABOUT = re.compile(
    r"\b(?:tell me (?:something |more |anything )?about|(?:talk|speak) (?:to me )?about|do you know (?:anything )?about"
    r"|what do you (?:know|think) (?:about|of)|explain(?: to me)?|(?:who|what|where)(?: is| was| are| were|'s)) "
    r"(?P<topic>[^?.!,;]+)",
    re.IGNORECASE,
)
# "What is it" and "who is that" are about something that was said before.
_NO_TOPIC = re.compile(r"(?:i|it|that|this|he|she|they|you|your|yours|my|me|we|us|up|wrong|going)\b", re.IGNORECASE)
_ENGLISH: Final = frozenset(
    [
        "the",
        "is",
        "are",
        "you",
        "what",
        "how",
        "i",
        "my",
        "a",
        "to",
        "of",
        "and",
        "do",
        "can",
        "it",
        "in",
        "that",
        "this",
    ]
)
_SURE: Final = 2


@dataclass(frozen=True, slots=True)
class _Language:
    """A language that is told from its words, though not understood."""

    words: frozenset[str]
    sure: frozenset[str]
    reply: str

    def weight(self, words: frozenset[str]) -> int:
        """How much speaks for it; `_SURE` is enough."""
        return len(words & self.words) + len(words & self.sure)


_LANGUAGES: Final = tuple(
    _Language(frozenset(row["words"].split()), frozenset(row["sure"].split()), row["reply"])
    for row in tomllib.loads(_FILE.read_text(encoding="utf-8"))["language"]
)


def unknown(asked: Asked) -> str:
    """That there is no answer; in the user's language where that is German, French or Spanish."""
    if other := _in_another_language(asked.folded):
        return other
    found = _ABOUT.search(asked.said)
    topic = found["topic"].strip() if found else ""
    unnamed = not topic or len(topic) > _LONGEST_TOPIC or _NO_TOPIC.match(topic)
    about = "that" if unnamed else f"anything about {topic}"
    # The whole of it is said once.
    if any(reply.startswith(_BEGIN) for reply in asked.replies):
        return f"{_BEGIN} {about} either. {_SHORT}"
    return f"{_BEGIN} {about}: {_REST}"


def _in_another_language(folded: str) -> str | None:
    words = frozenset(re.findall(r"[^\W\d_]+", folded))
    best = max(_LANGUAGES, key=lambda language: language.weight(words))
    weight = best.weight(words)
    return best.reply if weight >= _SURE and weight > len(words & _ENGLISH) else None
