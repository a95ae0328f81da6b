"""A streamed chat completion: its bytes, cut anywhere, as the events of a reply, or the endpoint's failure. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llm_server.engine import Delta, Finish, Progress, ProgressKind, StopReason, ToolCall
from llm_server.engines.characters import Characters
from llm_server.engines.endpoints.calls import CallAssembler
from llm_server.engines.endpoints.chunks import Usage, read_chunk
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.endpoints.sse import END, EventReader, EventTooLongError
from llm_server.engines.markup import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from llm_server.engine import Conversation, ReplyEvent
    from llm_server.engines.endpoints.endpoint import Endpoint


class CompletionReader:
    """Reads one reply."""

    def __init__(self, endpoint: Endpoint, conversation: Conversation) -> None:
        """What `endpoint` answers to `conversation`; nothing read yet."""
        self._endpoint = endpoint
        self._events = EventReader()
        self._characters = Characters()
        self._markup = Markup(sum(len(each.tool_calls) for each in conversation.messages), endpoint.habits.opened)
        self._calls = CallAssembler(endpoint.name, frozenset(tool.name for tool in conversation.tools))
        self._marked: list[ToolCall] = []
        self._usage = Usage()
        self._reason: StopReason | None = None
        self._thinks = False
        self.is_over = False
        """The endpoint has said that nothing more comes."""
        self.written = 0
        """Grows with each word, and each piece of a call."""

    @property
    def is_complete(self) -> bool:
        """The reply has ended, though something may follow that belongs to it."""
        return self.is_over or self._reason is not None

    def feed(self, chunk: bytes) -> Iterator[ReplyEvent]:
        """Take the next bytes; what they bring. To be gone through before the next ones.

        Raises:
            EndpointFailed: they are no chat completion, or say that something failed.
        """
        return self._read(self._events.feed(chunk))

    def finish(self) -> list[ReplyEvent]:
        """No more bytes come; the last events.

        Raises:
            EndpointFailed: the reply has no end, or nothing in it.
        """
        found = [*self._read(self._events.finish())]
        if not self.is_complete:
            raise EndpointFailed(f"{self._endpoint.name} broke off in the middle of a reply")
        found += self._told(self._markup.feed(self._characters.finish()))
        self._learn()
        found += self._told(self._markup.finish(is_whole=self._reason is not StopReason.LENGTH))
        calls = self._calls.whole()
        if not self.written:
            raise EndpointFailed(f"{self._endpoint.name} wrote nothing")
        # Some endpoints send the calls that stand in the text besides.
        known = {(call.name, call.arguments_json) for call in calls}
        calls += [call for call in self._marked if (call.name, call.arguments_json) not in known]
        return [*found, *calls, self._finish(calls=bool(calls))]

    def _read(self, events: Iterable[str]) -> Iterator[ReplyEvent]:
        try:
            for data in events:
                if not self.is_over:
                    yield from self._take(data.strip())
        except EventTooLongError as error:
            self._fail(EndpointFailed(f"{self._endpoint.name} sends {error}"))

    def _take(self, data: str) -> Iterator[ReplyEvent]:
        if data in {"", END}:
            self.is_over = data == END
            return
        try:
            chunk = read_chunk(data, self._endpoint)
        except EndpointFailed as failure:
            self._fail(failure)
            return
        if chunk.is_whole and self.written:
            # What was sent in pieces, once more.
            chunk = replace(chunk, text="", calls=())
        self._usage = chunk.usage or self._usage
        self._reason = chunk.reason or self._reason
        self._calls.add(chunk.calls)
        self.written += len(chunk.calls)
        if chunk.thinks and not self._thinks:
            yield Progress(ProgressKind.REASONING, self._endpoint.name)
        self._thinks = chunk.thinks
        yield from self._told(self._markup.feed(self._characters.feed(chunk.text)))

    def _fail(self, failure: EndpointFailed) -> None:
        """Nothing more comes; what was complete before stays so."""
        if not self.is_complete:
            raise failure
        self.is_over = True

    def _told(self, events: Iterable[Delta | ToolCall | Progress]) -> Iterator[ReplyEvent]:
        for event in events:
            match event:
                case Progress():
                    yield replace(event, model=self._endpoint.name)
                case ToolCall():
                    self.written += 1
                    self._marked.append(event)
                case Delta():
                    self.written += 1
                    yield event

    def _learn(self) -> None:
        """Whether the endpoint's replies begin within a thought, as this one did."""
        habits = self._endpoint.habits
        if self._markup.unopened:
            habits.opened = self._markup.unopened
        elif self._markup.thinks and self._reason is not StopReason.LENGTH:
            habits.opened = ""

    def _finish(self, *, calls: bool) -> Finish:
        # Some call functions and say that they have stopped.
        reason = StopReason.TOOL_CALLS if calls else self._reason or StopReason.STOP
        if reason is StopReason.TOOL_CALLS and not calls:
            reason = StopReason.STOP
        usage = self._usage
        return Finish(
            reason,
            usage.prompt_tokens,
            usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            model=self._endpoint.name,
        )
