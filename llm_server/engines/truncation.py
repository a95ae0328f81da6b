"""Makes a conversation fit a model's context by leaving out its oldest turns. Pure.

What is left out moves on by several turns at once: then the beginning of the prompt stays the same from one turn to the
next, and a model that keeps what it has read (a prefix cache) reads only the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llm_server.engine import Message, Role

if TYPE_CHECKING:
    from collections.abc import Callable

_TURNS_AT_ONCE: Final = 4


def truncate(
    messages: tuple[Message, ...], most_tokens: int, count: Callable[[tuple[Message, ...]], int]
) -> tuple[Message, ...]:
    """The instructions, and as many of the last turns as `most_tokens` hold by `count`; at least the last turn.

    A turn begins with what the user says. The result may still be too long, when the last turn alone is.
    """
    if count(messages) <= most_tokens:
        return messages
    instructions = tuple(message for message in messages if message.role is Role.SYSTEM)
    rest = tuple(message for message in messages if message.role is not Role.SYSTEM)
    turns = [place for place, message in enumerate(rest) if message.role is Role.USER] or [len(rest) - 1]
    low, high = 0, len(turns) - 1
    while low < high:
        middle = (low + high) // 2
        if count((*instructions, *rest[turns[middle] :])) <= most_tokens:
            high = middle
        else:
            low = middle + 1
    first = min(-(-low // _TURNS_AT_ONCE) * _TURNS_AT_ONCE, len(turns) - 1)
    return (*instructions, *rest[turns[first] :])
