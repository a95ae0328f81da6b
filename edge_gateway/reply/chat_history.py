"""Keeps what was said and done in a session as the LLM is to know it: of a reply, only what the listener heard of it.

The rules that it keeps, whatever happens:

- the user's and the assistant's words alternate; two of the same speaker in a row become one message. Many models'
  chat templates demand it. A reply that nobody asked for, such as a greeting, may come first, or follow another reply;
- a function that was called stands before the words of the reply in which it was called, as a message of the assistant
  that wants it and one of the tool that answers it; neither is ever there without the other. These messages do not
  count for the rule above: what the user adds before a word of that reply was heard joins what they had said before;
- what the listener did not hear stays with the words of its reply that they heard. A reply of which no word was heard
  leaves none.

Knows nothing of how that was found out (`spoken_text`), of the wire, or of which LLM reads the messages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from parley.llm import Message, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_gateway.reply.tool_calls import CallRecord
    from parley.llm import ToolResult

DEFAULT_LIMIT_CHARS: Final = 32_000
"""Characters of talk that are kept: at four bytes each, half of the 256 KiB that a request to the LLM may have."""

NO_ANSWER: Final = "The user went on before this function answered."
"""Stands for the result of a function that has not answered."""

# An LLM server keeps its work on a beginning that it has seen before. Trimming a little at every turn would change that
# beginning every time; trimming more, and seldom, keeps it.
_TRIM_TO: Final = 0.75


class ChatHistory:
    """The messages of one session: instructions, then the talk."""

    def __init__(self, instructions: str = "", *, limit_chars: int = DEFAULT_LIMIT_CHARS) -> None:
        """Begin with `instructions` for the LLM; keep at most `limit_chars` of talk, the latest, besides them."""
        self.instructions = instructions
        self._limit_chars = limit_chars
        self._talk: list[Message] = []
        self._unanswered: set[str] = set()
        """Calls whose result stands for one that has not come."""

    def user(self, text: str) -> None:
        """Add what the user said; nothing, if it is blank."""
        self._say(Message(Role.USER, text.strip()))

    def calls(self, calls: Iterable[CallRecord]) -> None:
        """Add the functions that were called for a reply, before its words; none of them twice."""
        known = {message.tool_call_id for message in self._talk}
        for each in calls:
            if each.call.id not in known:
                self._talk.append(Message(Role.ASSISTANT, "", tool_calls=(each.call,)))
                self._talk.append(_answer(each.call.id, each.result))
                if each.result is None:
                    self._unanswered.add(each.call.id)
        self._trim_if_long()

    def late_result(self, result: ToolResult) -> None:
        """Add what a function gave when its reply was over; nothing, if the call is not known any more."""
        if result.tool_call_id in self._unanswered:
            self._unanswered.remove(result.tool_call_id)
            answer = _answer(result.tool_call_id, result)
            self._talk = [answer if each.tool_call_id == answer.tool_call_id else each for each in self._talk]
            self._trim_if_long()

    def reply(self, heard: str, *, interrupted: bool = False, unheard: str = "") -> None:
        """Add what was heard of a reply; nothing, if no word was.

        `unheard` is the rest, for a user who asks for it; that of earlier replies is forgotten.
        """
        self._talk = [replace(message, unheard="") if message.unheard else message for message in self._talk]
        self._say(Message(Role.ASSISTANT, heard.strip(), interrupted, unheard.strip() if interrupted else ""))

    def messages(self, more: str = "") -> tuple[Message, ...]:
        """Everything the LLM is to know, oldest first; `more` is what the user is probably saying."""
        talk = list(self._talk)
        if more:
            _append(talk, Message(Role.USER, more))
        system = (Message(Role.SYSTEM, self.instructions),) if self.instructions else ()
        return (*system, *talk)

    def _say(self, message: Message) -> None:
        if message.text:
            _append(self._talk, message)
            self._trim_if_long()

    def _trim_if_long(self) -> None:
        if sum(map(_size, self._talk)) > self._limit_chars:
            self._trim()

    def _trim(self) -> None:
        """Drop the oldest turns, whole; of a last one that is too long by itself, the beginning of its longest text."""
        kept_chars, last = int(self._limit_chars * _TRIM_TO), _last_words(self._talk)
        # Functions after the last words belong to a reply that nobody has heard yet.
        first, chars = last, sum(map(_size, self._talk[last:]))
        while first > 0 and chars + _size(self._talk[first - 1]) <= kept_chars:
            first -= 1
            chars += _size(self._talk[first])
        # A reply without what it replies to says little, and a result needs its call.
        while first < last and self._talk[first].role is not Role.USER:
            first += 1
        self._talk = self._talk[first:]
        self._unanswered &= {message.tool_call_id for message in self._talk}
        while (over := sum(map(_size, self._talk)) - self._limit_chars) > 0:
            longest = max(range(len(self._talk)), key=lambda place: len(_longest_text(self._talk[place])))
            if not _longest_text(self._talk[longest]):
                return
            self._talk[longest] = _shortened(self._talk[longest], over)


def _last_words(talk: list[Message]) -> int:
    """Where the last words stand; 0 where there are none."""
    return next((place for place in reversed(range(len(talk))) if not _is_of_function(talk[place])), 0)


def _longest_text(message: Message) -> str:
    return max(message.text, message.unheard, key=len)


def _shortened(message: Message, over: int) -> Message:
    """A message whose longest text is shorter by `over` characters, or empty: of words the end stays."""
    if len(message.unheard) >= len(message.text):
        return replace(message, unheard=message.unheard[:-over])
    end = message.text[over:]
    return replace(message, text=end.partition(" ")[2] or end)


def _append(talk: list[Message], message: Message) -> None:
    """Add words; to the last ones, where they are the same speaker's."""
    place = len(talk) - 1
    while message.role is Role.USER and place > 0 and _is_of_function(talk[place]):
        place -= 1
    if place < 0 or talk[place].role is not message.role or talk[place].tool_calls:
        talk.append(message)
    else:
        talk[place] = replace(message, text=f"{talk[place].text} {message.text}")


def _is_of_function(message: Message) -> bool:
    return bool(message.tool_calls) or message.role is Role.TOOL


def _answer(name: str, result: ToolResult | None) -> Message:
    if result is None:
        return Message(Role.TOOL, NO_ANSWER, tool_call_id=name)
    text = f"Error: {result.content}" if result.failed else result.content
    return Message(Role.TOOL, text, tool_call_id=name)


def _size(message: Message) -> int:
    """Characters that a message has for the LLM."""
    return len(message.text) + len(message.unheard) + sum(len(call.arguments_json) for call in message.tool_calls)
