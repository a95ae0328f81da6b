"""Plays the scenes of a sitting to the gateway, as a person with a microphone would, and notes what came of each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from parley.conversation import (
    PACKET_SECONDS,
    AudioPacket,
    CancelReply,
    Event,
    FlushPlayback,
    ReplyFinished,
    ReplyStarted,
    SessionConfig,
    UserText,
    UserUtterance,
)
from parley_cli.client import MIC_RATE_HZ, PACKET_SAMPLES, EventLog, Listener, WithoutSilence, capture, converse
from parley_cli.eval.compose import from_pcm, to_pcm
from parley_cli.eval.scenes import HARMLESS, INTERRUPTING, Kind, Scene, Sitting

if TYPE_CHECKING:
    from collections.abc import Callable

    from parley.conversation import Conversation
    from parley_cli.eval.compose import Sound

E = TypeVar("E")

# Something that takes the assistant several seconds to say.
_REQUEST: Final = "Tell me a story."
# What the air between loudspeaker and microphone takes, with their buffers.
_ECHO_DELAY_SECONDS: Final = 0.1
# After the end of speech, how long a turn may take to be taken.
_PATIENCE_SECONDS: Final = 5.0
_NOISE_PATIENCE_SECONDS: Final = 3.0
_REPLY_SECONDS: Final = 15.0
# How much of an answer is listened to before it is stopped.
_ENOUGH_SECONDS: Final = 0.6
_QUIET_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 6.0
# A simulated person speaks a little after they have decided to.
_LEAD_PACKETS: Final = 2


@dataclass(slots=True)
class Observed:
    """What came of a scene; times in seconds since the Unix epoch."""

    scene: Scene
    """The scene."""
    sitting: str
    """The session that it was in."""
    began: float = 0.0
    """When its first sample was captured."""
    ended: float = 0.0
    """When its last sample was captured."""
    events: list[tuple[float, Event]] = field(default_factory=list)
    """What the gateway said from the beginning of the scene to the beginning of the next."""
    reply: int = 0
    """The reply during which it happens; 0: none."""
    played_samples: int = 0
    """What had been played of that reply when it was flushed."""

    def of(self, kind: type[E]) -> list[tuple[float, E]]:
        """The events of one kind."""
        return [(at, event) for at, event in self.events if isinstance(event, kind)]


async def perform(url: str, sitting: Sitting, config: SessionConfig | None = None) -> list[Observed]:
    """Hold one session with the gateway whose page is at `url`; what came of each scene.

    `config` must say that playback is reported.

    Raises:
        Unavailable: nothing answers there, or the gateway ended the session.
    """
    async with converse(url) as conversation:
        return await _Stage(sitting, conversation, config).perform()


class _Stage:
    """One session's course."""

    def __init__(self, sitting: Sitting, conversation: Conversation, config: SessionConfig | None) -> None:
        # What is measured is what people with the page have.
        self._microphone = WithoutSilence(capture(self._packet))
        self._listener = Listener(conversation, self._microphone, self._take, config)
        self._sitting = sitting
        self._sound: Sound = np.zeros(0, dtype=np.float32)
        self._sound_from = 0
        self._observed = Observed(sitting.scenes[0], sitting.name)
        self._log = EventLog()
        self._replying = False

    async def perform(self) -> list[Observed]:
        """Hold the session."""
        return await self._listener.during(self._play)

    async def _play(self) -> list[Observed]:
        """All scenes, one after the other."""
        found = []
        await self._settle()
        for scene in self._sitting.scenes:
            self._observed = Observed(scene, self._sitting.name)
            found.append(self._observed)
            if scene.kind in (Kind.FLUENT, Kind.PAUSED, Kind.LONG_PAUSE):
                await self._ask(scene)
            elif scene.kind is Kind.NOISE:
                await self._until_said(scene, _NOISE_PATIENCE_SECONDS)
            else:
                await self._disturb(scene)
            await self._settle()
        return found

    def _packet(self, number: int) -> bytes:
        """Packet `number`: the room, what is being said, and the echo."""
        first = number * PACKET_SAMPLES
        room = self._sitting.room
        sound = np.take(room, np.arange(first, first + PACKET_SAMPLES), mode="wrap").astype(np.float32)
        start = first - self._sound_from
        if 0 <= start < len(self._sound):
            piece = self._sound[start : start + PACKET_SAMPLES]
            sound[: len(piece)] += piece
        if self._sitting.echo_db is not None:
            sound += self._echo() * 10 ** (self._sitting.echo_db / 20)
        return to_pcm(sound)

    def _take(self, now: float, event: Event) -> None:
        """Note what the gateway says."""
        self._microphone.take(event)
        if isinstance(event, AudioPacket):
            return
        if isinstance(event, ReplyStarted):
            self._replying = True
        elif isinstance(event, ReplyFinished):
            self._replying = False
        elif isinstance(event, FlushPlayback) and event.reply == self._observed.reply:
            self._observed.played_samples = self._listener.loudspeaker.played_samples
        self._observed.events.append((now, event))
        self._log(now, event)

    def _echo(self) -> Sound:
        speaker, now = self._listener.loudspeaker, self._listener.now()
        speaker.advance(now)
        rate = speaker.sample_rate_hz
        samples = round(PACKET_SECONDS * rate)
        first = round((now - _ECHO_DELAY_SECONDS - speaker.began_seconds) * rate) - samples
        return np.repeat(from_pcm(speaker.recorded(first, samples)), MIC_RATE_HZ // rate)

    def _say(self, scene: Scene) -> None:
        self._sound, self._sound_from = scene.sound, (self._listener.packets + _LEAD_PACKETS) * PACKET_SAMPLES
        self._observed.began = self._listener.captured_at(self._sound_from)
        self._observed.ended = self._listener.captured_at(self._sound_from + len(scene.sound))

    async def _until_said(self, scene: Scene, more_seconds: float = 0.0) -> None:
        self._say(scene)
        await asyncio.sleep(max(0.0, self._observed.ended + more_seconds - self._listener.now()))

    async def _ask(self, scene: Scene) -> None:
        """Say it, wait for the answer, listen to a little of it."""
        await self._until_said(scene)
        ended = self._observed.ended
        taken = await self._until(lambda: self._has(UserUtterance, ended), _PATIENCE_SECONDS)
        if taken and await self._until(lambda: self._has(ReplyStarted, ended), _PATIENCE_SECONDS):
            await asyncio.sleep(_ENOUGH_SECONDS)

    async def _disturb(self, scene: Scene) -> None:
        """Have a story told, and speak or make a noise into it."""
        await self._listener.send(UserText(_REQUEST))
        if not await self._until(lambda: self._has(ReplyStarted, 0.0), _PATIENCE_SECONDS):
            return
        self._observed.reply = self._observed.of(ReplyStarted)[-1][1].reply
        await asyncio.sleep(scene.after_seconds)
        self._say(scene)
        if scene.kind in INTERRUPTING:
            limit = self._observed.ended - self._listener.now() + _PATIENCE_SECONDS
            await self._until(lambda: self._has(FlushPlayback, 0.0), limit)
            await self._until(lambda: self._has(ReplyFinished, 0.0), _PATIENCE_SECONDS)
            await asyncio.sleep(max(0.0, self._observed.ended - self._listener.now()))
        elif scene.kind is Kind.ECHO:
            await self._until(lambda: self._has(ReplyFinished, 0.0), _REPLY_SECONDS)
        elif scene.kind in HARMLESS:
            await asyncio.sleep(max(0.0, self._observed.ended + 1.5 - self._listener.now()))

    def _has(self, kind: type[object], since: float) -> bool:
        return any(at >= since and isinstance(event, kind) for at, event in self._observed.events)

    async def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._log.until(true)
        except TimeoutError:
            return False
        return True

    async def _settle(self) -> None:
        """Stop what is being said, and wait until nothing more comes."""
        began, asked = self._listener.now(), False
        while self._listener.now() < began + _SETTLE_SECONDS:
            if self._replying and not asked:
                asked = True
                await self._listener.send(CancelReply())
            quiet = self._listener.now() - (self._log.events[-1][0] if self._log.events else began)
            if not self._replying and quiet >= _QUIET_SECONDS:
                return
            await asyncio.sleep(max(PACKET_SECONDS, min(_QUIET_SECONDS - quiet, _QUIET_SECONDS)))
            asked = asked and self._replying
