"""A run of onnxruntime whose failure is Parley's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession


def infer(
    session: InferenceSession, outputs: Sequence[str] | None, feed: Mapping[str, NDArray[np.generic]]
) -> list[NDArray[np.float32]]:
    """What `session` gives for `feed`: the arrays that `outputs` names, or all of them.

    Raises:
        EngineFailed: the network failed on it.
    """
    from onnxruntime.capi.onnxruntime_pybind11_state import EPFail, Fail, InvalidArgument, RuntimeException

    try:
        given: list[NDArray[np.float32]] = session.run(outputs, feed)
    except (EPFail, Fail, InvalidArgument, RuntimeException, RuntimeError, ValueError) as error:
        raise EngineFailed(f"onnxruntime failed: {error}") from error
    return given
