"""A Whisper without sense, made in a moment: it has the shape of a real one, several languages, and random words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from ctranslate2.specs.whisper_spec import WhisperSpec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from pathlib import Path

    from ctranslate2.specs.attention_spec import MultiHeadAttentionSpec
    from ctranslate2.specs.common_spec import LayerNormSpec, LinearSpec
    from ctranslate2.specs.transformer_spec import FeedForwardSpec
    from numpy.typing import NDArray

WIDTH, HEADS, MELS = 16, 2, 80
LANGUAGES = ("en", "zh", "de", "es", "ru", "ko", "fr")
TASKS = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")


def make_whisper(folder: Path, *, languages: tuple[str, ...] = LANGUAGES, sure_of: str = "") -> str:
    """Write a model into `folder`; one that is `sure_of` a language takes everything for it. Gives its path."""
    # CTranslate2 knows a model of many languages by the empty token.
    letters = sorted(pre_tokenizers.ByteLevel.alphabet()) + [""] * (len(languages) > 1)
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{name}|>" for name in (*languages, *TASKS))]
    vocabulary = [*letters, *special, *(f"<|{number * 0.02:.2f}|>" for number in range(1501))]
    places = {token: place for place, token in enumerate(vocabulary)}
    _write_tokenizer(folder, {token: places[token] for token in letters}, vocabulary[len(letters) :])
    spec = _spec(len(vocabulary), loud=places.get(f"<|{sure_of}|>"))
    spec.register_vocabulary(vocabulary)
    spec.config.lang_ids = [places[f"<|{language}|>"] for language in languages]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [places["<|endoftext|>"]]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.optimize("int8")
    spec.save(str(folder))
    return str(folder)


def _write_tokenizer(folder: Path, letters: dict[str, int], special: list[str]) -> None:
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    features = {"feature_size": MELS, "sampling_rate": 16_000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(features))


def _spec(size: int, *, loud: int | None) -> WhisperSpec:
    chance = np.random.default_rng(0)

    def noise(*shape: int) -> NDArray[np.float32]:
        return (chance.normal(size=shape) * 0.3).astype(np.float32)

    def linear(spec: LinearSpec, outputs: int, inputs: int) -> None:
        spec.weight, spec.bias = noise(outputs, inputs), np.zeros(outputs, dtype=np.float32)

    def norm(spec: LayerNormSpec) -> None:
        spec.gamma, spec.beta = np.ones(WIDTH, dtype=np.float32), np.zeros(WIDTH, dtype=np.float32)

    def attention(spec: MultiHeadAttentionSpec, *outputs: int) -> None:
        norm(spec.layer_norm)
        for part, width in zip(spec.linear, outputs, strict=True):
            linear(part, width, WIDTH)

    def feed_forward(spec: FeedForwardSpec) -> None:
        norm(spec.layer_norm)
        linear(spec.linear_0, 4 * WIDTH, WIDTH)
        linear(spec.linear_1, WIDTH, 4 * WIDTH)

    spec = WhisperSpec(1, HEADS, 1, HEADS)
    encoder, decoder = spec.encoder, spec.decoder
    for convolution, inputs in ((encoder.conv1, MELS), (encoder.conv2, WIDTH)):
        convolution.weight, convolution.bias = noise(WIDTH, inputs, 3), np.zeros(WIDTH, dtype=np.float32)
    encoder.position_encodings.encodings, decoder.position_encodings.encodings = noise(1_500, WIDTH), noise(448, WIDTH)
    for part in (encoder, decoder):
        norm(part.layer_norm)
        attention(part.layer[0].self_attention, 3 * WIDTH, WIDTH)
        feed_forward(part.layer[0].ffn)
    attention(decoder.layer[0].attention, WIDTH, 2 * WIDTH, WIDTH)
    decoder.embeddings.weight = decoder.projection.weight = noise(size, WIDTH)
    if loud is not None:
        # What the last layer always adds points to that token.
        decoder.embeddings.weight[loud] = 1.0
        decoder.layer_norm.beta = np.full(WIDTH, 2.0, dtype=np.float32)
    return spec
