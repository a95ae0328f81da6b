"""Where the time of a turn went, from the end of the user's speech to the first audible sample of the reply.

A `TurnTimeline` has points on the gateway's clock, in nanoseconds since the Unix epoch; `slices` makes named spans of
them. Knows nothing of how the points were taken, nor of tracing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

NOT_SAID: Final = 0
"""A client's mark that has not come."""

_NS_PER_MS: Final = 1_000_000
# Sound waits no longer than this in a playback buffer or a wireless loudspeaker: a client that says so is not believed.
_LONGEST_OUTPUT_NS: Final = 2_000 * _NS_PER_MS
# Two clocks drift apart a little between one ping and the next.
_SLACK_NS: Final = 5 * _NS_PER_MS


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence on its way through the TTS server."""

    ready_ns: int
    """When its text was complete."""
    end_ns: int
    """When its last audio came."""


@dataclass(slots=True)
class UtteranceTimes:
    """The user's half of a turn; 0: it has not happened, or is not known."""

    began_ns: int = 0
    """The user's first voice was noticed, or the typed text came."""
    speech_end_ns: int = 0
    """The last voiced sample was captured, or the typed text came: here the waterfall begins."""
    received_ns: int = 0
    """The packet with that sample arrived at the gateway."""
    decoded_ns: int = 0
    """It was decoded: from here on the end of the turn is waited for, first perhaps by packets that share a message."""
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
    decided_sample: int | None = None
    """Sample after the last one that this decision needed, on the session's audio clock; None: nothing was spoken."""
    waited_ms: float = 0.0
    """Silence after which the turn was taken to be over."""
    excess_wait_ms: float = 0.0
    """How much less would have done: it was no longer than the turn's own longest pause, and 200 ms."""
    premature_end: bool = False
    """The user went on within a second of that decision."""
    clamped: bool = False
    """The client gave a capture time that cannot be; the packet's arrival was used."""


@dataclass(slots=True)
class ReplyTimes:
    """The assistant's half of a turn; 0: it has not happened, or is not known."""

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
    head_start: bool = False
    """The reply began before the end of the turn was certain."""
    clamped: bool = False
    """The client gave a time of playback that cannot be; it is left out."""
    sentences: list[Sentence] = field(default_factory=list)
    """The sentences whose audio has come."""

    def sentence_spoken(self, now_ns: int, first_audio_ms: float, total_ms: float) -> None:
        """Note a sentence whose last audio came at `now_ns`; it had its first, and its last, so long after its text."""
        if self.sentences or not self.first_audio_ns:
            ready = now_ns - round(total_ms * _NS_PER_MS)
        else:
            ready = self.first_audio_ns - round(first_audio_ms * _NS_PER_MS)
        self.sentences.append(Sentence(ready, max(ready, now_ns if self.sentences else self.first_audio_ns)))

    def played_by(self, marks_ns: tuple[int, int, int], now_ns: int, uncertainty_ns: int) -> None:
        """Take when the client says that the first packet arrived, was rendered, and could be heard; 0: not said.

        The marks are on the gateway's clock, give or take `uncertainty_ns`; what cannot be is left out: nothing arrives
        before it was sent, and sound is reported no earlier than an output's latency before it can be heard.
        """
        if not self.first_sent_ns:
            return
        taken, earliest_ns = [], self.first_sent_ns
        for mark_ns in marks_ns:
            possible = earliest_ns - uncertainty_ns - _SLACK_NS <= mark_ns <= now_ns + _LONGEST_OUTPUT_NS
            earliest_ns = max(mark_ns, earliest_ns) if possible else earliest_ns
            taken.append(earliest_ns if possible else 0)
            self.clamped = self.clamped or not (possible or mark_ns == NOT_SAID)
        self.arrived_ns, self.rendered_ns, self.audible_ns = taken


