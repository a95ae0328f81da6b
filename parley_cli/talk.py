"""`parley talk`: speaks a recording to the gateway as a browser would, and shows where the time went."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import Final

from parley.audio import SAMPLE_BYTES, write_wav
from parley.conversation import ErrorEvent, Event, TurnReport
from parley.errors import InvalidInput, WrongState
from parley_cli.arguments import sound, target
from parley_cli.client import MIC_RATE_HZ, Talker, converse
from parley_cli.terminal import block, to_json
from parley_cli.waterfall import draw

# A person asks "Do you hear me?" in the first seconds of it.
_DEFAULT_RECORDING: Final = ("moonshine_voice", "assets/endgame_nagg_nell.wav")
DEFAULT_SECONDS: Final = 1.7
"""How much of it one question is."""


async def talk(url: str, file: str | None, *, out: str | None, as_json: bool) -> int:
    """Speak `file` to the gateway at `url`; print each turn, and write what was heard to `out`.

    Returns 0, or 1 when a server failed on the way.
    """
    if out is not None:
        target(out)
    pcm = sound(file or default_recording(), MIC_RATE_HZ)
    if file is None:
        pcm = pcm[: round(DEFAULT_SECONDS * MIC_RATE_HZ) * SAMPLE_BYTES]
    async with converse(url) as conversation:
        talker = Talker(conversation, pcm)
        failures: list[ErrorEvent] = []

        def show(_now: float, event: Event) -> None:
            if isinstance(event, TurnReport):
                print(to_json(as_object(event)) if as_json else draw(event, block()), flush=True)
            elif isinstance(event, ErrorEvent):
                failures.append(event)
                print(f"parley: {event.hop}: {event.message}", file=sys.stderr)

        try:
            await talker.run(show)
        finally:
            # However it ended, what was heard until then was heard.
            if out is not None:
                _keep(out, talker)
    if not talker.turns and not as_json:
        print("No speech was heard in this recording.")
    return 1 if failures else 0


def _keep(out: str, talker: Talker) -> None:
    """Write what a listener would have heard, if there was a session."""
    with contextlib.suppress(WrongState):
        write_wav(out, talker.heard(), talker.loudspeaker.sample_rate_hz)


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
