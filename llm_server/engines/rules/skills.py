"""What the rules engine can truly answer, and that it cannot answer the rest.

Pure: the messages, the time and chance go in, an answer comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llm_server.engine import Message, Role
from llm_server.engines.rules import arithmetic
from llm_server.engines.rules.asked import LONGEST, Asked
from llm_server.engines.rules.calendar import days_until, tell_date
from llm_server.engines.rules.chance import draw, joke
from llm_server.engines.rules.clock import tell_time
from llm_server.engines.rules.heard import as_meant
from llm_server.engines.rules.names import introduction, whoami
from llm_server.engines.rules.phrases import phrase
from llm_server.engines.rules.units import convert
from llm_server.engines.rules.unknown import unknown
from llm_server.engines.rules.words import again, count, go_on, spell

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from random import Random

_MOST_MESSAGES: Final = 200


def answer(messages: tuple[Message, ...], now: datetime, chance: Random) -> str:
    """The answer of the first skill that fits the last thing the user said, or that there is none."""
    # What was said long ago is remembered by nobody.
    messages = messages[-_MOST_MESSAGES:]
    whole = next((message.text for message in reversed(messages) if message.role is Role.USER), None)
    if whole is None:
        return "Hello. What can I do for you?"
    asked = Asked(as_meant(" ".join(whole[:LONGEST].split())), len(whole) > LONGEST, messages, now, chance)
    return next((found for skill in _SKILLS if (found := skill(asked)) is not None), None) or unknown(asked)


def _sum(asked: Asked) -> str | None:
    # The beginning of a sum is another sum.
    calculation = None if asked.cut else arithmetic.find(asked.folded)
    if calculation is None:
        return None
    try:
        return arithmetic.work_out(calculation)
    except arithmetic.Unspeakable as error:
        return str(error)


_SKILLS: Final[tuple[Callable[[Asked], str | None], ...]] = (
    go_on,
    again,
    spell,
    count,
    days_until,
    tell_time,
    tell_date,
    whoami,
    introduction,
    convert,
    _sum,
    joke,
    draw,
    phrase,
)