@dataclass(slots=True)
class TurnTimeline:
    """Points in the life of one turn."""

    utterance: UtteranceTimes = field(default_factory=UtteranceTimes)
    """The user's half."""
    reply: ReplyTimes = field(default_factory=ReplyTimes)
    """The assistant's half: of the last reply that was begun for it."""

    @property
    def begins_ns(self) -> int:
        """Where the waterfall begins; where nobody spoke to the end of a turn, the first that is known of it."""
        said = self.utterance
        return said.speech_end_ns or said.began_ns or self.reply.asked_ns

    @property
    def ends_ns(self) -> int:
        """Where the waterfall ends; 0 when nothing could be heard. A client that reports nothing hears what is sent."""
        return self.reply.audible_ns or self.reply.first_sent_ns

    @property
    def clamped(self) -> bool:
        """True when the client gave a time that cannot be."""
        return self.utterance.clamped or self.reply.clamped

    @property
    def mic_to_speaker_ms(self) -> float | None:
        """Milliseconds from the end of the user's speech to the first audible sample; None when there was none."""
        start, end = self.utterance.speech_end_ns, self.ends_ns
        return (end - start) / _NS_PER_MS if start and end >= start else None


@dataclass(frozen=True, slots=True)
class Slice:
    """A named span in the waterfall of a turn."""

    name: str
    """As in the trace."""
    start_ns: int
    """Where it begins, nanoseconds since the Unix epoch."""
    end_ns: int
    """Where it ends."""


def slices(timeline: TurnTimeline) -> tuple[Slice, ...]:
    """The spans of a turn in the order of their start; those without both ends are left out."""
    said, reply = timeline.utterance, timeline.reply
    sent_ns = max(said.speech_end_ns, said.received_ns - said.uplink_ns) if said.received_ns else 0
    arrived = reply.arrived_ns
    audio_ns = max(reply.first_audio_ns, reply.released_ns) if reply.first_audio_ns else 0
    candidates = (
        Slice("client.capture", said.speech_end_ns, sent_ns),
        Slice("client.uplink", sent_ns, said.received_ns),
        Slice("gateway.decode", said.received_ns, said.decoded_ns),
        Slice("asr.endpoint", said.decoded_ns, said.ended_ns - said.final_ns if said.ended_ns else 0),
        _transcribe(said),
        # What was typed is known when it comes.
        Slice("gateway.decide", said.ended_ns or said.speech_end_ns, reply.released_ns),
        Slice("llm.chat", reply.asked_ns, reply.text_end_ns or reply.first_audio_ns),
        *_sentences(reply),
        Slice("gateway.encode", audio_ns, reply.first_sent_ns),
        Slice("client.downlink", reply.first_sent_ns, arrived),
        Slice("client.jitter_buffer", arrived, reply.rendered_ns),
        Slice("client.playout", reply.rendered_ns or arrived, reply.audible_ns if arrived else 0),
    )
    whole = (each for each in candidates if each.start_ns and each.end_ns and each.end_ns >= each.start_ns)
    return tuple(sorted(whole, key=lambda each: each.start_ns))


def explained(timeline: TurnTimeline) -> float:
    """Share of a turn's latency that lies in at least one of its slices, 0 to 1."""
    start, end = timeline.utterance.speech_end_ns, timeline.ends_ns
    return covered(slices(timeline), start, end) if start and end > start else 0.0


def covered(spans: tuple[Slice, ...], start_ns: int, end_ns: int) -> float:
    """Share of the time from `start_ns` to `end_ns` that lies in at least one of `spans`, 0 to 1."""
    total, reached = 0, start_ns
    for span in sorted(spans, key=lambda each: each.start_ns):
        begin, end = max(span.start_ns, reached), min(span.end_ns, end_ns)
        if end > begin:
            total += end - begin
            reached = end
    return total / (end_ns - start_ns) if end_ns > start_ns else 0.0


def _transcribe(said: UtteranceTimes) -> Slice:
    """The engine's work on the words that were used: during the silence, or on into the time after the decision."""
    done = said.ended_ns - said.final_ns - said.known_ns if said.known_ns else said.ended_ns
    return Slice("asr.transcribe", done - said.transcribe_ns if done else 0, done)


def _sentences(reply: ReplyTimes) -> tuple[Slice, ...]:
    if reply.sentences:
        return tuple(Slice("tts.synthesize", each.ready_ns, each.end_ns) for each in reply.sentences)
    return (Slice("tts.synthesize", reply.first_token_ns, reply.first_audio_ns),)
