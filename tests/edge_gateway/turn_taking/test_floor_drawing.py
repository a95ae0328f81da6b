"""The machine that ARCHITECTURE.md shows is that of `floor.py`: every arrow of one is an arrow of the other."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_gateway.turn_taking.echo import MicrophoneLevels
from edge_gateway.turn_taking.events import (
    Answer,
    Duck,
    Ignore,
    Interrupt,
    ReplyAudible,
    ReplyEnded,
    Restore,
    Tick,
    TurnLost,
    TurnPolicy,
)
from edge_gateway.turn_taking.floor import Floor, Free, Speculating, Thinking
from parley.conversation import CancelReply, UserText
from tests.edge_gateway.turn_taking.hearing import (
    NOTHING,
    PACKET_SECONDS,
    REPLY,
    RESUMED,
    ROOM_DB,
    VOICE,
    eager,
    over,
    speech,
    stopped,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edge_gateway.turn_taking.events import Action, Event
    from edge_gateway.turn_taking.overlap import Overlap

ARCHITECTURE = Path(__file__).parents[3] / "ARCHITECTURE.md"
# A request, a stop word, a backchannel, an echo, and a word too short to interrupt.
SAID = (("turn it off", 0.8), ("stop", 0.2), ("mhm", 0.4), ("times eight is fifty six", 1.2), ("well", 0.2))
EVENTS: Final[tuple[Event, ...]] = (
    VOICE,
    speech(0.35),
    stopped(0.4),
    RESUMED,
    NOTHING,
    TurnLost(),
    UserText("some typed words"),
    CancelReply(),
    Tick(),
    *(eager(text) for text in ("turn it off", "turn it on")),
    *(words(text, voiced) for text, voiced in SAID),
    *(over(text, voiced) for text, voiced in SAID),
)
# What is heard before an event, of a room in which a reply comes back at -38 dB, and ducked at -56 dB; and how long.
SOUNDS: Final = ((ROOM_DB, 0.0), (ROOM_DB, 1.1), (-38.0, 0.14), (-56.0, 0.4), (-38.0, 0.6))
FLOOR_STATES: Final = {"Free", "Speculating", "Thinking", "Held", "Speaking"}
OVERLAP_STATES: Final = {"None", "Ducked", "At full"}
# What is done to the sound of a reply is the overlap's; what becomes of the reply is the floor's.
OF_THE_OVERLAP: Final = (Duck, Restore, Interrupt, Ignore)

Arrow = tuple[str, str, tuple[str, ...], str]


def drawn(states: set[str]) -> set[Arrow]:
    """The rows of a table: from, event, actions, to."""
    rows = [line.strip("| ").split("|") for line in ARCHITECTURE.read_text(encoding="utf-8").splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows if len(row) == 4 and row[0].strip() in states]
    return {
        (start, event, tuple(action for action in actions.split(", ") if action), end)
        for start, events, actions, end in cells
        for event in events.split(",")[0].split(" or ")
    }


def state_of(floor: Floor) -> str:
    """The floor's state, by the name that it has in the drawing."""
    return "Held" if floor.state == Thinking(held=True) else type(floor.state).__name__


def overlap_state_of(overlap: Overlap | None) -> str:
    """The overlap's."""
    if overlap is None:
        return "None"
    return "At full" if overlap.ducked is None else "Ducked"


def names(actions: Iterable[Action]) -> tuple[str, ...]:
    """What a row calls actions."""
    named: list[str] = []
    for action in actions:
        named.append(type(action).__name__)
        if isinstance(action, Answer) and action.speculative:
            named.append("speculative")
    return tuple(named)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the machine has come to."""

    floor: Floor
    levels: MicrophoneLevels
    now: float = 0.0

    def heard(self, level_db: float, seconds: float) -> Place:
        """The same, after so much of a sound."""
        place = copy.deepcopy(self)
        for _ in range(round(seconds / PACKET_SECONDS)):
            place.levels.hear(level_db)
        return replace(place, now=self.now + seconds)

    @property
    def looks(self) -> tuple[object, ...]:
        """What two places have in common from which the same can follow."""
        overlap, looks = self.floor.overlap, (state_of(self.floor),)
        if overlap is None:
            return looks
        known = (overlap.probed, overlap.speech_seconds is None, overlap.harmless, overlap.waiting is None)
        return (*looks, overlap_state_of(overlap), overlap.may_be_echo, overlap.echo, *known)

    def fork(self) -> Place:
        """The same, to go another way from; what was heard, and what never changes, is theirs together."""
        shared = (self.levels, self.floor.policy, self.floor.state, self.floor.overlap)
        return replace(self, floor=copy.deepcopy(self.floor, {id(each): each for each in shared}))

    def possible(self) -> Iterator[Event]:
        """What may come next."""
        yield from EVENTS
        if isinstance(self.floor.state, Thinking):
            yield ReplyAudible()
        if not isinstance(self.floor.state, Free | Speculating):
            yield ReplyEnded()


class Walk:
    """Every way through the machine, and the arrows that it took; to stay and do nothing is none."""

    def __init__(self) -> None:
        self.of_floor: set[Arrow] = set()
        self.of_overlap: set[Arrow] = set()
        self.seen: set[tuple[object, ...]] = set()

    def go(self, policy: TurnPolicy) -> None:
        """Go from every place to every other, the nearest first, in the ways that a session of that policy knows."""
        levels = MicrophoneLevels()
        begin = Place(Floor(policy, levels), levels).heard(ROOM_DB, 0.4)
        tried = begin.fork()
        for text in ("turn it off", "turn it on", "turn it off"):
            tried.floor.on(eager(text), 0.0)
        places = deque([begin, tried])
        while places:
            place = places.popleft()
            for sound in SOUNDS:
                then = place.heard(*sound)
                for event in then.possible():
                    following = then.fork()
                    self.take(following, event)
                    if (policy, following.looks) not in self.seen:
                        self.seen.add((policy, following.looks))
                        places.append(following)

    def take(self, place: Place, event: Event) -> None:
        """Take one arrow."""
        floor = place.floor
        before = state_of(floor), overlap_state_of(floor.overlap)
        actions = floor.on(event, place.now, REPLY)
        after = state_of(floor), overlap_state_of(floor.overlap)
        reply = names(each for each in actions if not isinstance(each, Duck | Restore))
        if reply or before[0] != after[0]:
            self.of_floor.add((before[0], type(event).__name__, reply, after[0]))
        if before[1] != after[1]:
            sound = names(each for each in actions if isinstance(each, OF_THE_OVERLAP))
            self.of_overlap.add((before[1], type(event).__name__, sound, after[1]))


def walked() -> Walk:
    """All ways, of a session in which replies may be interrupted, and of one in which they may not."""
    walk = Walk()
    for interruptible in (True, False):
        walk.go(TurnPolicy(interruptible=interruptible))
    return walk


def test_every_arrow_of_the_drawing_is_one_of_the_machine_and_the_other_way_round() -> None:
    walk = walked()
    assert walk.of_floor == drawn(FLOOR_STATES)
    assert walk.of_overlap == drawn(OVERLAP_STATES)
