"""What the rules engine can truly answer: time, date, sums, names, what was just said, and who it is.

Pure: the messages and the time go in, an answer comes out, or None where no skill fits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from llm_server.engine import Message, Role
from llm_server.engines.rules import arithmetic

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_ORDINAL_ENDINGS: Final = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_NAME = re.compile(
    r"\b(?:my name is|my name's|i am called|i'm called|call me|you can call me)\s+([A-Za-z][\w'-]*)", re.IGNORECASE
)
_AFTER_CALL_ME: Final = "a the not back later maybe when what if on at tomorrow again in"
_NO_NAMES: Final = frozenset(_AFTER_CALL_ME.split())
# As much as anybody says at once; skills look for phrases, and the longer a text is the less it is one.
_LONGEST: Final = 1_000
_MOST_MESSAGES: Final = 200
_STORY: Final = (
    "Once there was a lighthouse keeper who talked to the sea every night. One night the sea answered, and said: "
    "I was only waiting for you to stop for breath."
)
_JOKE: Final = "Why did the microphone break up with the loudspeaker? There was too much feedback."


def answer(messages: tuple[Message, ...], now: datetime) -> str | None:
    """The answer of the first skill that fits the last thing the user said."""
    # What was said long ago is remembered by nobody.
    messages = messages[-_MOST_MESSAGES:]
    users = [message for message in messages if message.role is Role.USER]
    if not users:
        return "Hello. What can I do for you?"
    whole = users[-1].text
    said = " ".join(whole[:_LONGEST].split())
    folded = said.casefold()
    for skill in _SKILLS:
        # The beginning of a sum is another sum.
        if skill is _sum and len(whole) > _LONGEST:
            continue
        found = skill(folded, said, messages, now)
        if found is not None:
            return found
    return None


def _continue(folded: str, _said: str, messages: tuple[Message, ...], _now: datetime) -> str | None:
    if not re.fullmatch(
        r"(?:please |ok,? |okay,? |yes,? )?(?:go on|continue|carry on|keep going|go ahead)(?: please)?[.!, ]*", folded
    ):
        return None
    for message in reversed(messages):
        if message.role is Role.ASSISTANT:
            return message.unheard or "That was all I had to say."
    return "I have not said anything yet. Ask me something."


def _sum(folded: str, _said: str, _messages: tuple[Message, ...], _now: datetime) -> str | None:
    calculation = arithmetic.find(folded)
    if calculation is None:
        return None
    try:
        return arithmetic.work_out(calculation)
    except arithmetic.Unspeakable as error:
        return str(error)


def _time(folded: str, _said: str, _messages: tuple[Message, ...], now: datetime) -> str | None:
    if not re.search(
        r"\bwhat(?:'s| is)? (?:the )?time\b|\btime is it\b|\b(?:tell|give) me the time\b|\bthe time please\b", folded
    ):
        return None
    return f"It is {clock(now)}."


def clock(now: datetime) -> str:
    """The time of day as people say it."""
    hour = now.hour % 12 or 12
    half = "in the morning" if now.hour < 12 else "in the afternoon" if now.hour < 18 else "in the evening"  # noqa: PLR2004 - of the clock
    minutes = "o'clock" if not now.minute else f"oh {now.minute}" if now.minute < 10 else str(now.minute)  # noqa: PLR2004 - of the clock
    return f"{hour} {minutes} {half}"


def _date(folded: str, _said: str, _messages: tuple[Message, ...], now: datetime) -> str | None:
    if not re.search(
        r"\bwhat(?:'s| is)? (?:the |today's )?(?:date|day)\b|\bwhich day\b|\bday is (?:it|today)\b|\btoday's date\b",
        folded,
    ):
        return None
    ending = _ORDINAL_ENDINGS.get(now.day, "th")
    return f"Today is {now:%A}, the {now.day}{ending} of {now:%B}."


def _introduction(_folded: str, said: str, _messages: tuple[Message, ...], _now: datetime) -> str | None:
    name = _named(said)
    return None if name is None else f"Nice to meet you, {name}."


def _whoami(folded: str, _said: str, messages: tuple[Message, ...], _now: datetime) -> str | None:
    if not re.search(r"\bwhat(?:'s| is) my name\b|\bwho am i\b|\bdo you (?:know|remember) my name\b", folded):
        return None
    for message in reversed(messages):
        name = _named(message.text[:_LONGEST]) if message.role is Role.USER else None
        if name:
            return f"Your name is {name}."
    return "You have not told me your name yet."


def _named(said: str) -> str | None:
    found = _NAME.search(said)
    if found is None or found[1].casefold() in _NO_NAMES:
        return None
    return found[1][:1].upper() + found[1][1:]


def _repeat(folded: str, _said: str, messages: tuple[Message, ...], _now: datetime) -> str | None:
    if re.search(r"\bwhat did (?:i|we) (?:just )?(?:say|talk)", folded):
        earlier = [message.text for message in messages if message.role is Role.USER][:-1]
        return f"You said: {earlier[-1][:_LONGEST]}" if earlier else "This is the first thing you have said to me."
    if re.search(r"\b(?:what did you (?:just )?say|repeat that|say that again|come again|pardon)\b", folded):
        replies = [message.text for message in messages if message.role is Role.ASSISTANT]
        return (
            f"I said: {replies[-1][:_LONGEST].removeprefix('I said: ')}" if replies else "I have not said anything yet."
        )
    return None


_HELP: Final = (
    "I can tell you the time and the date, do sums, remember your name while we talk, and chat a little. "
    "Ask me what seven times eight is."
)
_PHRASES: Final = (
    (
        r"\b(?:what|how much) can you do\b|\bwhat do you do\b|^help\b|\bcan you help me\b",
        _HELP,
    ),
    (
        r"\bwho are you\b|\bwhat(?:'s| is) your name\b|\bwhat are you\b",
        "I am Parley, a voice assistant that runs on your own machine.",
    ),
    (r"\b(?:tell me|know) a joke\b|\bmake me laugh\b", _JOKE),
    (r"\btell me a story\b", _STORY),
    (r"^(?:okay |ok |great |no )?,?\s*(?:thank you|thanks)\b|\b(?:thank you|thanks)[.! ]*$", "You are welcome."),
    (r"^(?:okay |ok )?,?\s*(?:goodbye|good bye|bye|see you|good night)\b", "Goodbye. Talk to you soon."),
    (r"\bhow are you\b", "I am well, thank you. How are you?"),
    (r"\bcan you hear me\b|\bare you there\b|\bdo you hear me\b", "Yes, I can hear you."),
    (
        r"\b(?:turn|switch) (?:on|off)\b|\bturn .+ (?:on|off)\b|\bplay (?:some )?music\b|\bset (?:a|the) timer\b",
        "I would, but no devices are connected to me yet.",
    ),
    (r"\bweather\b|\braining\b", "I cannot look outside: I run on your machine without the internet."),
    (r"^(?:hello|hi|hey|good (?:morning|afternoon|evening))\b", "Hello! What can I do for you?"),
)


def _phrase(folded: str, _said: str, _messages: tuple[Message, ...], _now: datetime) -> str | None:
    return next((reply for pattern, reply in _PHRASES if re.search(pattern, folded)), None)


_SKILLS: Final[tuple[Callable[[str, str, tuple[Message, ...], datetime], str | None], ...]] = (
    _continue,
    _time,
    _date,
    _whoami,
    _introduction,
    _repeat,
    _sum,
    _phrase,
)
