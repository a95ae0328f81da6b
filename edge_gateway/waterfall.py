"""Where the time of a turn went, from the end of the user's speech to the first audible sample of the reply.

`Marks` are points on the gateway's clock, in nanoseconds since the Unix epoch; `slices` makes named spans of them.
Knows nothing of how the marks were taken, nor of tracing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence on its way through the TTS server."""

    ready_ns: int
    """When its text was complete."""
    end_ns: int
    """When its last audio came."""


@dataclass(slots=True)
class Marks:
    """Points in the life of one turn; 0: it has not happened, or is not known."""

    speech_end_ns: int = 0
    """The last voiced sample was captured, or the typed text came: here the waterfall begins."""
    received_ns: int = 0
    """The packet with that sample arrived at the gateway."""
    forwarded_ns: int = 0
    """Its PCM was handed to the ASR stream."""
    uplink_ns: int = 0
    """How long the way to the gateway is thought to take (half of the least round trip): a length, not a point."""
    ended_ns: int = 0
    """The words of the turn arrived."""
    transcribe_ns: int = 0
    """How long the words waited for the engine, and it worked on them: a length."""
    known_ns: int = 0
    """How long before the ASR server's decision the words were known; 0: they came after it. A length."""
    final_ns: int = 0
    """From the ASR server's decision to the words: a length."""
    asked_ns: int = 0
    """The LLM was asked."""
    first_token_ns: int = 0
    """Its first piece of text arrived."""
    text_end_ns: int = 0
    """Its last piece of text arrived."""
    first_audio_ns: int = 0
    """The first sound of the reply arrived from the TTS server."""
    released_ns: int = 0
    """The reply was allowed to be heard."""
    first_sent_ns: int = 0
    """The first packet of the reply was sent."""
    arrived_ns: int = 0
    """It arrived at the client."""
    rendered_ns: int = 0
    """The first sample left the client's playback buffer."""
    audible_ns: int = 0
    """The first sample could be heard: here the waterfall ends."""
    waited_ms: float = 0.0
    """Silence after which the turn was taken to be over."""
    decided_sample: int | None = None
    """Sample after the last one that this decision needed, on the session's audio clock; None: nothing was spoken."""
    beyond_need_ms: float = 0.0
    """How much less would have done: it was no longer than the turn's own longest pause, and 200 ms."""
    too_early: bool = False
    """The user went on within a second of that decision."""
    head_start: bool = False
    """The reply began in secret."""
    sentences: list[Sentence] = field(default_factory=list)
    """The sentences whose audio has come."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One named span of a turn."""

    name: str
    """As in the trace."""
    start_ns: int
    """Where it begins, nanoseconds since the Unix epoch."""
    end_ns: int
    """Where it ends."""


def slices(marks: Marks) -> tuple[Slice, ...]:
    """The spans of a turn in the order of their start; those without both ends are left out."""
    gateway_end = marks.arrived_ns or marks.audible_ns or marks.first_sent_ns
    candidates = (
        Slice("client.capture", marks.speech_end_ns, max(marks.speech_end_ns, marks.received_ns - marks.uplink_ns)),
        Slice("client.uplink", max(marks.speech_end_ns, marks.received_ns - marks.uplink_ns), marks.received_ns),
        Slice("gateway.decode", marks.received_ns, marks.forwarded_ns),
        Slice("asr.endpoint", marks.forwarded_ns, marks.ended_ns - marks.final_ns if marks.ended_ns else 0),
        _transcribe(marks),
        Slice("gateway.decide", marks.ended_ns, marks.released_ns),
        Slice("llm.chat", marks.asked_ns, marks.text_end_ns or marks.first_audio_ns),
        *_sentences(marks),
        Slice(
            "gateway.encode",
            max(marks.first_audio_ns, marks.released_ns) if marks.first_audio_ns else 0,
            marks.first_sent_ns,
        ),
        Slice("client.downlink", marks.first_sent_ns, gateway_end if marks.arrived_ns else 0),
        Slice("client.jitter_buffer", marks.arrived_ns, marks.rendered_ns),
        Slice("client.playout", marks.rendered_ns or marks.arrived_ns, marks.audible_ns if marks.arrived_ns else 0),
    )
    whole = (each for each in candidates if each.start_ns and each.end_ns and each.end_ns >= each.start_ns)
    return tuple(sorted(whole, key=lambda each: each.start_ns))


def end_ns(marks: Marks) -> int:
    """Where the waterfall ends; 0 when nothing could be heard. A client that reports nothing hears what was sent."""
    return marks.audible_ns or marks.first_sent_ns


def mic_to_speaker_ms(marks: Marks) -> float | None:
    """Milliseconds from the end of the user's speech to the first audible sample; None when there was none."""
    end = end_ns(marks)
    return (end - marks.speech_end_ns) / _NS_PER_MS if end and marks.speech_end_ns else None


def explained(spans: tuple[Slice, ...], start_ns: int, end_ns: int) -> float:
    """Share of the time from `start_ns` to `end_ns` that lies in at least one of `spans`, 0 to 1."""
    covered, reached = 0, start_ns
    for span in sorted(spans, key=lambda each: each.start_ns):
        begin, end = max(span.start_ns, reached), min(span.end_ns, end_ns)
        if end > begin:
            covered += end - begin
            reached = end
    return covered / (end_ns - start_ns) if end_ns > start_ns else 0.0


def _transcribe(marks: Marks) -> Slice:
    """The engine's work on the words that were used: during the silence, or on into the time after the decision."""
    done = marks.ended_ns - marks.final_ns - marks.known_ns if marks.known_ns else marks.ended_ns
    return Slice("asr.transcribe", done - marks.transcribe_ns if done else 0, done)


def _sentences(marks: Marks) -> tuple[Slice, ...]:
    if marks.sentences:
        return tuple(Slice("tts.synthesize", each.ready_ns, each.end_ns) for each in marks.sentences)
    return (Slice("tts.synthesize", marks.first_token_ns, marks.first_audio_ns),)
