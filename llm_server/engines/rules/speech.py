"""Slower, faster, louder, softer: how the assistant speaks, carried out by the session. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llm_server.engines.rules.asked import Answer
from parley.llm import GAINS_DB, SPEEDS, SetGain, SetSpeed, within

if TYPE_CHECKING:
    from llm_server.engines.rules.asked import Asked
    from parley.llm import SessionState

_TALK: Final = r"(?:speak|talk|be|go|say (?:it|that)|read)"
_MORE: Final = r"(?:(?:(?:a|the) (?:bit|little)|much|even|more|still|way|slightly) ){0,3}"
_BEFORE: Final = r"(?:(?:please|ok(?:ay)?|and|now|no|yes|could you|can you),? ){0,2}"
_AFTER: Final = r"(?:,? (?:please|again|now|thanks))*[.! ?]*$"
_CANNOT: Final = "Sorry, I cannot change how I speak here."
_STEP: Final = 1.25
_STEP_DB: Final = 6.0
# "Do not speak so fast" is a wish too; "how fast do you speak" and "how loud is a jet" are none.
_NO_WISH = re.compile(r"\bhow (?:fast|slow|loud|quiet|quick)\b|\bwhy\b")


@dataclass(frozen=True, slots=True)
class _Wish:
    """A wish, and what is done about it."""

    pattern: re.Pattern[str]
    done: str
    factor: float = 1.0
    """Speed is multiplied with it."""
    step_db: float = 0.0
    """Decibels that are added."""
    ended: str = ""
    """Said where it goes no further; empty: it is a wish for what is usual."""


def _wish(words: str, others: str, said: tuple[str, str], *, factor: float = 1.0, step_db: float = 0.0) -> _Wish:
    """A wish to speak so: "speak a bit slower", "slower please", or in `others`; `said`: that it is, or cannot be."""
    asked = rf"\b{_TALK} {_MORE}(?:{words})\b|^{_BEFORE}{_MORE}(?:{words}){_AFTER}|{others}"
    return _Wish(re.compile(asked), said[0], factor, step_db, said[1])


_USUAL: Final = r"\b(?:normal|usual|regular|default|original)"
_WISHES: Final = (
    _Wish(re.compile(rf"{_USUAL} (?:speed|pace|rate|tempo)\b|\b(?:speak|talk) normally\b"), "Back to my usual speed."),
    _Wish(re.compile(rf"{_USUAL} (?:volume|loudness)\b"), "Back to my usual volume.", factor=0.0),
    _wish(
        "slower|slowly|slow",
        r"\bslow (?:it )?down\b|\b(?:too|so) (?:fast|quick|quickly)\b",
        ("I am speaking slower now.", "I cannot speak any slower."),
        factor=1 / _STEP,
    ),
    _wish(
        "faster|quicker|quickly|fast",
        r"\bspeed (?:it )?up\b|\b(?:too|so) (?:slow|slowly)\b",
        ("I am speaking faster now.", "I cannot speak any faster."),
        factor=_STEP,
    ),
    _wish(
        "louder|loudly|loud",
        r"\bspeak up\b|\b(?:too|so) (?:quiet|soft|low|quietly|softly)\b|\bvolume up\b"
        r"|\b(?:turn|put) (?:it|(?:the |your )?volume|yourself) up\b|\b(?:increase|raise) (?:the |your )?volume\b",
        ("I am speaking louder now.", "I cannot speak any louder."),
        step_db=_STEP_DB,
    ),
    _wish(
        "softer|quieter|softly|quietly|less loud",
        r"\b(?:too|so) loud\b|\bvolume down\b|\b(?:turn|put) (?:it|(?:the |your )?volume|yourself) down\b"
        r"|\b(?:decrease|lower|reduce) (?:the |your )?volume\b",
        ("I am speaking softer now.", "I cannot speak any softer."),
        step_db=-_STEP_DB,
    ),
)


def speech(asked: Asked) -> Answer | None:
    """Another speed or loudness; None: nobody wants one."""
    if _NO_WISH.search(asked.folded):
        return None
    wish = next((each for each in _WISHES if each.pattern.search(asked.folded)), None)
    if wish is None:
        return None
    return _carried_out(wish, asked.session) if asked.session is not None else Answer(_CANNOT)


def _carried_out(wish: _Wish, session: SessionState) -> Answer:
    if not wish.ended:
        return Answer(wish.done, (SetSpeed(1.0) if wish.factor else SetGain(0.0),))
    if wish.step_db:
        gain_db = within(session.gain_db + wish.step_db, GAINS_DB)
        return Answer(wish.done, (SetGain(gain_db),)) if gain_db != session.gain_db else Answer(wish.ended)
    speed = round(within(session.speed * wish.factor, SPEEDS), 2)
    # The wire has single precision.
    return Answer(wish.done, (SetSpeed(speed),)) if round(session.speed, 2) != speed else Answer(wish.ended)
