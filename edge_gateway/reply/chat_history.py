"""Keeps what was said in a session as the LLM is to know it: of a reply, only what the listener heard of it.

Knows nothing of how that was found out (`heard`), of the wire, or of which LLM reads the messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

DEFAULT_LIMIT_CHARS: Final = 32_000
"""Characters of talk that are kept: at four bytes each, half of the 256 KiB that a request to the LLM may have."""

# An LLM server keeps its work on a beginning that it has seen before. Trimming a little at every turn would change that
# beginning every time; trimming more, and seldom, keeps it.
_TRIM_TO = 0.75


class Role(Enum):
    """Who says a message."""

    SYSTEM = auto()
    USER = auto()
    ASSISTANT = auto()


@dataclass(frozen=True, slots=True)
class Message:
    """One message as the LLM is told it."""

    role: Role
    """Who says it."""
    text: str
    """The words; never empty."""
    interrupted: bool = False
    """True for a reply that was cut off; its text ends where the listener stopped hearing it."""


class History:
    """The messages of one session: instructions, then the user's and the assistant's in turn.

    Two of the same speaker in a row become one, as when the user spoke on before a word of the reply was heard: roles
    alternate, which the chat templates of many models demand.
    """

    def __init__(self, instructions: str = "", *, limit_chars: int = DEFAULT_LIMIT_CHARS) -> None:
        """Begin with `instructions` for the LLM; keep at most `limit_chars` of talk, the latest, besides them."""
        self.instructions = instructions
        self.unsaid = ""
        self._limit_chars = limit_chars
        self._talk: list[Message] = []

    def user(self, text: str) -> None:
        """Add what the user said; nothing, if it is blank."""
        self._add(Message(Role.USER, text.strip()))

    def reply(self, heard: str, *, interrupted: bool = False, unsaid: str = "") -> None:
        """Add what was heard of a reply; nothing, if no word was.

        `unsaid` is the rest of it. It becomes no message, but the attribute of the same name keeps it until the next
        reply, for a user who says "go on".
        """
        self.unsaid = unsaid.strip()
        self._add(Message(Role.ASSISTANT, heard.strip(), interrupted))

    def messages(self) -> tuple[Message, ...]:
        """Everything the LLM is to know, oldest first."""
        system = (Message(Role.SYSTEM, self.instructions),) if self.instructions else ()
        return (*system, *self._talk)

    def _add(self, message: Message) -> None:
        if not message.text:
            return
        if self._talk and self._talk[-1].role is message.role:
            earlier = self._talk.pop()
            message = Message(message.role, f"{earlier.text} {message.text}", message.interrupted)
        self._talk.append(message)
        if sum(len(each.text) for each in self._talk) > self._limit_chars:
            self._trim()

    def _trim(self) -> None:
        """Drop the oldest turns, whole; of a single message that is too long, its beginning."""
        kept_chars = int(self._limit_chars * _TRIM_TO)
        first = len(self._talk) - 1
        chars = len(self._talk[first].text)
        while first > 0 and chars + len(self._talk[first - 1].text) <= kept_chars:
            first -= 1
            chars += len(self._talk[first].text)
        if self._talk[first].role is Role.ASSISTANT and first + 1 < len(self._talk):
            first += 1  # a reply without what it replies to says little
        self._talk = self._talk[first:]
        if chars > self._limit_chars:
            last = self._talk[0]
            _, _, tail = last.text[-self._limit_chars :].partition(" ")
            self._talk[0] = Message(last.role, tail or last.text[-self._limit_chars :], last.interrupted)
