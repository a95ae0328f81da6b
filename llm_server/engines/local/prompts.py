"""A conversation as the tokens that a model reads, without its oldest turns where it is too long."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from llm_server.engines.truncation import truncate
from parley.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

    from llm_server.engine import Conversation, Message

T = TypeVar("T")

_log = logging.getLogger("parley.llm")


def read_prompt(
    conversation: Conversation, context_tokens: int, tokens_of: Callable[[tuple[Message, ...]], list[T]]
) -> tuple[tuple[Message, ...], list[T]]:
    """What is left of the messages, and their tokens by `tokens_of`; the reply must fit behind them.

    Raises:
        TooLarge: not even the last message fits.
    """
    room = context_tokens - min(conversation.max_tokens, context_tokens // 2)
    tokens = tokens_of(conversation.messages)
    if len(tokens) <= room:
        return conversation.messages, tokens
    messages = truncate(conversation.messages, room, lambda some: len(tokens_of(some)))
    _log.info("left out the %d oldest messages", len(conversation.messages) - len(messages))
    tokens = tokens_of(messages)
    if len(tokens) > room:
        raise TooLarge(f"a conversation of {len(tokens)} tokens: at most {room}", field="config.messages")
    return messages, tokens
