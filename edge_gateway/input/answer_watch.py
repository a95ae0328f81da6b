"""Watches over the ASR server: it is taken for dead when an answer that is due does not come, and never for silence.

Four things are due: Ready after the stream was opened, an acknowledgement after so much sound as the server itself has
named, the words of a turn after so much silence that it must be over, and some account of sound that is longer than any
turn. Where no sound is sent, nothing is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley import asr
from parley.audio import LISTENING_RATE_HZ

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

ANSWER_SECONDS: Final = 3.0
"""How late an answer may be."""

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
        self, timeout: asyncio.Timeout, clock: Callable[[], float], endpointing: asr.Endpointing, first_sample: int
    ) -> None:
        """Let `timeout` end the stream, which begins at `first_sample`; Ready is due from now on."""
        self._timeout = timeout
        self._clock = clock
        self._endpointing = endpointing
        self._ready_at: float | None = clock() + ANSWER_SECONDS
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
        self._expect_words()
        if self._ack_at is None and self._owes_acknowledgement:
            self._ack_at = self._clock() + ANSWER_SECONDS
        self._expect_accounting()
        self._set()

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

    def _expect_words(self) -> None:
        """After so much silence the turn is over, whatever its words are."""
        due_sample = self._words_due_sample
        if due_sample is not None and self._words_at is None and self._end_sample >= due_sample:
            self._words_at = self._clock() + _WORDS_SECONDS

    def _expect_accounting(self) -> None:
        """No turn is longer than this: a server that accounts for nothing hangs, however alive it is."""
        if self._accounted_at is None and self._end_sample - self._accounted_sample > _LONGEST_TURN_SAMPLES:
            self._accounted_at = self._clock() + _ACCOUNTING_SECONDS

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
        if not self._timeout.expired():
            marks = (self._ready_at, self._ack_at, self._words_at, self._accounted_at)
            due = (each for each in marks if each is not None)
            self._timeout.reschedule(min(due, default=None))
