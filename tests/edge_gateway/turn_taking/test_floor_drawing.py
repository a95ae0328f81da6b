"""The machine that ARCHITECTURE.md shows is the machine of `turns.py`: every arrow of one is an arrow of the other."""

from __future__ import annotations

import random
from pathlib import Path

from edge_gateway.turn_taking.floor import (
    Action,
    Answer,
    Audible,
    Cancel,
    Done,
    Event,
    Free,
    Nothing,
    ProbablyDone,
    ReplyOver,
    Secret,
    Speech,
    State,
    Thinking,
    Tick,
    TurnPolicy,
    Turns,
    Voice,
    WentOn,
    Words,
)

ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"
REPLY = "Seven times eight is fifty-six."
# A request, a stop word, a nod, an echo, and a word too short to interrupt.
SAID = (("turn it off", 0.8), ("stop", 0.2), ("mhm", 0.4), ("times eight is fifty six", 1.2), ("well", 0.2))
KINDS = (ProbablyDone, WentOn, Nothing, Voice, Speech, Words, Tick, Cancel, ReplyOver)

Arrow = tuple[str, str, tuple[str, ...], str]


def drawn() -> set[Arrow]:
    """The rows of the table: from, event, actions, to."""
    states = {"Free", "Secret", "Thinking", "Speaking"}
    rows = [line.strip("| ").split("|") for line in ARCHITECTURE.read_text(encoding="utf-8").splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows if len(row) == 4 and row[0].strip() in states]
    return {
        (start, event.split(",")[0], tuple(action for action in actions.split(", ") if action), end)
        for start, event, actions, end in cells
    }


def possible(state: State, turn: int) -> list[Event]:
    """What may come next in this state."""
    events: list[Event] = [Done(turn, "some typed words", typed=True), WentOn(turn), Nothing(), Voice(), Cancel()]
    events += [Speech(turn, 0.35), ProbablyDone(turn, "turn it off"), ProbablyDone(turn, "turn it on")]
    for fell in (False, True):
        events += [Tick(fell_with_reply=fell)]
        events += [Words(turn, text, voiced, REPLY, fell) for text, voiced in SAID]
        events += [Done(turn, text, voiced, REPLY, fell) for text, voiced in SAID]
    if isinstance(state, Thinking):
        events.append(Audible())
    if not isinstance(state, Free | Secret):
        events.append(ReplyOver())
    return events


def names(actions: tuple[Action, ...]) -> tuple[str, ...]:
    named: list[str] = []
    for action in actions:
        named.append(type(action).__name__)
        if isinstance(action, Answer) and action.secret:
            named.append("secret")
    return tuple(named)


def walked() -> set[Arrow]:
    """Every arrow that many walks through the machine took; to stay and do nothing is none.

    Each walk knows a few kinds of event only: so it comes to what is rare when all of them may happen.
    """
    chance = random.Random(1)  # noqa: S311 - a walk, no secret
    arrows = set()
    for _ in range(4_000):
        floor, now, turn = Turns(TurnPolicy()), 0.0, 1
        kinds = (*chance.sample(KINDS, 2), *chance.choice(((Cancel,), (Done, Audible))))
        for _ in range(25):
            now += chance.choice((0.0, 0.1, 0.3, 0.8, 2.0))
            events = possible(floor.state, turn)
            kind = chance.choice([each for each in kinds if any(isinstance(event, each) for event in events)])
            event = chance.choice([each for each in events if isinstance(each, kind)])
            before = type(floor.state)
            actions = names(floor.on(event, now))
            if actions or type(floor.state) is not before:
                arrows.add((before.__name__, type(event).__name__, actions, type(floor.state).__name__))
            turn += isinstance(event, Done)
    return arrows


def test_every_arrow_of_the_drawing_is_one_of_the_machine_and_the_other_way_round() -> None:
    assert walked() == drawn()
