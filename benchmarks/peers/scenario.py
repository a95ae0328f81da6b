"""The scenario of `parley bench` on the wire, for servers that are no Parley's: PCM in, PCM out, and the few events.

A server lets everybody in, answers what was said with the same reply as Parley's scripted engines, and says at which
sample it decided that the turn was over, so that the same client measures all of them alike. Needs nothing but Python's
own library, since each server has an environment of its own.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Final

MIC_RATE_HZ: Final = 16_000
"""Of the microphone's PCM, and of the session's audio clock."""
REPLY_RATE_HZ: Final = 24_000
"""Of a reply's PCM."""
PATH: Final = "/v1/conversation"
"""Where sessions are opened."""
HEARD: Final = "what time is it"
"""The words of every turn."""
PIECES: Final = ("This", " is", " a", " scripted", " reply.", " It", " has", " two", " sentences.")
"""A language model's answer to every turn."""
SILENCE_SECONDS: Final = 0.3
"""The silence that ends every turn."""

_CHARACTER_SECONDS: Final = 0.06
_TONE_HZ: Final = 220
_LEVEL: Final = 6_000
_REPLY_PCM: Final = 17
_HEADER: Final = struct.Struct("<BBHIq")
_LOUD: Final = 2_000


@dataclass(slots=True)
class Replies:
    """The replies of one session, one after the other: what is said of each, and its sound."""

    number: int = 0
    """Of the reply that is being said, or was the last; 0: none yet."""
    decided_sample: int = 0
    """The sample of the audio clock that decided about the last turn."""
    _packets: int = 0
    _samples: int = 0

    def begin(self) -> str:
        """A reply begins; gives the event for its listener."""
        self.number += 1
        self._packets = self._samples = 0
        return json.dumps({"reply_started": {"reply": self.number, "turn": self.number}})

    def packet(self, pcm: bytes) -> bytes:
        """The binary frame of more of its sound."""
        head = _HEADER.pack(_REPLY_PCM, 0, self.number & 0xFFFF, self._packets, self._samples)
        self._packets += 1
        self._samples += len(pcm) // 2
        return head + pcm

    def end(self) -> str:
        """All of its sound was sent; gives the event."""
        return json.dumps({"reply_audio_end": {"reply": self.number, "samples": self._samples}})

    def answer(self, text: str) -> str | None:
        """What is said to a text frame of the listener: the session is ready, the turn is over, or nothing."""
        request = json.loads(text)
        if "configure" in request:
            return _READY
        if request.get("played", {}).get("final"):
            # As in Parley: a turn is over when its reply has been heard.
            report = {"turn": self.number, "reply": self.number, "outcome": "REPLY_OUTCOME_COMPLETED"}
            return json.dumps({"turn_report": report | {"decided_sample": self.decided_sample}})
        return None


def microphone(frame: bytes) -> bytes:
    """The PCM of a binary frame from the listener."""
    return frame[_HEADER.size :]


def is_loud(pcm: bytes) -> bool:
    """A voice is heard in it: what the bench says is a tone, or nothing at all."""
    # A period of its tone has 80 samples, so every fifth one is enough.
    return max(map(abs, memoryview(pcm).cast("h")[::5]), default=0) > _LOUD


def sound(text: str) -> bytes:
    """The tone that a text is spoken as."""
    samples = round(len(text) * _CHARACTER_SECONDS * REPLY_RATE_HZ)
    tone = [int(math.sin(2 * math.pi * _TONE_HZ * place / REPLY_RATE_HZ) * _LEVEL) for place in range(_PERIODS)]
    period = struct.pack(f"<{_PERIODS}h", *tone)
    return (period * (samples // _PERIODS + 1))[: 2 * samples]


# A whole number of periods.
_PERIODS: Final = REPLY_RATE_HZ // 20
_READY: Final = json.dumps(
    {
        "ready": {
            "session_id": "peer",
            "input": {"encoding": "AUDIO_ENCODING_PCM_S16LE", "sample_rate_hz": MIC_RATE_HZ},
            "output": {"encoding": "AUDIO_ENCODING_PCM_S16LE", "sample_rate_hz": REPLY_RATE_HZ},
            "language": "en",
            "lead_ms": 400,
            "max_packet_bytes": 11_520,
            "max_text_bytes": 65_536,
        }
    }
)
