"""What a trace is told of a reply and of the functions called for it, as OpenTelemetry's GenAI conventions name it.

Never the words of a user or of a model, nor what an endpoint says, unless the operator wants them.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind, Status, StatusCode

from llm_server.engine import Remote
from parley.errors import ParleyError
from serving.telemetry import clock_ns, content, content_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from llm_server.engine import Conversation, Engine, Finish, GaveUp, ToolCall
    from llm_server.tool_results import ToolResult
    from serving.telemetry import Telemetry


class ChatSpan:
    """`llm.chat`: one reply, with all the rounds that its functions need."""

    def __init__(self, span: Span, model: str) -> None:
        """Tell of it to `span`; `model` is who was asked."""
        self._span = span
        self._model = model
        self._works_since = 0.0
        self._engine_seconds = 0.0
        self._failed_attempts = self._last_status = 0
        self._begun = False
        self._tells_words = content_allowed()

    def text(self, text: str, first_seconds: float) -> None:
        """The reply goes on; its first piece came after `first_seconds`."""
        if not self._begun:
            self._begun = True
            self._span.add_event("first_token", timestamp=clock_ns())
            self._span.set_attribute("gen_ai.response.time_to_first_chunk", first_seconds)
        if self._tells_words:
            self._span.add_event("parley.pii.delta", content("text", text))

    def works(self, *, works: bool) -> None:
        """The model works on it from now on, or waits for its functions."""
        now = time.monotonic()
        if works and not self._works_since:
            self._works_since = now
        elif not works and self._works_since:
            self._engine_seconds += now - self._works_since
            self._works_since = 0.0

    def gave_up(self, failed: GaveUp) -> None:
        """One of several models has failed: an attempt with this reason."""
        status = {"http.response.status_code": failed.http_status} if failed.http_status else {}
        event: dict[str, AttributeValue] = {"parley.endpoint": failed.model, "error.type": failed.reason, **status}
        self._span.add_event("parley.endpoint_failed", event)
        self._failed_attempts += 1
        self._span.set_attribute("parley.failed_attempts", self._failed_attempts)
        self._last_status = failed.http_status

    def failed(self) -> None:
        """There is no reply, or no more of it."""
        if self._last_status:
            self._span.set_attribute("http.response.status_code", self._last_status)

    def finished(self, finish: Finish) -> None:
        """The reply is complete."""
        self.works(works=False)
        model, at, host = finish.model.rpartition("@")
        counted = {
            "gen_ai.usage.input_tokens": finish.prompt_tokens,
            "gen_ai.usage.output_tokens": finish.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": finish.cached_tokens,
        }
        self._span.set_attributes(
            {
                "gen_ai.response.model": (model if at else host) or self._model,
                "gen_ai.response.finish_reasons": [finish.reason.name.lower()],
                **(_server(host) if at else {}),
                **{name: count for name, count in counted.items() if count},
                "parley.queue_ms": finish.queue_ms,
                "parley.engine_ms": max(0.0, self._engine_seconds * 1000 - finish.queue_ms),
            }
        )


def _server(place: str) -> dict[str, AttributeValue]:
    """Host and port of an endpoint."""
    host, _, port = place.rpartition(":")
    return (
        {"server.address": host, "server.port": int(port)} if host and port.isdecimal() else {"server.address": place}
    )


class ChatSpans:
    """Makes the spans of all replies of one engine."""

    def __init__(self, telemetry: Telemetry, engine: Engine) -> None:
        """Record them with `telemetry`."""
        self._telemetry = telemetry
        self._engine = engine
        # Asked once: it takes as long as a third of starting a span.
        self._kind = SpanKind.CLIENT if isinstance(engine, Remote) else SpanKind.INTERNAL

    @contextmanager
    def of(self, parent: str, conversation: Conversation, calls: int) -> Iterator[ChatSpan]:
        """`llm.chat` below `parent`, as long as the block; `calls` replies are being written now, this one too."""
        model = self._engine.models[0] or self._engine.name
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._engine.name,
            "gen_ai.request.model": model,
            "gen_ai.request.max_tokens": conversation.max_tokens,
            "gen_ai.request.stream": True,
            "gen_ai.output.type": "text",
            "session.id": conversation.session_id,
            "parley.batch_size": calls,
            **({"gen_ai.conversation.id": conversation.session_id} if conversation.session_id else {}),
            **({"gen_ai.request.seed": conversation.seed} if conversation.seed is not None else {}),
            **({"gen_ai.request.top_p": conversation.top_p} if conversation.top_p is not None else {}),
            **({"gen_ai.request.temperature": given} if (given := conversation.temperature) is not None else {}),
            **content("prompt", conversation.messages[-1].text),
        }
        with self._telemetry.span("llm.chat", parent=parent, attributes=attributes, kind=self._kind) as span:
            chat = ChatSpan(span, model)
            try:
                yield chat
            except ParleyError:
                chat.failed()
                raise


@contextmanager
def tool_span(telemetry: Telemetry, wanted: ToolCall, *, is_offered: bool) -> Iterator[Span]:
    """`execute_tool NAME` below the reply; the name of one that is not offered is the model's own invention."""
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.type": "function",
        **({"gen_ai.tool.name": wanted.name} if is_offered else {}),
        **content("arguments", wanted.arguments_json),
    }
    name = f"execute_tool {wanted.name}" if is_offered else "execute_tool"
    with telemetry.span(name, attributes=attributes) as span:
        yield span


def note_result(span: Span, result: ToolResult) -> None:
    """Tell whether the function gave what was wanted."""
    span.set_attributes({"parley.failed": result.failed, **content("result", result.content)})
    if result.failed:
        span.set_attribute("error.type", "tool_failed")
        span.set_status(Status(StatusCode.ERROR, "tool_failed"))
