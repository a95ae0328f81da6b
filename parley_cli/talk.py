"""`parley talk`: speaks a recording to the gateway as a browser would, and shows where the time went."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parley._duplex import first_of
from parley.audio import SAMPLE_BYTES, decode_file, write_wav
from parley.conversation import (
    ErrorEvent,
    Event,
    SessionConfig,
    TurnReport,
    UserDiscarded,
    UserSpeechStarted,
    UserUtterance,
)
from parley.errors import InvalidInput
from parley_cli.client.listener import PACKET_SECONDS, REPLY_RATE_HZ, Listener
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES
from parley_cli.client.socket import Conversation, converse
from parley_cli.waterfall import draw

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKET_BYTES: Final = PACKET_SAMPLES * SAMPLE_BYTES
# Longer than the longest silence that a turn may need, so that nothing said at the end of the file goes unanswered.
_LISTEN_ON_SECONDS: Final = 2.6
# A person asks "Do you hear me?" in the first seconds of it.
_DEFAULT_RECORDING: Final = ("moonshine_voice", "assets/endgame_nagg_nell.wav")
_DEFAULT_SECONDS: Final = 1.7


async def talk(url: str, file: str | None, *, out: str | None, as_json: bool) -> int:
    """Speak `file` to the gateway at `url`; print each turn, and write what was heard to `out`.

    Returns 0, or 1 when a server failed on the way.
    """
    pcm = decode_file(file or default_recording(), MIC_RATE_HZ)
    if file is None:
        pcm = pcm[: round(_DEFAULT_SECONDS * MIC_RATE_HZ) * SAMPLE_BYTES]
    async with converse(url) as conversation:
        talker = Talker(conversation, pcm)
        failures: list[ErrorEvent] = []

        def show(event: Event) -> None:
            if isinstance(event, TurnReport):
                print(json.dumps(as_object(event), ensure_ascii=False) if as_json else draw(event), flush=True)
            elif isinstance(event, ErrorEvent):
                failures.append(event)
                print(f"parley: {event.hop}: {event.message}", file=sys.stderr)

        try:
            await talker.run(show)
        except BaseExceptionGroup as group:
            raise first_of(group) from None
    if out:
        write_wav(out, talker.heard(), REPLY_RATE_HZ)
    if not talker.turns and not as_json:
        print("No speech was heard in this recording.")
    return 1 if failures else 0


def default_recording() -> Path:
    """A recording of a person that comes with an engine of the embedded profile.

    Raises:
        InvalidInput: that engine is not installed here.
    """
    package, path = _DEFAULT_RECORDING
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InvalidInput("no recording comes with this installation: name a FILE", field="file")
    return Path(spec.origin).parent / path


def as_object(report: TurnReport) -> dict[str, object]:
    """A turn as `--json` prints it."""
    return {
        "turn": report.turn,
        "transcript": report.transcript,
        "reply": report.reply_text,
        "heard": report.heard,
        "mic_to_speaker_ms": None if report.mic_to_speaker_ms is None else round(report.mic_to_speaker_ms, 1),
        "waterfall": [
            {"name": each.name, "start_ms": round(each.start_ms, 1), "duration_ms": round(each.duration_ms, 1)}
            for each in report.waterfall
        ],
        "explained": round(report.explained, 3),
        "trace_id": report.trace_id,
        "outcome": report.outcome.name.lower(),
        "head_start": report.head_start,
        "waited_ms": round(report.waited_ms),
        "beyond_need_ms": round(report.beyond_need_ms),
        "too_early": report.too_early,
    }


class Talker:
    """One conversation: a recording as the microphone, a `Playback` as the loudspeaker."""

    def __init__(self, conversation: Conversation, pcm: bytes, config: SessionConfig | None = None) -> None:
        """Speak `pcm`, s16le mono at 48 kHz, when the session is ready; `config` must say that playback is reported."""
        config = config or SessionConfig(reports_playback=True)
        self._listener = Listener(conversation, self._packet, config, self._take)
        self._pcm = pcm
        self._show: Callable[[Event], None] = _ignore
        self._speaking = False
        self._awaited = 0
        self.turns = 0

    def heard(self) -> bytes:
        """What a listener would have heard, s16le at 24 kHz, from the session's start."""
        return self._listener.playback.recording

    async def run(self, show: Callable[[Event], None]) -> None:
        """Hold the conversation until nothing more is to be expected; `show` gets every event on the way."""
        self._show = show
        await self._listener.during(self._until_quiet)

    def _packet(self, number: int) -> bytes:
        return self._pcm[number * _PACKET_BYTES : (number + 1) * _PACKET_BYTES].ljust(_PACKET_BYTES, b"\0")

    async def _until_quiet(self) -> None:
        """Wait until the recording and some silence have been sent, and all of it is answered and heard."""
        last = -(-len(self._pcm) // _PACKET_BYTES)
        while (self._listener.packets - last) * PACKET_SECONDS < _LISTEN_ON_SECONDS:
            await asyncio.sleep(PACKET_SECONDS)
            if self._speaking or self._awaited:
                last = max(last, self._listener.packets)

    def _take(self, _now: float, event: Event) -> None:
        match event:
            case UserSpeechStarted():
                self._speaking = True
            case UserUtterance():
                self._speaking = False
                self._awaited += 1
            case UserDiscarded():
                self._speaking = False
            case TurnReport():
                self.turns += 1
                self._awaited = max(0, self._awaited - 1)
            case _:
                pass
        self._show(event)


def _ignore(_event: Event) -> None:
    pass
