"""The less loaded of two: even, and no herd at a server that is new."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from edge_gateway.servers.choice import less_loaded

SEEDS = range(50)


def dealt(loads: Counter[str], calls: int, seed: int) -> Counter[str]:
    """Which servers get so many calls that all go on, one after the other."""
    chance, got = random.Random(seed), Counter[str]()  # noqa: S311 - a test is to be the same each time
    for _ in range(calls):
        chosen = less_loaded(sorted(loads), lambda each: loads[each], chance)
        loads[chosen] += 1
        got[chosen] += 1
    return got


@pytest.mark.parametrize("servers", [1, 2, 3])
def test_calls_are_even_to_one_over_as_few_servers(servers: int) -> None:
    for seed in SEEDS:
        loads = Counter(dict.fromkeys("abc"[:servers], 0))
        dealt(loads, 61, seed)
        assert max(loads.values()) - min(loads.values()) <= 1


def test_calls_are_even_over_many_servers() -> None:
    for seed in SEEDS:
        loads = Counter({f"s{number}": 0 for number in range(10)})
        dealt(loads, 200, seed)
        assert max(loads.values()) - min(loads.values()) <= 6


@pytest.mark.parametrize("servers", [2, 3, 10])
def test_a_new_server_gets_its_share_of_new_calls_and_of_many_not_all(servers: int) -> None:
    calls = 10 * (servers + 1)
    for seed in SEEDS:
        loads = Counter({f"s{number}": 20 for number in range(servers)})
        loads["new"] = 0
        got = dealt(loads, calls, seed)
        assert got["new"] >= 0.8 * calls / (servers + 1)
        assert servers < 10 or got["new"] <= calls / 3


def test_chance_decides_between_equals() -> None:
    assert {next(iter(dealt(Counter({"a": 0, "b": 0, "c": 0}), 1, seed))) for seed in SEEDS} == {"a", "b", "c"}
