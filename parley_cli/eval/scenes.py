"""The standard set: what is said in each session of an evaluation, and what ought to come of it.

Knows nothing of how it is spoken or judged; the same clips and seed give the same scenes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from parley_cli.client import MIC_RATE_HZ
from parley_cli.eval import compose

if TYPE_CHECKING:
    from parley_cli.eval.clips import Clip, Clips
    from parley_cli.eval.compose import Sound

# Pauses within a turn that a listener must sit through.
_PAUSES_SECONDS: Final = (0.2, 0.3, 0.4, 0.5, 0.6)
_TURNS_A_SESSION: Final = 12
# Gaps shorter than this lie between words; somebody who makes none longer speaks in one breath.
_BREATH_SECONDS: Final = 0.3
_SNRS_DB: Final = (None, 25.0, 20.0, 15.0)
_LONGEST_INTERRUPTION_SECONDS: Final = 3.5

T = TypeVar("T")


class Kind(enum.Enum):
    """What happens in a scene."""

    FLUENT = enum.auto()
    """Somebody says something in one breath."""
    PAUSED = enum.auto()
    """Somebody pauses within what they say, for 0.6 s at most."""
    LONG_PAUSE = enum.auto()
    """Somebody pauses for longer."""
    NOISE = enum.auto()
    """No speech while nobody speaks."""
    INTERRUPTION = enum.auto()
    """Somebody speaks into a reply."""
    STOP = enum.auto()
    """Somebody says stop, or the like, into a reply."""
    BACKCHANNEL = enum.auto()
    """Somebody says yeah, or the like, into a reply."""
    DISTURBANCE = enum.auto()
    """A noise during a reply."""
    ECHO = enum.auto()
    """The reply comes back through the microphone."""


INTERRUPTING: Final = (Kind.INTERRUPTION, Kind.STOP)
HARMLESS: Final = (Kind.BACKCHANNEL, Kind.DISTURBANCE, Kind.ECHO)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One thing that happens."""

    kind: Kind
    """What it is."""
    name: str
    """Which recordings it is made of."""
    sound: Sound
    """What the microphone hears; speech begins at its first sample and ends at its last."""
    words: str = ""
    """What is said."""
    after_seconds: float = 0.0
    """How long after the first audible sample of a reply it happens, where it happens during one."""


@dataclass(frozen=True, slots=True, eq=False)
class Sitting:
    """One session: one person in one room."""

    name: str
    """What to call it."""
    scenes: tuple[Scene, ...]
    """What happens in it, one after the other."""
    room: Sound
    """What the microphone hears all the time, over and over."""
    echo_db: float | None = None
    """How loud the reply comes back through the microphone; None: not at all."""


def standard(clips: Clips, seed: int, share: float = 1.0) -> tuple[Sitting, ...]:
    """The standard set; a `share` below 1 leaves out scenes of every kind."""
    chance = np.random.default_rng(seed)

    def some(scenes: list[Scene]) -> list[Scene]:
        return scenes[: max(2, round(len(scenes) * share))]

    plan = (
        ("fluent", some(_fluent(clips, chance))),
        ("hesitant", some(_paused(clips, chance))),
        ("long pauses", some(_long_pauses(clips))),
        ("noise", some(_noises(clips, chance))),
        ("interruption", some(_interruptions(clips, chance))),
        ("no interruption", some(_disturbances(clips, chance))),
    )
    sittings = [
        _sitting(name, number, tuple(scenes), chance)
        for name, all_scenes in plan
        for number, scenes in enumerate(_sessions(all_scenes))
    ]
    echoes = some([Scene(Kind.ECHO, "echo", compose.silence(3.0), after_seconds=0.1) for _ in range(6)])
    room = compose.room(5.0, chance)
    return (*sittings, *(Sitting(f"echo {number}", (each,), room, -18.0) for number, each in enumerate(echoes)))


def in_one_breath(clip: Clip) -> bool:
    """Whether it is said without a pause."""
    return compose.longest_pause_seconds(clip.sound) < _BREATH_SECONDS


def _sitting(name: str, number: int, scenes: tuple[Scene, ...], chance: np.random.Generator) -> Sitting:
    snr_db = _SNRS_DB[number % len(_SNRS_DB)]
    return Sitting(f"{name} {number}", scenes, compose.room(5.0, chance, snr_db))


def _fluent(clips: Clips, chance: np.random.Generator) -> list[Scene]:
    """What is said in one breath, over and over: seventy-two turns."""
    fluent = tuple(filter(in_one_breath, clips.speech))
    order = [clip for _ in range(4) for clip in _shuffled(fluent, chance)]
    return [Scene(Kind.FLUENT, clip.name, clip.sound, clip.words) for clip in islice(cycle(order), 72)]


