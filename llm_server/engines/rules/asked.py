"""What a skill is given, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llm_server.engine import Role

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from llm_server.engine import Message
    from parley.llm import SessionAction, SessionState

LONGEST: Final = 1_000
"""Characters of a message that are looked at: as many as anybody says at once. Skills look for phrases, and the longer
a text is, the less it is one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a skill says, and does."""

    text: str
    """The words."""
    actions: tuple[SessionAction, ...] = ()
    """What is changed or begun in the session; with its first word at the latest."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The last thing that the user said, and what it can be answered from."""

    said: str
    """Its first `LONGEST` characters, with single spaces."""
    cut: bool
    """There was more of it."""
    messages: tuple[Message, ...]
    """The conversation, oldest first; functions that were called are left out."""
    now: datetime
    """The time, with its zone."""
    chance: Random
    """Where a skill has a choice."""
    session: SessionState | None = None
    """What the session is like; None: nothing can be done to it."""

    @property
    def folded(self) -> str:
        """`said` for comparing: in small letters, with plain apostrophes."""
        return self.said.casefold().replace("’", "'")

    def texts(self, role: Role) -> list[str]:
        """What was said by `role`, oldest first."""
        return [message.text for message in self.messages if message.role is role]

    @property
    def replies(self) -> list[str]:
        """The replies so far, also what was not heard of them, oldest first."""
        return [message.text + message.unheard for message in self.messages if message.role is Role.ASSISTANT]
