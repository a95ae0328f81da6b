"""Networks in files of ONNX: what weights one has, and one that is written anew around them.

The few messages of ONNX (onnx.proto, version 8) that this takes are read and written as protobuf has them on the wire:
the package `onnx` would take 30 MB. Knows nothing of what a network is for.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Weights = dict[str, NDArray[np.float32]]

_IR_VERSION: Final = 8
_OPSET: Final = 18
_FLOAT: Final = 1
INT32: Final = 6
INT64: Final = 7
# Kinds of attributes.
_INT: Final = 2
_STRING: Final = 3
_LENGTH: Final = 2
_RAW: Final = 9
"""The field of a tensor with its values."""
_MORE: Final = 0x80
"""The bit of a byte that another one follows."""
_BYTES_OF: Final = {1: 8, 5: 4}
"""How long values are on the wire that say it themselves by their type."""


def read_weights(model: bytes) -> Weights:
    """The float32 tensors that a network holds, by their names.

    Raises:
        ValueError: the bytes are no network.
    """
    weights: Weights = {}
    try:
        for graph in _messages(model, 7):
            for tensor in _messages(graph, 5):
                fields = list(_fields(tensor))
                values = {number: value for number, value in fields if number in {2, 8, _RAW}}
                if values.get(2) == _FLOAT and _RAW in values:
                    shape = [int(value) for number, value in fields if number == 1]
                    array = np.frombuffer(_raw(values[_RAW]), dtype="<f4")
                    weights[_raw(values[8]).decode()] = array.reshape(shape)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no file of ONNX: {error}") from error
    return weights


class Network:
    """A network that is written node by node."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._graph = _field(2, b"parley")
        self._names = (f"v{number}" for number in count())

    def constant(self, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Hold `array`; gives its name."""
        name = next(self._names)
        kind = INT64 if array.dtype == np.int64 else _FLOAT
        tensor = b"".join(_number(1, size) for size in array.shape) + _number(2, kind) + _field(8, name.encode())
        self._graph += _field(5, tensor + _field(_RAW, np.ascontiguousarray(array).tobytes()))
        return name

    def integers(self, *values: int) -> str:
        """Hold some integers, as shapes, axes and bounds are given; gives their name."""
        return self.constant(np.array(values, dtype=np.int64))

    def add(self, op: str, *inputs: str, outputs: tuple[str, ...] = (), **attributes: int | str) -> str:
        """Compute `op` of `inputs`, each an output of an earlier node; gives the first output's name."""
        named = outputs or (next(self._names),)
        node = b"".join(_field(1, name.encode()) for name in inputs)
        node += b"".join(_field(2, name.encode()) for name in named) + _field(4, op.encode())
        self._graph += _field(1, node + b"".join(_field(5, _attribute(*each)) for each in attributes.items()))
        return named[0]

    def takes(self, name: str, *shape: int | str, kind: int = _FLOAT) -> None:
        """Have an input, of float32 or another `kind`; sizes of `shape` that have a name are given with it."""
        self._graph += _field(11, _value(name, shape, kind))

    def gives(self, name: str, *shape: int | str) -> None:
        """Have a float32 output."""
        self._graph += _field(12, _value(name, shape, _FLOAT))

    def written(self) -> bytes:
        """The network as a file."""
        return _number(1, _IR_VERSION) + _field(7, self._graph) + _field(8, _field(1, b"") + _number(2, _OPSET))


def _attribute(name: str, value: int | str) -> bytes:
    said = _number(3, value) if isinstance(value, int) else _field(4, value.encode())
    return _field(1, name.encode()) + said + _number(20, _INT if isinstance(value, int) else _STRING)


def _value(name: str, shape: tuple[int | str, ...], kind: int) -> bytes:
    sizes = (_number(1, size) if isinstance(size, int) else _field(2, size.encode()) for size in shape)
    tensor = _number(1, kind) + _field(2, b"".join(_field(1, size) for size in sizes))
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _varint(value: int) -> bytes:
    said = bytearray()
    value &= 2**64 - 1
    while value >= _MORE:
        said.append(value & (_MORE - 1) | _MORE)
        value >>= 7
    said.append(value)
    return bytes(said)


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(value)) + value


def _messages(message: bytes, wanted: int) -> Iterator[bytes]:
    return (_raw(value) for number, value in _fields(message) if number == wanted)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _read_varint(message, at)
            yield tag >> 3, value
            continue
        size = _BYTES_OF.get(kind)
        if size is None:
            size, at = _read_varint(message, at)
        yield tag >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & (_MORE - 1)) << shift
        if byte < _MORE:
            return value, at
        shift += 7


def _raw(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where bytes are due")
    return value
