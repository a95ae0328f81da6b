"""Watches over the ASR server: it is taken for dead when an answer that is due does not come, and never for silence.

Four things are due: Ready after the stream was opened, an acknowledgement after so much sound as the server itself has
named, the words of a turn after so much silence that it must be over, and some account of sound that is longer than any
turn. Where no sound is sent, nothing is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_gateway.input.deadline import Deadline
from parley import asr
from parley.audio import LISTENING_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_SECONDS: Final = 3.0
"""How late an answer may be."""

# Nor is a server dead that says that it lives and has too much to do: its answers come, but late. Some time they must.
_SLOW_SECONDS: Final = 30.0

# How long an engine may take for the words of a turn. The server is known to live meanwhile: it acknowledges sound.
_WORDS_SECONDS: Final = 8.0
# The longest turn, 60 s, with its pre-roll and pauses; and how long an engine may work on so much sound.
_LONGEST_TURN_SAMPLES: Final = 75 * LISTENING_RATE_HZ
_ACCOUNTING_SECONDS: Final = 10.0

# The longest silence that a turn may have within it, by default.
_LONGEST_PAUSE_SAMPLES: Final = 2 * LISTENING_RATE_HZ


class AnswerWatch:
    """What one stream owes, and until when."""

    def __init__(
        self,
        hangs: Callable[[], bool],
        endpointing: asr.Endpointing,
        first_sample: int,
        is_slow: Callable[[], bool] = lambda: False,
    ) -> None:
        """Watch a stream that begins at `first_sample`, and owes its Ready from now on.

        `hangs` ends it; False: it cannot be ended just now. Time in which our own loop is held up does not count, nor
        does half a minute of time in which the server lives and `is_slow`.
        """
        self._hangs, self._is_slow = hangs, is_slow
        self._due_at: float | None = None
        self._deadline = Deadline(self._passed)
        self._clock = self._deadline.now
        self._endpointing = endpointing
        self._ready_at: float | None = self._clock() + ANSWER_SECONDS
        self._ack_at: float | None = None
        self._words_at: float | None = None
        self._accounted_at: float | None = None
        self._accounted_sample = first_sample
        self._ack_samples = 0
        self.sent_samples = self._received = 0
        """Samples sent on this stream."""
        self._end_sample = first_sample
        self._words_due_sample: int | None = None
        self._turn_open = self._flushed = False
        self._set()

    def sent(self, samples: int, end_sample: int) -> None:
        """So much sound was sent, up to there on the session's audio clock."""
        self.sent_samples += samples
        self._end_sample = end_sample
        owes_more = self._expect_words()
        if self._ack_at is None and self._owes_acknowledgement:
            self._ack_at, owes_more = self._clock() + ANSWER_SECONDS, True
        if self._expect_accounting() or owes_more:
            self._set()

    def close(self) -> None:
        """The stream is over."""
        self._deadline.close()

    def flushed(self) -> None:
        """The turn was ended by the client: its words are due, if it had begun."""
        if self._turn_open:
            self._flushed = True
            self._words_at = self._clock() + _WORDS_SECONDS + _LONGEST_PAUSE_SAMPLES / LISTENING_RATE_HZ
        self._set()

    def answered(self, event: asr.Event) -> None:
        """Take what the server says."""
        match event:
            case asr.Ready():
                self._ready_at, self._ack_samples = None, event.ack_samples
            case asr.AudioAck():
                self._received = max(self._received, event.received_samples)
                self._ack_at = self._clock() + ANSWER_SECONDS if self._owes_acknowledgement else None
                if event.end_sample > self._accounted_sample:
                    self._accounted_sample, self._accounted_at = event.end_sample, None
            case asr.VoiceStopped() if not self._flushed:
                self._words_due_sample, self._words_at = event.sample + self._longest_pause, None
                self._expect_words()
            case asr.VoiceOnset() | asr.TurnResumed() if not self._flushed:
                self._turn_open = True
                self._words_due_sample = self._words_at = None
            case asr.EndOfTurn() | asr.TurnDiscarded():
                self._turn_open = self._flushed = False
                self._words_due_sample = self._words_at = None
            case _:
                pass
        self._set()

    def _expect_words(self) -> bool:
        """After so much silence the turn is over, whatever its words are; True when they are due since now."""
        due_sample = self._words_due_sample
        if due_sample is None or self._words_at is not None or self._end_sample < due_sample:
            return False
        self._words_at = self._clock() + _WORDS_SECONDS
        return True

    def _expect_accounting(self) -> bool:
        """No turn is longer than this: a server that accounts for nothing hangs, however alive it is."""
        if self._accounted_at is not None or self._end_sample - self._accounted_sample <= _LONGEST_TURN_SAMPLES:
            return False
        self._accounted_at = self._clock() + _ACCOUNTING_SECONDS
        return True

    @property
    def _owes_acknowledgement(self) -> bool:
        return self._ack_samples > 0 and self.sent_samples - self._received >= self._ack_samples

    @property
    def _longest_pause(self) -> int:
        """Samples of silence after which a turn is over, whatever its words are."""
        given = self._endpointing
        named = (
            given.finished_silence_ms,
            given.default_silence_ms,
            given.unfinished_silence_ms,
            given.dictation_silence_ms,
            given.patient_silence_ms,
            given.patience_limit_ms,
        )
        longest_ms = max((each for each in named if each is not None), default=0)
        return max(_LONGEST_PAUSE_SAMPLES, longest_ms * LISTENING_RATE_HZ // 1000)

    def _set(self) -> None:
        marks = (self._ready_at, self._ack_at, self._words_at, self._accounted_at)
        self._due_at = min((each for each in marks if each is not None), default=None)
        self._deadline.set(self._due_at)

    def _passed(self) -> bool:
        if self._due_at is not None and self._clock() < self._due_at + _SLOW_SECONDS and self._is_slow():
            return False
        return self._hangs()
