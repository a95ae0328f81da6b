"""The user's half of the turns: numbers them, follows the one being spoken, and tells the listener of it.

Knows nothing of replies, or of who decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_gateway.error_events import error_event
from edge_gateway.latency.endpointing_quality import PrematureEnds, captured_ns, note_end
from edge_gateway.turn import Turn
from parley import asr
from parley.conversation import ClientMark, UserDiscarded, UserPartial, UserSpeechStarted
from parley.errors import AudioLost
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.connection import ClientConnection
    from edge_gateway.input.replay_buffer import HeardPacket
    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.latency.turn_metrics import TurnMetrics
    from edge_gateway.reply.reminders import Scheduled


class SpokenTurns:
    """The turns of one session, as they are being said."""

    def __init__(self, connection: ClientConnection, metrics: TurnMetrics, clock: ClientClock) -> None:
        """Prepare for the first one."""
        self._connection = connection
        self._metrics = metrics
        self._clock = clock
        self._count = 0
        self._premature = PrematureEnds()
        self._voice_ns = 0
        self._announced = False
        """The listener knows that the user speaks."""
        self.turn = Turn(0)
        """The one that is being spoken, or will be next; it has a number from its first speech on."""

    def have_begun(self) -> bool:
        """True from the first word on, spoken or typed."""
        return self._count > 0

    def typed(self, text: str) -> Turn:
        """A turn that was typed."""
        self._count += 1
        return Turn.written(self._count, text)

    def reminding(self, reminder: Scheduled) -> Turn:
        """A turn in which nobody asks, and the assistant reminds of something."""
        self._count += 1
        return Turn.reminding(self._count, reminder)

    async def follow(self, event: asr.Event, packet: HeardPacket | None) -> None:
        """Take what is heard of the turn under way."""
        match event:
            case asr.VoiceOnset():
                self._voice_ns = captured_ns(packet, event.sample, self._clock) if packet is not None else clock_ns()
            case asr.SpeechStarted():
                self._begin()
                self._premature.speech_started(event)
                if not self._announced:
                    self._announced = True
                    await self._connection.send(UserSpeechStarted(self.turn.number))
            case asr.Partial() | asr.EagerEndOfTurn():
                self._begin()
            case _:
                pass

    async def show(self, partial: asr.Partial) -> None:
        """Let the listener see the words so far."""
        await self._connection.send(UserPartial(self.turn.number, partial.text, partial.stable_characters))

    def ended(self, event: asr.EndOfTurn, last_voiced: HeardPacket | None) -> Turn:
        """The turn is over, with these words; gives it, and makes room for the next."""
        self._begin()
        turn, self.turn, self._announced = self.turn, Turn(0), False
        turn.text = event.text
        note_end(turn.timeline.utterance, event, last_voiced, self._clock)
        return turn

    def settle(self, event: asr.EndOfTurn, turn: Turn, *, ignored: bool) -> None:
        """Count the turn, and take what it tells of the endpointing; an `ignored` one tells nothing."""
        self._metrics.transcribed(event, turn)
        times = turn.timeline.utterance
        if self._premature.turn_ended(event, times, ignored=ignored):
            self._metrics.premature_end()
        if not ignored:
            self._metrics.excess_wait(turn)

    async def ignored(self, turn: Turn) -> None:
        """The turn was the assistant's echo, or a backchannel."""
        await self._connection.send(UserDiscarded(turn.number, asr.DiscardReason.NOISE))
        self._use_number_again(turn)

    async def discarded(self, event: asr.TurnDiscarded) -> Turn:
        """What had begun was no turn, or its words are lost; gives it, and makes room for the next."""
        self._metrics.discarded(event)
        number = self.turn.number or self._count + 1
        await self._connection.send(UserDiscarded(number, event.reason))
        if event.reason is asr.DiscardReason.ENGINE_FAILED:
            lost = AudioLost("the asr server failed on what was said: please say it again")
            await self._connection.send(error_event(lost, "asr", turn=number))
        self._use_number_again(self.turn)
        # The ASR server has the trace for the turn that it numbers alike.
        gone, self.turn, self._announced = self.turn, Turn(0, identity=self.turn.identity), False
        return gone

    def barge_in(self, mark: ClientMark, interrupted: Turn | None) -> None:
        """Take when the loudspeaker was ducked, or fell silent, because of the last voice.

        `interrupted` is the turn whose reply it played; None: it is not known any more.
        """
        if self._voice_ns and self._clock.known:
            at_ns = self._clock.to_gateway_us(mark.unix_us) * 1000
            self._metrics.barge_in(mark.kind, (at_ns - self._voice_ns) / 1e9, interrupted)

    def _begin(self) -> None:
        if not self.turn.began:
            self._count += 1
            self.turn.number = self._count
            self.turn.timeline.utterance.began_ns = clock_ns()

    def _use_number_again(self, turn: Turn) -> None:
        if turn.number and turn.number == self._count:
            self._count -= 1
