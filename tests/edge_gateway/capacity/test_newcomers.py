"""A rush comes in only as far as it can be borne, on machines of any speed, and in the end as far as there is room."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gateway.capacity.newcomers import SHOWS_SECONDS, SILENT_SECONDS, Newcomers
from edge_gateway.capacity.path import FULL, PartLoad, PathControl

if TYPE_CHECKING:
    import random

_STEPS_PER_SECOND = 4
_PATIENCE_SECONDS = 5.0
_AGAIN_SECONDS = (2.0, 3.0)
# Of a session that says nothing.
_IDLE = 0.1


@dataclass(eq=False)
class Person:
    """Comes, waits, comes again where that took too long, and says the first word so long after being let in."""

    first_word_seconds: float
    comes_at: float = 0.0
    came_in_at: float | None = None
    talks: bool = False

    def has_talked(self) -> bool:
        return self.talks

    def demand(self, cost: float, now: float) -> float:
        """Share of a core; nothing before being let in."""
        if self.came_in_at is None:
            return 0.0
        self.talks = now - self.came_in_at >= self.first_word_seconds
        return cost if self.talks else _IDLE * cost


@dataclass
class Machine:
    """One core that carries a gateway and its servers, and what a session really costs of it."""

    thought: float
    cost: float
    people: list[Person]
    chance: random.Random

    def __post_init__(self) -> None:
        self._path = PathControl(self.thought)
        self._demands: deque[float] = deque([0.0], maxlen=_STEPS_PER_SECOND)
        self._waiting: dict[Person, float] = {}
        self.most_wanted = self.wanted = 0.0
        """What all would take together that are in, if all of them talk that will: of a core."""

    @property
    def sessions(self) -> int:
        return sum(person.came_in_at is not None for person in self.people)

    def run(self, seconds: int) -> None:
        for step in range(seconds * _STEPS_PER_SECOND):
            now = step / _STEPS_PER_SECOND
            if step % _STEPS_PER_SECOND == 0:
                self._look(now)
            self._let_in(now)
            self._demands.append(sum(person.demand(self.cost, now) for person in self.people))
            self.wanted = self.cost * sum(
                1.0 if person.first_word_seconds < SILENT_SECONDS else _IDLE
                for person in self.people
                if person.came_in_at is not None
            )
            self.most_wanted = max(self.most_wanted, self.wanted)

    def _look(self, now: float) -> None:
        busy = min(1.0, sum(self._demands) / len(self._demands))
        self._path.look(now, [PartLoad("gateway", busy)], self.sessions)

    def _let_in(self, now: float) -> None:
        for person in self.people:
            if person.came_in_at is None and person not in self._waiting and person.comes_at <= now:
                self._waiting[person] = now
        for person, since in tuple(self._waiting.items()):
            if self._path.takes(self.sessions, 0):
                del self._waiting[person]
                person.came_in_at = now
                self._path.newcomers.came(person, now)
            elif now - since >= _PATIENCE_SECONDS:
                del self._waiting[person]
                person.comes_at = now + self.chance.uniform(*_AGAIN_SECONDS)


# From a machine that bears eleven at a time to one that bears ninety, and sessions that cost up to a tenth more
# than was thought, and down to a fifth of it.
_THOUGHT = st.floats(0.01, 0.08)
_REALLY = st.floats(0.2, 1.1)
_RUSH = st.integers(1, 150)


@settings(max_examples=40, deadline=None)
@given(thought=_THOUGHT, really=_REALLY, rush=_RUSH, chance=st.randoms(use_true_random=False))
def test_a_rush_is_never_more_than_a_machine_bears_and_fills_it_in_the_end(
    thought: float, really: float, rush: int, chance: random.Random
) -> None:
    people = [Person(chance.uniform(0.0, 2.0)) for _ in range(rush)]
    machine = Machine(thought, thought * really, people, chance)
    machine.run(45)
    always_taken = 8 * machine.cost
    assert machine.most_wanted <= max(1.1 * FULL, always_taken)
    assert machine.wanted >= min(0.8 * FULL, rush * machine.cost)


@settings(max_examples=20, deadline=None)
@given(thought=_THOUGHT, really=_REALLY, chance=st.randoms(use_true_random=False))
def test_who_says_nothing_keeps_nobody_out_for_long(thought: float, really: float, chance: random.Random) -> None:
    silent = [Person(1_000.0) for _ in range(round(FULL / thought))]
    people = [Person(chance.uniform(0.0, 2.0), comes_at=1.0) for _ in range(round(0.5 * FULL / thought))]
    machine = Machine(thought, thought * really, [*silent, *people], chance)
    machine.run(15)
    assert all(person.came_in_at is not None for person in people)


class Talker:
    """A session."""

    talks = False

    def has_talked(self) -> bool:
        return self.talks


def test_a_session_is_counted_until_it_has_talked_for_a_while_or_has_said_nothing_for_a_while() -> None:
    newcomers, silent, talking = Newcomers(), Talker(), Talker()
    newcomers.came(silent, 0.0)
    newcomers.came(talking, 0.0)
    talking.talks = True
    newcomers.look(1.0)
    assert newcomers.count == 2
    newcomers.look(SILENT_SECONDS)
    assert newcomers.count == 1
    newcomers.look(1.0 + SHOWS_SECONDS)
    assert newcomers.count == 0


def test_who_was_silent_counts_again_from_the_first_word_on() -> None:
    newcomers, session = Newcomers(), Talker()
    newcomers.came(session, 0.0)
    newcomers.look(SILENT_SECONDS)
    assert newcomers.count == 0
    session.talks = True
    newcomers.look(SILENT_SECONDS + 1.0)
    assert newcomers.count == 1
    newcomers.look(SILENT_SECONDS + 1.0 + SHOWS_SECONDS)
    assert newcomers.count == 0


def test_who_has_left_is_not_counted() -> None:
    newcomers, new, silent, talking = Newcomers(), Talker(), Talker(), Talker()
    newcomers.came(silent, 0.0)
    newcomers.look(SILENT_SECONDS)
    for session in (new, talking):
        newcomers.came(session, SILENT_SECONDS)
    talking.talks = True
    newcomers.look(SILENT_SECONDS)
    assert newcomers.count == 2
    for session in (new, silent, talking):
        newcomers.left(session)
        newcomers.left(session)
    silent.talks = True
    newcomers.look(SILENT_SECONDS + 1.0)
    assert newcomers.count == 0
