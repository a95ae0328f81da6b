"""SmolLM2-135M-Instruct for CTranslate2, converted once from llama.cpp's file as anybody would convert a model."""

from __future__ import annotations

from importlib.metadata import version
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import torch
from ctranslate2.converters import TransformersConverter
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from tests.building import Part, provide
from tests.engines.weights import WEIGHTS, smollm2_gguf

if TYPE_CHECKING:
    from pathlib import Path

_COPIED: Final = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


def smollm2_ctranslate2() -> Path:
    """Its folder. In float32, since the tests judge its words: in int8 another processor may compute others."""
    folder = provide(_CONVERTED)
    assert folder is not None, "no system has a package of it"
    return folder


def _convert(work: Path, target: Path) -> None:
    source = smollm2_gguf()
    read = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    # What was read from such a file is not written again, though nothing of its numbers is left.
    del read.config.quantization_config
    plain = LlamaForCausalLM(read.config)
    plain.load_state_dict(read.state_dict())
    with TemporaryDirectory(dir=work) as folder:
        plain.save_pretrained(folder)
        AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)
        TransformersConverter(folder, copy_files=list(_COPIED)).convert(str(target), force=True)


_CONVERTED: Final = Part(
    "smollm2-ctranslate2",
    f"{WEIGHTS.key}-{version('ctranslate2')}-{version('transformers')}",
    ("model.bin",),
    _convert,
    compiled=False,
)
