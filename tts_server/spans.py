"""What a trace is told of a reply as it is spoken: `tts.synthesize`, a span a sentence, the one that failed among them.

Never the words, unless the operator wants them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.failures import left_early
from serving.telemetry import clock_ns, content

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry.util.types import AttributeValue

    from serving.telemetry import Telemetry
    from tts_server.speaker import Sentence, Speaker


@dataclass(frozen=True, slots=True)
class SentenceSpans:
    """The spans of one reply."""

    telemetry: Telemetry
    """Records them."""
    parent: str
    """Traceparent of what they are part of."""
    session_id: str
    """Name of the session."""
    engine: str
    """Who speaks."""

    def made(self, sentence: Sentence) -> None:
        """A sentence has been spoken."""
        self._record(
            sentence.ready_ns,
            sentence.end_ns,
            {
                "parley.sentence": sentence.number,
                "parley.characters": sentence.end_char - sentence.start_char,
                "parley.cached": sentence.cached,
                "parley.queue_ms": (sentence.begun_ns - sentence.ready_ns) / 1e6,
                "parley.engine_ms": 0.0 if sentence.cached else (sentence.end_ns - sentence.begun_ns) / 1e6,
                # An engine speaks one sentence at a time.
                "parley.batch_size": 1,
                **content("text", sentence.text),
            },
        )

    def of(self, speaker: Speaker) -> AbstractContextManager[None]:
        """A block in which `speaker` speaks: what it cannot end is recorded too."""
        return _UntilItEnds(self, speaker)

    def broke_off(self, speaker: Speaker, error: BaseException) -> None:
        """The sentence that was being spoken failed, or nobody wanted it any more."""
        now, under_way, left = clock_ns(), speaker.under_way, left_early(error)
        if under_way is None and left:
            return
        number, ready_ns = (under_way.number, under_way.ready_ns) if under_way is not None else (0, now)
        attributes: dict[str, AttributeValue] = {"parley.sentence": number}
        if left:
            attributes["parley.cancelled"] = True
        self._record(ready_ns, now, attributes, None if left else error)

    def _record(
        self, start_ns: int, end_ns: int, more: dict[str, AttributeValue], error: BaseException | None = None
    ) -> None:
        self.telemetry.record(
            "tts.synthesize",
            parent=self.parent,
            start_ns=start_ns,
            end_ns=end_ns,
            attributes={"session.id": self.session_id, "parley.engine": self.engine, **more},
            error=error,
        )


@dataclass(frozen=True, slots=True)
class _UntilItEnds(AbstractContextManager[None]):
    spans: SentenceSpans
    speaker: Speaker

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.spans.broke_off(self.speaker, error)
