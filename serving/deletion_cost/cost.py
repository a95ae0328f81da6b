"""What it costs to take a pod away, by what its metrics say of its work. Pure."""

from __future__ import annotations

import math
import re
from typing import Final

_WORK: Final = re.compile(r"^parley_(?:[a-z]+_)?(?:sessions|streams|calls)_active(?:\{[^}]*\})? (\S+)", re.MULTILINE)
_MOST: Final = 2**30
"""The annotation is a signed number of 32 bits."""


def work_of(metrics: str) -> int:
    """Sessions, streams or calls that a process has now, by the text of its `/metrics`.

    Raises:
        ValueError: it does not say.
    """
    numbers = [float(each) for each in _WORK.findall(metrics)]
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError("no parley_..._active in what it measures")
    return max(0, math.ceil(sum(numbers)))


def cost_of(work: int) -> int:
    """What is written for so much work: 0 for none, else the power of two that is not below it.

    In steps, since each other number is one more write to every watcher of the pod: twice as much work is another cost,
    one more session seldom is.
    """
    return min(_MOST, 1 << (work - 1).bit_length()) if work > 0 else 0
