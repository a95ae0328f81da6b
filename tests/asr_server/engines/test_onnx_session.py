"""What onnxruntime itself refuses is told in Parley's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from asr_server.engines.onnx_session import infer
from parley.errors import EngineFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def halving() -> onnxruntime.InferenceSession:
    """A graph that gives half of four numbers."""
    four = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("given", "half")]
    half = helper.make_tensor("by", TensorProto.FLOAT, [], [0.5])
    graph = helper.make_graph([helper.make_node("Mul", ["given", "by"], ["half"])], "g", four[:1], four[1:], [half])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_what_a_network_gives_is_passed_on(halving: onnxruntime.InferenceSession) -> None:
    [half] = infer(halving, ["half"], {"given": np.ones(4, dtype=np.float32)})
    assert half.tolist() == [0.5] * 4


@pytest.mark.parametrize(
    "feed",
    [{"given": np.ones(5, dtype=np.float32)}, {"given": np.ones(4, dtype=np.int64)}, {}],
    ids=["a wrong shape", "a wrong type", "nothing"],
)
def test_what_it_cannot_take_is_its_failure(
    halving: onnxruntime.InferenceSession, feed: dict[str, NDArray[np.generic]]
) -> None:
    with pytest.raises(EngineFailed, match="onnxruntime failed: "):
        infer(halving, None, feed)
