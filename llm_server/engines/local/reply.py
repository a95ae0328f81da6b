"""A reply of a model in our own process: out of the pieces that it writes, the words, the calls and the end."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llm_server.engine import StopReason, ToolCall
from llm_server.engines.markup import Markup

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from llm_server.engine import Conversation, Finish, ReplyEvent


@dataclass(frozen=True, slots=True)
class Piece:
    """What a model has written since the last one."""

    text: str
    """Whole characters; may be empty."""
    tokens: int
    """How many it took."""


async def read_reply(
    pieces: AsyncGenerator[Piece, None], conversation: Conversation, finish: Callable[[int], Finish], opened: str = ""
) -> AsyncGenerator[ReplyEvent, None]:
    """Events out of `pieces`; `finish` makes the last one of the number of tokens, for a reply without calls.

    `opened` is the mark of a thought that the prompt has opened. Closing this closes `pieces`.
    """
    markup = Markup(sum(len(message.tool_calls) for message in conversation.messages), opened)
    tokens, calls = 0, False
    async with aclosing(pieces):
        async for piece in pieces:
            tokens += piece.tokens
            for event in markup.feed(piece.text):
                calls = calls or isinstance(event, ToolCall)
                yield event  # noqa: ASYNC119 - whoever reads closes the generator
    end = finish(tokens)
    for event in markup.finish(is_whole=end.reason is StopReason.STOP):
        calls = calls or isinstance(event, ToolCall)
        yield event
    yield replace(end, reason=StopReason.TOOL_CALLS) if calls else end
