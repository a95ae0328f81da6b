"""Whether a turn model pays on this machine: what it takes, measured when it is warm, against the wait that it saves.

Knows nothing of models.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from asr_server.endpointing.endpointer import PAUSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from asr_server.endpointing.config import EndpointingConfig

_TRIES: Final = 5


def measured_seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long `work` takes; the best of some tries, since other servers start at the same time as this one."""

    def once() -> float:
        began = clock()
        work()
        return clock() - began

    return min(once() for _ in range(_TRIES))


def pays(seconds: float, cores: int, config: EndpointingConfig) -> bool:
    """Whether a model that takes `seconds` a pause is worth them.

    It saves what the first turns of a session wait beyond the silence after which a turn that is heard to be over ends,
    or beyond the model's answer where that comes later. It costs its share of the machine, which the words wait for.
    """
    answered = max(config.heard_over_silence_seconds, PAUSE_SECONDS + seconds)
    return config.patient_silence_seconds - answered > seconds / cores
