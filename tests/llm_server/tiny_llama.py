"""Converts a small Llama for CTranslate2, from its files alone: what its own converter does, without PyTorch."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COPIED = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


def convert(source: Path, target: Path) -> None:
    """Write the model in `source` (bf16 safetensors, tied embeddings) to `target`.

    In float32, since the tests judge its words: in int8 another processor may compute others.
    """
    config = json.loads((source / "config.json").read_text())
    shape = Shape(
        config["num_hidden_layers"],
        config["num_attention_heads"],
        config["num_attention_heads"],
        config["rope_parameters"]["rope_theta"],
    )
    spec = make_spec(shape, read_weights(source / "model.safetensors"))
    spec.register_vocabulary(vocabulary(source / "tokenizer.json", config["vocab_size"]))
    tokens = json.loads((source / "tokenizer_config.json").read_text())
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = tokens["bos_token"], tokens["eos_token"], ""
    spec.config.layer_norm_epsilon = config["rms_norm_eps"]
    spec.validate()
    spec.optimize()
    target.mkdir(parents=True, exist_ok=True)
    spec.save(str(target))
    for name in COPIED:
        shutil.copy(source / name, target / name)


@dataclass(frozen=True)
class Shape:
    """How a Llama is made up."""

    layers: int
    heads: int
    heads_kv: int
    rotary_base: float
    rotary_interleave: bool = False
    """Queries and keys are in llama.cpp's order."""


def make_spec(shape: Shape, weights: dict[str, NDArray[np.float32]]) -> transformer_spec.TransformerDecoderModelSpec:
    """The model of these weights, by the names that they have in Transformers; its embeddings are tied."""
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        shape.layers,
        shape.heads,
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=shape.rotary_interleave,
        rotary_base=shape.rotary_base,
        num_heads_kv=shape.heads_kv if shape.heads_kv != shape.heads else None,
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = decoder.projection.weight = weights["model.embed_tokens.weight"]
    decoder.layer_norm.gamma = weights["model.norm.weight"]
    for number, layer in enumerate(decoder.layer):
        fill(layer, {name.removeprefix(f"model.layers.{number}."): value for name, value in weights.items()})
    return spec


def fill(layer: transformer_spec.TransformerDecoderLayerSpec, weights: dict[str, NDArray[np.float32]]) -> None:
    """Put the weights of one layer in their places."""
    attention, feed_forward = layer.self_attention, layer.ffn
    attention.layer_norm.gamma = weights["input_layernorm.weight"]
    attention.linear[0].weight = np.concatenate([weights[f"self_attn.{each}_proj.weight"] for each in "qkv"])
    attention.linear[1].weight = weights["self_attn.o_proj.weight"]
    feed_forward.layer_norm.gamma = weights["post_attention_layernorm.weight"]
    feed_forward.linear_0.weight = weights["mlp.gate_proj.weight"]
    feed_forward.linear_0_noact.weight = weights["mlp.up_proj.weight"]
    feed_forward.linear_1.weight = weights["mlp.down_proj.weight"]


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays in a safetensors file of bf16: a header of JSON, then their bytes."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, end = entry["data_offsets"]
        halves = np.frombuffer(raw[8 + length + first : 8 + length + end], np.uint16)
        found[name] = (halves.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
    return found


def vocabulary(path: Path, size: int) -> list[str]:
    """The tokens of a tokenizer in the order of their numbers."""
    tokenizer = json.loads(path.read_text())
    by_id = {number: token for token, number in tokenizer["model"]["vocab"].items()}
    by_id |= {each["id"]: each["content"] for each in tokenizer["added_tokens"]}
    return [by_id.get(number, f"<extra_id_{number}>") for number in range(size)]
