"""The first minutes with Parley, by voice: what it answers, how soon, and how well its voice is understood.

    PYTHONPATH=. python benchmarks/first_minute.py LIST.tsv --voice en_US-joe-medium.onnx [--profile embedded]

Starts a Parley of its own, with nothing configured, and has a Piper voice ask what is in the list, one after the other
in one session, as soon as the answer to the last was heard. Told are the resident memory of the idle processes (each
page that they share is counted once), and for each line what was understood, what was said, whether the pattern accepts
it, and the time from the end of speech to the first sound, as the page shows it. What came out of the loudspeaker is
transcribed again by Moonshine: words wrong are those that it hears otherwise, with both sides written as they are said.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engines.moonshine.engine import MoonshineEngine
from parley.audio import resample, to_float32
from parley.conversation import Ping, ReplyFinished, ReplyStarted, ReplyText, SessionConfig, TurnReport, UserUtterance
from parley_cli.client import MIC_RATE_HZ, PACKET_SAMPLES, EventLog, Listener, converse, encoded
from parley_cli.eval.compose import at_speech_level, from_pcm, room, to_pcm
from parley_cli.eval.score import word_errors
from parley_cli.percentiles import percentile
from serving.config import read
from tests.end_to_end.whole import open_house
from tts_server.config import TtsConfig
from tts_server.engine import Audio, SpeechRequest
from tts_server.engines import open_engine
from tts_server.text.normalize import normalize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parley.conversation import Event
    from parley_cli.eval.compose import Sound

# What people take to go on, and how long they wait.
BREATH_SECONDS: Final = 0.7
PATIENCE_SECONDS: Final = 20.0
QUIET: Final = np.zeros(4_800, dtype=np.float32)
EAR_RATE_HZ: Final = 16_000


@dataclass(frozen=True, slots=True)
class Line:
    """What is asked, and which answers are accepted."""

    said: str
    accepted: re.Pattern[str]


@dataclass(slots=True)
class Answered:
    """What came of a line."""

    line: Line
    understood: str = ""
    replies: list[str] = field(default_factory=list)
    reports: list[TurnReport] = field(default_factory=list)
    heard: Sound = field(default_factory=lambda: QUIET)

    @property
    def reply(self) -> str:
        return "".join(self.replies).strip()

    @property
    def accepted(self) -> bool:
        return self.line.accepted.search(self.reply) is not None


def lines_of(file: Path) -> list[Line]:
    """The lines of a list."""
    rows = [row.split("\t") for row in file.read_text(encoding="utf-8").splitlines() if not row.startswith("#")]
    return [Line(said, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for said, pattern in rows]


def spoken(voice_file: Path, lines: Sequence[Line]) -> list[Sound]:
    """What the microphone hears of each line."""
    engine = open_engine(read(TtsConfig, {"PARLEY_TTS_ENGINE": "piper", "PARLEY_TTS_VOICE": str(voice_file)}))
    voice = engine.load()[0]
    sounds = []
    for line in lines:
        text = normalize(line.said, language=voice.language).text
        events = engine.speak(SpeechRequest(text, voice, 1.0), threading.Event()) if text else ()
        pcm = b"".join(event.pcm for event in events if isinstance(event, Audio))
        sound = from_pcm(resample(pcm, voice.sample_rate_hz, MIC_RATE_HZ))
        sounds.append(at_speech_level(sound) if len(sound) else sound)
    return sounds


class Newcomer:
    """Somebody who asks one thing after the other."""

    def __init__(self, lines: Sequence[Line], sounds: Sequence[Sound]) -> None:
        self._asked = list(zip(lines, sounds, strict=True))
        self._room = room(5.0, np.random.default_rng(1))
        self._sound: Sound = np.zeros(0, dtype=np.float32)
        self._sound_from = 0
        self._log = EventLog()

    async def talk(self, url: str) -> list[Answered]:
        """Have the conversation."""
        async with converse(url) as conversation:
            microphone = encoded(self._microphone)
            listener = Listener(
                conversation, microphone, self._log, SessionConfig(reports_playback=True, adaptive_ptime=True)
            )
            return await listener.during(lambda: self._all(listener))

    async def _all(self, listener: Listener) -> list[Answered]:
        answers = []
        for line, sound in self._asked:
            answers.append(await self._one(listener, line, sound))
        return answers

    async def _one(self, listener: Listener, line: Line, sound: Sound) -> Answered:
        # What is said unasked may begin at any moment.
        exchange, heard_from = _Exchange(self._log, line), len(listener.loudspeaker.recording)
        await asyncio.sleep(BREATH_SECONDS)
        self._sound, self._sound_from = sound, (listener.packets + 2) * PACKET_SAMPLES
        ended = listener.captured_at(self._sound_from + len(sound))
        await asyncio.sleep(max(0.0, ended - listener.now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await exchange.over()
        speaker = listener.loudspeaker
        speaker.advance(listener.now())
        recording = resample(speaker.recording[heard_from:], speaker.sample_rate_hz, EAR_RATE_HZ)
        return exchange.found(np.concatenate([QUIET, to_float32(recording), QUIET]))

    def _microphone(self, number: int) -> bytes:
        first = number * PACKET_SAMPLES
        sound = np.take(self._room, np.arange(first, first + PACKET_SAMPLES), mode="wrap").astype(np.float32)
        start = first - self._sound_from
        if 0 <= start < len(self._sound):
            piece = self._sound[start : start + PACKET_SAMPLES]
            sound[: len(piece)] += piece
        return to_pcm(sound)


class _Exchange:
    """A question and what is said to it; it may be taken for two."""

    def __init__(self, log: EventLog, line: Line) -> None:
        self._log = log
        self._line = line
        self._first = len(log.events)

    async def over(self) -> None:
        """Return when it is answered, and nothing was said for as long as somebody takes who is not finished."""
        seen = -1
        while not self._answered() or seen != len(self._events()):
            await self._log.until(self._answered)
            seen = len(self._events())
            await asyncio.sleep(BREATH_SECONDS)

    def found(self, heard: Sound) -> Answered:
        """What came of it; `heard` came out of the loudspeaker."""
        answered, last = Answered(self._line, heard=heard), 0
        for event in self._events():
            match event:
                case UserUtterance():
                    answered.understood = f"{answered.understood} {event.text}".strip()
                case ReplyText():
                    answered.replies.append(event.text if event.reply == last else f" {event.text}")
                    last = event.reply
                case TurnReport():
                    answered.reports.append(event)
                case _:
                    pass
        return answered

    def _events(self) -> list[Event]:
        return [event for _, event in self._log.events[self._first :] if not isinstance(event, Ping)]

    def _answered(self) -> bool:
        """All that was taken for a turn has had its reply."""
        events = self._events()
        turns = {event.turn for event in events if isinstance(event, UserUtterance)}
        over = {event.turn for event in events if isinstance(event, TurnReport)}
        begun = sum(isinstance(event, ReplyStarted) for event in events)
        ended = sum(isinstance(event, ReplyFinished) for event in events)
        return turns <= over and begun == ended > 0 and bool(turns or not self._line.said)


def memory_mb(process: int) -> float:
    """What a process and all that it started hold: their proportional set size."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    rows = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    [own] = re.findall(r"^Pss:\s+(\d+) kB", rows, re.MULTILINE)
    return int(own) / 1024 + sum(memory_mb(int(child)) for child in children)


