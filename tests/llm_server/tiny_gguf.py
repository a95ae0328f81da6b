"""Writes a small Llama as a GGUF file for llama.cpp, from its files alone.

Source of the format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tests.llm_server.tiny_llama import read_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_VERSION: Final = 3
_ALIGNMENT: Final = 32
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_NORMAL_TOKEN, _CONTROL_TOKEN = 1, 3
_NAMES: Final = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
}
_NAMES_IN_A_LAYER: Final = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(source: Path, target: Path) -> None:
    """Write the model in `source` (bf16 safetensors, tied embeddings, a vocabulary of byte pairs) to `target`."""
    config = json.loads((source / "config.json").read_text())
    facts = [_text(key) + value for key, value in _facts(source, config)]
    infos, data = bytearray(), bytearray()
    weights = read_weights(source / "model.safetensors")
    for name, weight in weights.items():
        value = _paired(weight, config["num_attention_heads"]) if ".q_proj." in name or ".k_proj." in name else weight
        infos += _text(_renamed(name)) + struct.pack("<I", value.ndim)
        infos += struct.pack(f"<{value.ndim}QIQ", *reversed(value.shape), 0, len(data))
        data += value.astype("<f4").tobytes()
        data += bytes(-len(data) % _ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", _VERSION, len(weights), len(facts)) + b"".join(facts) + infos
    target.write_bytes(head + bytes(-len(head) % _ALIGNMENT) + data)


def _paired(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows as llama.cpp turns them: the two that are turned together stand side by side, not half a head apart."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows, columns)


def _renamed(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    _, _, number, rest = name.split(".", 3)
    return f"blk.{number}.{_NAMES_IN_A_LAYER[rest.removesuffix('.weight')]}.weight"


def _facts(source: Path, config: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    yield "general.architecture", _string("llama")
    yield "general.name", _string("tiny")
    for key, value in {
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "rope.dimension_count": config["head_dim"],
        "vocab_size": config["vocab_size"],
    }.items():
        yield f"llama.{key}", struct.pack("<II", _UINT32, value)
    yield "llama.attention.layer_norm_rms_epsilon", struct.pack("<If", _FLOAT32, config["rms_norm_eps"])
    yield "llama.rope.freq_base", struct.pack("<If", _FLOAT32, config["rope_parameters"]["rope_theta"])
    yield from _vocabulary(json.loads((source / "tokenizer.json").read_text()))
    yield "tokenizer.ggml.bos_token_id", struct.pack("<II", _UINT32, config["bos_token_id"])
    yield "tokenizer.ggml.eos_token_id", struct.pack("<II", _UINT32, config["eos_token_id"])
    yield "tokenizer.ggml.add_bos_token", struct.pack("<I?", _BOOL, False)  # noqa: FBT003 - a value in a file
    yield "tokenizer.chat_template", _string((source / "chat_template.jinja").read_text())


def _vocabulary(tokenizer: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    tokens = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].__getitem__)
    special = {each["content"] for each in tokenizer["added_tokens"]}
    kinds = [_CONTROL_TOKEN if token in special else _NORMAL_TOKEN for token in tokens]
    yield "tokenizer.ggml.model", _string("gpt2")
    yield "tokenizer.ggml.pre", _string("gpt-2")
    yield "tokenizer.ggml.tokens", _array(_STRING, len(tokens), b"".join(map(_text, tokens)))
    yield "tokenizer.ggml.token_type", _array(_INT32, len(kinds), struct.pack(f"<{len(kinds)}i", *kinds))
    merges = [" ".join(pair) for pair in tokenizer["model"]["merges"]]
    yield "tokenizer.ggml.merges", _array(_STRING, len(merges), b"".join(map(_text, merges)))


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _string(text: str) -> bytes:
    return struct.pack("<I", _STRING) + _text(text)


def _array(kind: int, count: int, values: bytes) -> bytes:
    return struct.pack("<IIQ", _ARRAY, kind, count) + values
