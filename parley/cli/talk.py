"""`parley talk`: speaks a recording to the gateway as a browser would, and shows where the time went."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parley._duplex import first_of
from parley.audio import SAMPLE_BYTES, decode_file, write_wav
from parley.cli.opus import MIC_RATE_HZ, PACKET_SAMPLES, PacketDecoder, PacketEncoder
from parley.cli.playback import Playback
from parley.cli.socket import Conversation, converse
from parley.cli.waterfall import draw
from parley.conversation import (
    AudioPacket,
    ClientMark,
    Duck,
    ErrorEvent,
    Event,
    FlushPlayback,
    MarkKind,
    Ping,
    Played,
    Pong,
    ReplyAudioEnd,
    ReplyStarted,
    SessionConfig,
    SessionReady,
    TurnReport,
    UserDiscarded,
    UserSpeechStarted,
    UserUtterance,
)
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKET_SECONDS: Final = PACKET_SAMPLES / MIC_RATE_HZ
_REPORT_SECONDS: Final = 0.1
_REPLY_RATE_HZ: Final = 24_000
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
        write_wav(out, talker.heard(), _REPLY_RATE_HZ)
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
    }


class Talker:
    """One conversation: a recording as the microphone, a `Playback` as the loudspeaker."""

    def __init__(self, conversation: Conversation, pcm: bytes, config: SessionConfig | None = None) -> None:
        """Speak `pcm`, s16le mono at 48 kHz, when the session is ready; `config` must say that playback is reported."""
        self._config = config or SessionConfig(reports_playback=True)
        self._conversation = conversation
        self._pcm = pcm
        self._began = time.time()
        self._playback = Playback(_REPLY_RATE_HZ, self._began)
        self._decoder = PacketDecoder(_REPLY_RATE_HZ)
        self._speaking = False
        self._awaited = 0
        self._reported: set[MarkKind] = set()
        self._final_sent = True
        self._ready = asyncio.Event()
        self.turns = 0

    def heard(self) -> bytes:
        """What a listener would have heard, s16le at 24 kHz, from the session's start."""
        return self._playback.recording

    async def run(self, show: Callable[[Event], None]) -> None:
        """Hold the conversation until nothing more is to be expected; `show` gets every event on the way."""
        await self._conversation.send(self._config)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen(show))
            await self._ready.wait()
            reporting = tasks.create_task(self._report())
            await self._speak()
            listening.cancel()
            reporting.cancel()

    async def _speak(self) -> None:
        """Send the recording, then silence, one packet every 20 ms, until all is answered and heard."""
        encoder = PacketEncoder()
        size = PACKET_SAMPLES * SAMPLE_BYTES
        packets = -(-len(self._pcm) // size)
        began, number = time.time(), 0
        quiet_since = began
        while True:
            captured = began + number * _PACKET_SECONDS
            await asyncio.sleep(max(0.0, captured + _PACKET_SECONDS - time.time()))
            pcm = self._pcm[number * size : (number + 1) * size].ljust(size, b"\0")
            await self._conversation.send(AudioPacket(encoder.encode(pcm), number, round(captured * 1e6)))
            number += 1
            if number < packets or self._speaking or self._awaited:
                quiet_since = captured
            elif captured - quiet_since > _LISTEN_ON_SECONDS:
                return

    async def _report(self) -> None:
        """Tell the gateway what has been played, ten times a second."""
        playback = self._playback
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            playback.advance(time.time())
            if playback.reply and not self._final_sent:
                await self._tell_played()
                await self._tell_marks()

    async def _tell_played(self) -> None:
        playback = self._playback
        self._final_sent = playback.finished
        at = round(time.time() * 1e6)
        await self._conversation.send(
            Played(playback.reply, playback.played_samples, at, playback.underruns, final=playback.finished)
        )

    async def _tell_marks(self) -> None:
        playback = self._playback
        times = {
            MarkKind.FIRST_PACKET: playback.first_packet_seconds,
            MarkKind.FIRST_RENDERED: playback.first_rendered_seconds,
            # A file has no output latency: what leaves the buffer can be heard.
            MarkKind.FIRST_AUDIBLE: playback.first_rendered_seconds,
        }
        for kind, seconds in times.items():
            if seconds is not None and kind not in self._reported:
                self._reported.add(kind)
                await self._conversation.send(ClientMark(kind, playback.reply, round(seconds * 1e6)))

    async def _listen(self, show: Callable[[Event], None]) -> None:
        async for event in self._conversation.events():
            await self._handle(event, time.time())
            if not isinstance(event, AudioPacket):
                show(event)

    async def _handle(self, event: Event, now: float) -> None:
        match event:
            case SessionReady():
                self._ready.set()
            case Ping():
                at = round(now * 1e6)
                await self._conversation.send(Pong(event.id, at, round(time.time() * 1e6)))
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
            case ErrorEvent() if not self._ready.is_set() and not event.retryable:
                raise InvalidInput(event.message, field=event.field)
            case _:
                await self._play(event, now)

    async def _play(self, event: Event, now: float) -> None:
        playback = self._playback
        match event:
            case AudioPacket():
                playback.push(self._decoder.decode(event.data), now)
            case ReplyStarted():
                self._decoder = PacketDecoder(_REPLY_RATE_HZ)
                playback.begin(event.reply)
                self._reported, self._final_sent = set(), False
            case ReplyAudioEnd():
                playback.end(now)
            case Duck():
                playback.gain(event.gain_db, now)
            case FlushPlayback():
                playback.flush(now)
                await self._tell_marks()
                await self._tell_played()
            case _:
                pass
