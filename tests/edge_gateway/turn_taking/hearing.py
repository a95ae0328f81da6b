"""What the ASR server may say, in as few words as a table needs, and a room in which a floor and a microphone are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_gateway.turn_taking.echo import MicrophoneLevels
from edge_gateway.turn_taking.events import ReplyAudible, ReplyEnded, Tick, TurnPolicy
from edge_gateway.turn_taking.floor import Floor, Speaking
from parley import asr

if TYPE_CHECKING:
    from edge_gateway.turn_taking.events import Action, Event

REPLY: Final = "Seven times eight is fifty-six."
ROOM_DB: Final = -66.0
VOICE: Final = asr.VoiceOnset(1, 0)
RESUMED: Final = asr.TurnResumed(1, 0)
NOTHING: Final = asr.TurnDiscarded(1, asr.DiscardReason.NO_WORDS, 0, 0)
PACKET_SECONDS: Final = 0.02


def stopped(voiced_seconds: float) -> asr.VoiceStopped:
    """The voice falls silent."""
    return asr.VoiceStopped(1, 0, round(voiced_seconds * 1000))


def speech(voiced_seconds: float) -> asr.SpeechStarted:
    """There was enough voice."""
    return asr.SpeechStarted(1, 0, round(voiced_seconds * 1000))


def words(text: str, voiced_seconds: float) -> asr.Partial:
    """The words so far."""
    return asr.Partial(1, text, 0, round(voiced_seconds * 1000))


def eager(text: str, turn: int = 1) -> asr.EagerEndOfTurn:
    """The turn is probably over."""
    return asr.EagerEndOfTurn(turn, text, 0)


def over(text: str, voiced_seconds: float = 1.0) -> asr.EndOfTurn:
    """The turn is over."""
    timings = asr.Timings(280.0, 0.0, 80.0, 0.0, eager=False)
    return asr.EndOfTurn(1, text, 0, 0, 0, asr.EndReason.SILENCE, timings, round(voiced_seconds * 1000))


def replying(policy: TurnPolicy | None = None) -> Floor:
    """A floor on which the second reply can be heard, since 0.0."""
    floor = Floor(policy or TurnPolicy(), MicrophoneLevels())
    for reply in (1, 2):
        floor.on(over("what is seven times eight"), 0.0)
        floor.on(ReplyAudible(), 0.0)
        if reply == 1:
            floor.on(ReplyEnded(), 0.0)
    return floor


class Room:
    """A floor with a microphone, and a clock that moves with what is heard: as a session joins them."""

    def __init__(self, policy: TurnPolicy | None = None) -> None:
        self.levels = MicrophoneLevels()
        self.floor = Floor(policy or TurnPolicy(), self.levels)
        self.now = 0.0

    def on(self, event: Event, said: str = "") -> tuple[Action, ...]:
        """What the floor does about an event at this time, when the reply is saying, or has said, `said`."""
        return self.floor.on(event, self.now, said)

    def sound(self, level_db: float, seconds: float) -> tuple[Action, ...]:
        """Let the microphone hear a level for a while; gives what the floor does when it has asked to be woken."""
        done: list[Action] = []
        for _ in range(round(seconds / PACKET_SECONDS)):
            self.now += PACKET_SECONDS
            if isinstance(self.floor.state, Speaking):
                self.levels.hear(level_db)
            wake_at = self.floor.wake_at
            if wake_at is not None and wake_at <= self.now:
                done += self.on(Tick())
        return tuple(done)

    def reply_begins(self, text: str = "what is seven times eight") -> None:
        """A question is answered, and the reply becomes audible in a quiet room; 0.2 s of it are heard."""
        self.on(over(text))
        self.on(ReplyAudible())
        self.sound(ROOM_DB, 0.2)
