"""SmolLM2-135M-Instruct for CTranslate2, made once from llama.cpp's file."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from gguf import GGUFReader, dequantize
from transformers import AutoTokenizer

from tests.building import Part, provide
from tests.engines.weights import WEIGHTS, smollm2_gguf
from tests.llm_server.tiny_llama import Shape, make_spec, vocabulary

if TYPE_CHECKING:
    from pathlib import Path

# By its names in llama.cpp, without number and ".weight": what Transformers calls it.
_NAMES: Final = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def smollm2_ctranslate2() -> Path:
    """Its folder. In float32, since the tests judge its words: in int8 another processor may compute others."""
    folder = provide(_CONVERTED)
    assert folder is not None, "no system has a package of it"
    return folder


def _convert(_: Path, target: Path) -> None:
    source = smollm2_gguf()
    reader = GGUFReader(source)
    weights = {_renamed(tensor.name): dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    shape = Shape(
        int(_number(reader, "block_count")),
        int(_number(reader, "attention.head_count")),
        int(_number(reader, "attention.head_count_kv")),
        _number(reader, "rope.freq_base"),
        rotary_interleave=True,
    )
    spec = make_spec(shape, weights)
    # With its chat template, in a file of its own.
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(target)
    spec.register_vocabulary(vocabulary(target / "tokenizer.json", len(weights["model.embed_tokens.weight"])))
    tokens = json.loads((target / "tokenizer_config.json").read_text())
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = tokens["bos_token"], tokens["eos_token"], ""
    spec.config.layer_norm_epsilon = _number(reader, "attention.layer_norm_rms_epsilon")
    spec.validate()
    spec.optimize()
    spec.save(str(target))


def _number(reader: GGUFReader, name: str) -> float:
    field = reader.fields[f"llama.{name}"]
    return float(field.parts[field.data[0]][0])


def _renamed(name: str) -> str:
    match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.weight", name)
    assert match is not None, name
    layer = f"model.layers.{match[1]}." if match[1] else ""
    return f"{layer}{_NAMES[match[2]]}.weight"


_CONVERTED: Final = Part(
    "smollm2-ctranslate2", f"{WEIGHTS.key}-{version('ctranslate2')}", ("model.bin",), _convert, compiled=False
)
