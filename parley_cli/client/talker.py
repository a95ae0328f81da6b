"""Speaks a recording to the gateway, and hears the answers out. Knows nothing of files."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from parley.conversation import (
    PACKET_SECONDS,
    Conversation,
    Event,
    SessionConfig,
    TurnReport,
    UserDiscarded,
    UserSpeechStarted,
    UserUtterance,
)
from parley_cli.client.listener import Listener
from parley_cli.client.microphone import PACKET_BYTES, encoded, packet_of

if TYPE_CHECKING:
    from parley_cli.client.listener import Observer
    from parley_cli.client.loudspeaker import Loudspeaker

# Longer than the longest silence that a turn may need, so that nothing said at the end of the file goes unanswered.
_LISTEN_ON_SECONDS: Final = 2.6
_GREETING: Final = 0


class Talker:
    """One conversation: a recording as the microphone, and patience until all of it is answered."""

    def __init__(self, conversation: Conversation, pcm: bytes, config: SessionConfig | None = None) -> None:
        """Speak `pcm`, s16le mono at 48 kHz, when the session is ready; `config` must say that playback is reported."""
        self._listener = Listener(conversation, encoded(partial(packet_of, pcm)), self._take, config)
        self._packets = -(-len(pcm) // PACKET_BYTES)
        self._observe: Observer = _ignore
        self._speaking = False
        self._awaited: set[int] = set()
        self.turns = 0
        """Turns that were answered."""

    @property
    def loudspeaker(self) -> Loudspeaker:
        """What plays the replies, and keeps what a listener would have heard.

        Raises:
            WrongState: the session is not ready yet.
        """
        return self._listener.loudspeaker

    def heard(self) -> bytes:
        """What a listener would have heard since the session was ready, s16le at the loudspeaker's rate."""
        return self._listener.loudspeaker.recording

    async def run(self, observe: Observer) -> None:
        """Hold the conversation until nothing more is to be expected; `observe` is told every event on the way.

        Raises:
            ParleyError: the gateway refuses, or ends the session.
        """
        self._observe = observe
        await self._listener.during(self._until_quiet)

    async def _until_quiet(self) -> None:
        """Wait until the recording and some silence have been sent, and all of it is answered and heard."""
        last = self._packets
        while (self._listener.packets - last) * PACKET_SECONDS < _LISTEN_ON_SECONDS:
            await asyncio.sleep(PACKET_SECONDS)
            if self._speaking or self._awaited:
                last = max(last, self._listener.packets)

    def _take(self, now: float, event: Event) -> None:
        match event:
            case UserSpeechStarted():
                self._speaking = True
            case UserUtterance():
                self._speaking = False
                self._awaited.add(event.turn)
            case UserDiscarded():
                self._speaking = False
            case TurnReport() if event.turn in self._awaited or event.turn == _GREETING:
                # A reminder is said in a turn that nobody waits for.
                self.turns += 1
                self._awaited.discard(event.turn)
            case _:
                pass
        self._observe(now, event)


def _ignore(_now: float, _event: Event) -> None:
    pass