def as_said(text: str) -> str:
    """Words as they are compared: short forms are the same as long ones."""
    return normalize(text, language="en-US").text.replace("can't", "cannot").replace("n't", " not")


def words_wrong(answers: Sequence[Answered]) -> float:
    """Share of the words said that are heard otherwise; those of each reply are printed."""
    ear = MoonshineEngine()
    ear.load()
    recognizer = ear.recognizer("en", ())
    wrong = words = 0
    for each in answers:
        heard = recognizer.transcribe(each.heard, final=True).text
        said, found = (as_said(text) for text in (each.reply, heard))
        errors, count = word_errors(said, found)
        if errors:
            print(f"  {errors} of {count}: {said!r}\n      heard: {found!r}")
        wrong, words = wrong + errors, words + count
    return wrong / words


def tell(answers: Sequence[Answered]) -> None:
    """Print a row for each line, and the sums."""
    print("| said | understood | answer | accepted | mic to speaker ms |\n|---|---|---|---|---|")
    for each in answers:
        waits = ", ".join(f"{report.mic_to_speaker_ms:.0f}" for report in each.reports if report.mic_to_speaker_ms)
        row = (each.line.said, each.understood, each.reply, "yes" if each.accepted else "NO", waits)
        print("| " + " | ".join(" ".join(cell.split()) for cell in row) + " |")
    latencies = [report.mic_to_speaker_ms for each in answers for report in each.reports if report.mic_to_speaker_ms]
    print(
        f"accepted {sum(each.accepted for each in answers)} of {len(answers)}; mic to speaker p50 "
        f"{percentile(latencies, 0.5):.0f} ms, p95 {percentile(latencies, 0.95):.0f} ms, of {len(latencies)} turns"
    )


async def run(lines: Sequence[Line], sounds: Sequence[Sound], profile: str) -> list[Answered]:
    """Start Parley, and have the conversation."""
    async with open_house(profile, PARLEY_LLM_DISCOVER="off") as parley:
        print(f"idle memory {memory_mb(parley.process.pid):.0f} MB")
        return await Newcomer(lines, sounds).talk(parley.url)


def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path, metavar="LIST.tsv")
    parser.add_argument("--voice", type=Path, required=True, metavar="FILE.onnx", help="the Piper voice that asks")
    parser.add_argument("--profile", default="embedded")
    given = parser.parse_args()
    lines = lines_of(given.list)
    answers = asyncio.run(run(lines, spoken(given.voice, lines), given.profile))
    tell(answers)
    print(f"words wrong {words_wrong(answers):.1%}")


if __name__ == "__main__":
    main()
