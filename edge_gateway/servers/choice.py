"""Which of several servers is asked: the less loaded one of two that chance names.

Two suffice for an even load, and no server that is new is asked by everybody at once, as the least loaded of all would
be (Mitzenmacher, "The power of two choices in randomized load balancing", 1996). Of three or fewer all are looked
at, so that they stay even to one call. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_LOOKED_AT: Final = 2
_FEW: Final = 3


def less_loaded(candidates: Sequence[T], load: Callable[[T], int], chance: random.Random) -> T:
    """One of `candidates`, of which there is at least one; of equals, chance decides."""
    count = len(candidates)
    return min(chance.sample(candidates, count if count <= _FEW else _LOOKED_AT), key=load)