def _paused(clips: Clips, chance: np.random.Generator) -> list[Scene]:
    """Thirty-six turns with an inner pause: between two things said, within one where the voice falls, or their own."""
    spoken = tuple(filter(in_one_breath, clips.speech))
    joined = _shuffled(spoken, chance)
    pairs = zip(joined, joined[1:] + joined[:1], strict=True)
    between = [(f"{a.name} + {b.name}", a.sound, b.sound, f"{a.words} {b.words}") for a, b in pairs]
    within = []
    for clip in _shuffled(spoken, chance):
        at = compose.lull(clip.sound)
        if at is not None:
            within.append((clip.name, clip.sound[:at], clip.sound[at:], clip.words))
    own = [
        Scene(Kind.PAUSED, clip.name, clip.sound, clip.words)
        for clip in clips.speech
        if _BREATH_SECONDS <= compose.longest_pause_seconds(clip.sound) <= _PAUSES_SECONDS[-1]
    ]
    scenes: list[Scene] = []
    for number, (name, before, after, words) in enumerate(islice(cycle(_alternately(between, within)), 36 - len(own))):
        pause = _PAUSES_SECONDS[number % len(_PAUSES_SECONDS)]
        sound = compose.with_pause(before, pause, after)
        scenes.append(Scene(Kind.PAUSED, f"{name}, {pause:.1f} s", sound, words))
    return list(_alternately(scenes, own))


def _long_pauses(clips: Clips) -> list[Scene]:
    return [
        Scene(Kind.LONG_PAUSE, clip.name, clip.sound, clip.words)
        for clip in clips.speech
        if compose.longest_pause_seconds(clip.sound) > _PAUSES_SECONDS[-1]
    ]


def _noises(clips: Clips, chance: np.random.Generator) -> list[Scene]:
    made = [
        ("cough", compose.cough(chance)),
        ("knocks", compose.knocks(chance)),
        ("typing", compose.typing(chance)),
        ("silence", compose.silence(10.0)),
    ]
    recorded = [(clip.name, clip.sound) for clip in clips.noises]
    return [Scene(Kind.NOISE, name, sound) for name, sound in made + recorded]


def _interruptions(clips: Clips, chance: np.random.Generator) -> list[Scene]:
    brief = [each for each in clips.speech if len(each.sound) <= _LONGEST_INTERRUPTION_SECONDS * MIC_RATE_HZ]
    speech = [(Kind.INTERRUPTION, clip) for clip in islice(cycle(_shuffled(tuple(brief), chance)), 24)]
    stops = [(Kind.STOP, clip) for clip in islice(cycle(clips.stops), 6)]
    scenes = [
        Scene(kind, clip.name, clip.sound, clip.words, _moment(chance)) for kind, clip in _alternately(speech, stops)
    ]
    return scenes if brief else scenes[:0]


def _disturbances(clips: Clips, chance: np.random.Generator) -> list[Scene]:
    backchannels = [
        Scene(Kind.BACKCHANNEL, clip.name, clip.sound, clip.words, _moment(chance))
        for clip in cycle_of(clips.backchannels, 8)
    ]
    noises = [
        Scene(Kind.DISTURBANCE, name, sound, after_seconds=_moment(chance))
        for name, sound in [
            ("cough", compose.cough(chance)),
            ("knocks", compose.knocks(chance)),
            ("typing", compose.typing(chance)),
            *((clip.name, clip.sound[: 3 * MIC_RATE_HZ]) for clip in clips.noises),
        ]
    ]
    return list(_alternately(backchannels, noises))


def _moment(chance: np.random.Generator) -> float:
    return float(chance.uniform(0.3, 3.0))


def cycle_of(clips: tuple[Clip, ...], count: int) -> list[Clip]:
    """So many of the clips, over and over."""
    return list(islice(cycle(clips), count))


def _shuffled(clips: tuple[Clip, ...], chance: np.random.Generator) -> list[Clip]:
    return [clips[place] for place in chance.permutation(len(clips))]


def _sessions(scenes: list[Scene]) -> list[list[Scene]]:
    return [scenes[start : start + _TURNS_A_SESSION] for start in range(0, len(scenes), _TURNS_A_SESSION)]


def _alternately(first: list[T], second: list[T]) -> list[T]:
    """Both lists, so mixed that any beginning holds its share of each."""
    lists = (first, second)
    places = [
        ((place + 0.5) / len(each), number, place) for number, each in enumerate(lists) for place in range(len(each))
    ]
    return [lists[number][place] for _, number, place in sorted(places)]
