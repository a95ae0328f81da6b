"""How much a server has to do, as it is told over a shared stream. Knows nothing of who tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley.v1.multiplex_pb2 import CallFrame, ServerLoad

if TYPE_CHECKING:
    from serving.load import Load

# Milliseconds of a second, and thousandths of a share.
_PER_UNIT: Final = 1000.0


def load_frame(load: Load) -> CallFrame:
    """A frame that is of no call."""
    return CallFrame(
        load=ServerLoad(
            loop_lag_ms=round(load.loop_lag_seconds * _PER_UNIT),
            busy_permille=round(load.busy * _PER_UNIT),
            engine_wait_ms=round(load.engine_wait_seconds * _PER_UNIT),
        )
    )
