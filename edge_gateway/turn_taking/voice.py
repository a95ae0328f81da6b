"""Whether the user is being heard: from the first voice until what it said is over, whatever it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_gateway.turn_taking.events import TurnLost
from parley import asr

if TYPE_CHECKING:
    from edge_gateway.turn_taking.events import Event


class UserVoice:
    """The user's voice, as the ASR server tells of it."""

    def __init__(self) -> None:
        """Begin in silence."""
        self.heard = False
        """A voice was heard, and its turn is not over."""

    def follow(self, event: Event) -> None:
        """Take what happens."""
        match event:
            case asr.VoiceOnset() | asr.SpeechStarted() | asr.Partial() | asr.EagerEndOfTurn():
                self.heard = True
            case asr.EndOfTurn() | asr.TurnDiscarded() | TurnLost():
                self.heard = False
            case _:
                pass
