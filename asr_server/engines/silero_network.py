"""Silero's network, written anew as products of matrices, so that windows of many streams go through it together.

The file in the wheel takes one stream: it calls what is a batch elsewhere the windows of a stream in a row. And its
convolutions do each window by itself, whose weights are then read anew for each. Here a layer is one product for all
windows, several in a row of each stream if need be: only what is remembered of a stream goes on window by window.
A window alone takes .68 of the file's time, three in a row .33 each, two of each of two streams .26, three of each of
ten .17 (`benchmarks/silero.py`).
The weights are the file's, the results its own to 1e-5. Knows nothing of streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engines.onnx_file import INT32, INT64, Network, read_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asr_server.engines.onnx_file import Weights

CONTEXT_SAMPLES: Final = 64
"""What a window is given of the one before."""

STATE_SIZE: Final = 128
"""Values of each of the two states of a stream."""

_WINDOW: Final = CONTEXT_SAMPLES + 512
_HOP: Final = 128
_BINS: Final = 129
# Of the spectra of a window, and of what each of the layers makes of them: its stride halves it, or not.
_FRAMES: Final = 4
_STRIDES: Final = (1, 2, 2, 1)
_TAPS: Final = 3
_SHAPES: Final = {
    "encoder.feature_extractor.forward_basis_buffer": (2 * _BINS, 1, 2 * _HOP),
    "encoder.conv_layers.0.weight": (128, _BINS, _TAPS),
    "encoder.conv_layers.1.weight": (64, 128, _TAPS),
    "encoder.conv_layers.2.weight": (64, 64, _TAPS),
    "encoder.conv_layers.3.weight": (128, 64, _TAPS),
    "encoder.conv_layers.0.bias": (128,),
    "encoder.conv_layers.1.bias": (64,),
    "encoder.conv_layers.2.bias": (64,),
    "encoder.conv_layers.3.bias": (128,),
    "onnx::LSTM_209": (1, 4 * STATE_SIZE, STATE_SIZE),
    "onnx::LSTM_210": (1, 4 * STATE_SIZE, STATE_SIZE),
    "onnx::LSTM_211": (1, 8 * STATE_SIZE),
    "decoder.conv1d.weight": (1, STATE_SIZE, 1),
    "decoder.conv1d.bias": (1,),
}


def batched(model: bytes) -> bytes:
    """The network of `model`, Silero's file, for any number of windows of any number of streams at once.

    It takes `input` of shape (windows, 576); `order`, int64 of (steps, streams): which window is the stream's at this
    step; `steps`, int32 of (streams,): how many each has, beyond which `order` may say anything; `h` and `c` of
    (1, streams, 128). It gives `probabilities` of (steps * streams,), placed as `order` is, and the next `hn` and `cn`.

    Raises:
        ValueError: it is another network.
    """
    weights = read_weights(model)
    shapes = {name: array.shape for name, array in weights.items()}
    if any(shapes.get(name) != shape for name, shape in _SHAPES.items()):
        raise ValueError("another network than Silero VAD 6")
    network = Network()
    network.takes("input", "windows", _WINDOW)
    network.takes("order", "steps", "streams", kind=INT64)
    network.takes("steps", "streams", kind=INT32)
    for name in ("h", "c"):
        network.takes(name, 1, "streams", STATE_SIZE)
    layer = _spectra(network, weights["encoder.feature_extractor.forward_basis_buffer"][:, 0])
    frames = _FRAMES
    for number, stride in enumerate(_STRIDES):
        name = f"encoder.conv_layers.{number}"
        learnt = (weights[f"{name}.weight"], weights[f"{name}.bias"])
        layer = _convolution(network, layer, learnt, frames, stride)
        frames //= stride
    _decision(network, layer, weights)
    network.gives("probabilities", "places")
    for name in ("hn", "cn"):
        network.gives(name, 1, "streams", STATE_SIZE)
    return network.written()


def _spectra(network: Network, basis: NDArray[np.float32]) -> str:
    """Magnitudes of the frames of a window, of shape (windows, frames, bins)."""
    padded = network.add("Pad", "input", network.integers(0, 0, 0, CONTEXT_SAMPLES), mode="reflect")
    hops = network.add("Reshape", padded, network.integers(-1, _FRAMES + 1, _HOP))
    pairs = _together(network, hops, [[first, first + 1] for first in range(_FRAMES)])
    frames = network.add("Reshape", pairs, network.integers(-1, _FRAMES, 2 * _HOP))
    # (windows, frames, 256) @ (256, 258): the cosines, then the sines.
    waves = network.add("MatMul", frames, network.constant(basis.T))
    squares = []
    for first in (0, _BINS):
        part = _part(network, waves, 2, slice(first, first + _BINS))
        squares.append(network.add("Mul", part, part))
    return network.add("Sqrt", network.add("Add", *squares))


def _convolution(
    network: Network, layer: str, learnt: tuple[NDArray[np.float32], NDArray[np.float32]], frames: int, stride: int
) -> str:
    """A convolution over frames, one of silence on either side, with a weight of (channels out, channels in, taps)."""
    weight, bias = learnt
    outputs = frames // stride
    # A single frame has the outer taps on silence alone, the last two of a pair only the first one.
    taps = range(_TAPS) if outputs > 1 else range(1, 1 + frames)
    if outputs > 1:
        padded = network.add("Pad", layer, network.integers(0, 1, 0, 0, 1, 0))
        layer = _together(network, padded, [[stride * output + tap for tap in taps] for output in range(outputs)])
    flat = network.add("Reshape", layer, network.integers(-1, weight.shape[1] * len(taps)))
    matrix = weight[:, :, list(taps)].transpose(2, 1, 0).reshape(-1, weight.shape[0])
    sums = network.add("Gemm", flat, network.constant(matrix), network.constant(bias))
    return network.add("Reshape", network.add("Relu", sums), network.integers(-1, outputs, weight.shape[0]))


def _decision(network: Network, layer: str, weights: Weights) -> None:
    """What is remembered of the stream, and how likely there is voice."""
    windows = network.add("Reshape", layer, network.integers(-1, STATE_SIZE))
    # Of shape (steps, streams, channels).
    rows = network.add("Gather", windows, "order", axis=0)
    learnt = [network.constant(weights[f"onnx::LSTM_{number}"]) for number in (209, 210, 211)]
    states = network.add("LSTM", rows, *learnt, "steps", "h", "c", outputs=("y", "hn", "cn"), hidden_size=STATE_SIZE)
    seen = network.add("Relu", network.add("Reshape", states, network.integers(-1, STATE_SIZE)))
    matrix, bias = weights["decoder.conv1d.weight"][0], weights["decoder.conv1d.bias"]
    sums = network.add("Gemm", seen, network.constant(matrix), network.constant(bias))
    network.add("Reshape", network.add("Sigmoid", sums), network.integers(-1), outputs=("probabilities",))


def _together(network: Network, layer: str, frames: list[list[int]]) -> str:
    """Rows of frames, each as a list says, side by side: of shape (windows, rows, frames of a row, channels)."""
    return network.add("Gather", layer, network.constant(np.array(frames, dtype=np.int64)), axis=1)


def _part(network: Network, layer: str, axis: int, part: slice) -> str:
    bounds = (network.integers(value) for value in (part.start, part.stop, axis, part.step or 1))
    return network.add("Slice", layer, *bounds)
