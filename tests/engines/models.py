"""A small Llama of random weights, made here: it writes nonsense, and all that vLLM does with it is real."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def make_llama(folder: Path) -> Path:
    """A Hugging Face folder with weights, a tokenizer of bytes, and a chat template."""
    make_weights(folder, make_tokenizer(folder))
    return folder


def make_tokenizer(folder: Path) -> dict[str, int]:
    """Write the tokenizer and its settings; gives its vocabulary."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate((*SPECIAL, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[0],
        "pad_token": SPECIAL[0],
        "eos_token": SPECIAL[2],
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return vocabulary


def make_weights(folder: Path, vocabulary: dict[str, int]) -> None:
    """Write the weights and their configuration."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(vocabulary) + 5,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=2048,
        bos_token_id=0,
        pad_token_id=0,
        eos_token_id=2,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    llama = LlamaForCausalLM(config)
    # Letters only: the end of a reply, and bytes that are half a character, would make its length a matter of chance.
    others = [
        number for token, number in vocabulary.items() if not (len(token) == 1 and token.isascii() and token.isalpha())
    ]
    with torch.no_grad():
        llama.lm_head.weight[[*others, *range(len(vocabulary), config.vocab_size)]] = 0
    llama.to(torch.bfloat16).save_pretrained(folder)
