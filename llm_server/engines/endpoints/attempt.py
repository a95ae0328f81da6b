"""How an endpoint is asked: the request, and what of it is changed when it is refused. Pure.

Models of OpenAI want the longest reply under another name, others know no seed, and a conversation grows until no model
reads it whole. What an endpoint has then taken is remembered, so that the next reply is not refused first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from llm_server.engines.messages import as_dict, content, tool_as_dict
from llm_server.engines.truncation import truncate

if TYPE_CHECKING:
    from llm_server.engine import Conversation, Message
    from llm_server.engines.endpoints.refusal import Refusal

_OTHER_NAME: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OPTIONAL: Final = ("stream_options", "seed", "temperature", "top_p")
_TOOLS: Final = "tools"
_MOST_ATTEMPTS: Final = 8
# From here on large steps are made: who speaks waits.
_LAST_SHORTENINGS: Final = 6
# Role, marks and what else a message costs besides its words.
_BYTES_OF_A_MESSAGE: Final = 16


@dataclass(slots=True)
class Habits:
    """What an endpoint was found to want otherwise than most; kept as long as the process lives."""

    length_name: str = "max_tokens"
    """Its name for the longest reply."""
    unwanted: frozenset[str] = frozenset()
    """Parameters that it refuses."""
    most_bytes: int | None = None
    """Longest conversation that it took after it had refused a longer one."""
    opened: str = ""
    """The mark of a thought that its template opens, so that its replies begin within one."""

    def learn(self, attempt: Attempt) -> None:
        """It has taken this."""
        if attempt.number:
            self.length_name, self.unwanted, self.most_bytes = attempt.length_name, attempt.unwanted, attempt.most_bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to ask for a reply."""

    conversation: Conversation
    """As much of it as is asked with."""
    length_name: str
    """The name for the longest reply."""
    unwanted: frozenset[str]
    """Parameters that are left out."""
    most_bytes: int | None
    """Bound of the conversation; None: there is none."""
    number: int = 0
    """How often it was asked otherwise before."""
    is_renamed: bool = False
    """The other name for the longest reply was refused."""

    @classmethod
    def first(cls, conversation: Conversation, habits: Habits) -> Attempt:
        """As the endpoint has taken it before."""
        if habits.most_bytes is not None:
            conversation = _shortened(conversation, habits.most_bytes)
        attempt = cls(conversation, habits.length_name, habits.unwanted, habits.most_bytes)
        # Functions that the caller needs are asked for all the same: their refusal is an answer.
        return attempt if attempt._can_do_without_functions else replace(attempt, unwanted=habits.unwanted - {_TOOLS})

    @property
    def _can_do_without_functions(self) -> bool:
        return all(tool.optional for tool in self.conversation.tools)

    def body(self, model: str, *, streams: bool = True) -> dict[str, object]:
        """The request's JSON."""
        asked = self.conversation
        body: dict[str, object] = {
            "model": model,
            "messages": [as_dict(each, arguments_as_text=True) for each in asked.messages],
            self.length_name: asked.max_tokens,
        }
        if streams:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if asked.tools:
            body["tools"] = [tool_as_dict(tool) for tool in asked.tools]
        if asked.temperature is not None:
            body["temperature"] = asked.temperature
        if asked.top_p is not None:
            body["top_p"] = asked.top_p
        if asked.seed is not None:
            body["seed"] = asked.seed
        return {name: value for name, value in body.items() if name not in self.unwanted}

    def after(self, refusal: Refusal | None) -> Attempt | None:
        """How to ask after this one was refused; None: there is no other way."""
        number = self.number + 1
        if refusal is None or number == _MOST_ATTEMPTS:
            return None
        if refusal.names(self.length_name) and not self.is_renamed:
            return replace(self, length_name=_OTHER_NAME[self.length_name], number=number, is_renamed=True)
        named = frozenset(each for each in _OPTIONAL if each not in self.unwanted and refusal.names(each))
        if refusal.is_for_functions and self._can_do_without_functions:
            named |= {_TOOLS}
        if named & self.body("").keys():
            return replace(self, unwanted=self.unwanted | named, number=number)
        if not refusal.is_too_long:
            return None
        size = _size(self.conversation.messages)
        most_bytes = size // 8 if number >= _LAST_SHORTENINGS else size * 2 // 3
        shorter = _shortened(self.conversation, most_bytes)
        if len(shorter.messages) == len(self.conversation.messages):
            return None
        return replace(self, conversation=shorter, most_bytes=most_bytes, number=number)


def _shortened(conversation: Conversation, most_bytes: int) -> Conversation:
    """Without its oldest turns, where it is longer."""
    return replace(conversation, messages=truncate(conversation.messages, most_bytes, _size))


def _size(messages: tuple[Message, ...]) -> int:
    """Bytes of what a model reads: tokens are counted elsewhere, and this is nearest to them over all languages."""
    return sum(
        _BYTES_OF_A_MESSAGE
        + len(content(message).encode())
        + sum(len(call.name) + len(call.arguments_json.encode()) for call in message.tool_calls)
        for message in messages
    )
