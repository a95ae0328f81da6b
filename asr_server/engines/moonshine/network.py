"""Moonshine's two networks: sound to features, features to tokens, tokens to text. Knows nothing of streams.

Greedy decoding with a draft: the tokens of an earlier transcription of the same utterance are verified in one pass,
which keeps those that the network would have chosen itself, and only what follows is decoded token by token
(speculative decoding, Leviathan et al. 2023, with the past as its draft model). Architecture: Jeffries et al.,
"Moonshine: Speech Recognition for Live Transcription and Voice Commands", 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engines.onnx_session import infer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_START: Final = 1
_END: Final = 2
_HEADS, _HEAD_SIZE, _LAYERS = 8, 36, 6
# Nobody says more; a network that goes on is in a loop.
_MOST_TOKENS_A_SECOND: Final = 6.5
_LEAST_TOKENS: Final = 4
# A vocabulary's length byte from this on is the low part of a length of two bytes.
_LONG_LENGTH: Final = 128
_SIDES: Final = ("decoder", "encoder")
_SPACE: Final = "\u2581".encode()

Tokens = list[int]


class MoonshineNetwork:
    """The model; calls may not overlap."""

    def __init__(self, encoder: InferenceSession, decoder: InferenceSession, vocabulary: list[bytes]) -> None:
        """Use these sessions; `vocabulary` has the bytes of every token."""
        self._encoder = encoder
        self._decoder = decoder
        self._vocabulary = vocabulary
        parts = [(layer, side, kind) for layer in range(_LAYERS) for side in _SIDES for kind in ("key", "value")]
        self._past = [f"past_key_values.{layer}.{side}.{kind}" for layer, side, kind in parts]
        self._outputs = ["logits", *(f"present.{layer}.{side}.{kind}" for layer, side, kind in parts)]

    def tokens(self, audio: NDArray[np.float32], rate_hz: int, draft: Sequence[int] = ()) -> Tokens:
        """What is said in `audio`, float32 of shape (samples,); `draft`: what it is thought to begin with.

        Raises:
            EngineFailed: a network failed.
        """
        limit = max(_LEAST_TOKENS, round(_MOST_TOKENS_A_SECOND * len(audio) / rate_hz))
        everywhere = np.ones((1, len(audio)), dtype=np.int64)
        [features] = infer(self._encoder, None, {"input_values": audio[None], "attention_mask": everywhere})
        nothing: NDArray[np.generic] = np.zeros((1, _HEADS, 0, _HEAD_SIZE), dtype=np.float32)
        feed: dict[str, NDArray[np.generic]] = dict.fromkeys(self._past, nothing)
        feed |= {"encoder_hidden_states": features, "encoder_attention_mask": everywhere}
        said: Tokens = []
        fed: Tokens = [_START, *draft[:limit]]
        while len(said) < limit:
            chosen, past = self._step(feed, fed, first=not said)
            agreed = _agreement(chosen, fed[1:])
            said += [*fed[1 : agreed + 1], chosen[agreed]]
            if said[-1] == _END:
                return said[:-1]
            feed |= self._kept(past, spare=len(fed) - 1 - agreed, first=len(said) == agreed + 1)
            fed = said[-1:]
        return said[:limit]

    def _step(
        self, feed: dict[str, NDArray[np.generic]], fed: Tokens, *, first: bool
    ) -> tuple[Tokens, list[NDArray[np.float32]]]:
        """What follows each of the tokens `fed`, and the attention's new past."""
        step = {"input_ids": np.array([fed], dtype=np.int64), "use_cache_branch": np.array([not first])}
        logits, *past = infer(self._decoder, self._outputs, feed | step)
        return [int(token) for token in logits[0].argmax(axis=-1)], past

    def _kept(self, past: list[NDArray[np.float32]], *, spare: int, first: bool) -> dict[str, NDArray[np.generic]]:
        """What of the past the next step needs: not the drafted tokens that were wrong."""
        kept: dict[str, NDArray[np.generic]] = {}
        for name, part in zip(self._past, past, strict=True):
            if ".decoder." in name:
                kept[name] = part[:, :, : part.shape[2] - spare]
            elif first:
                # Over the sound it is computed once; later steps give back nothing of use.
                kept[name] = part
        return kept

    def text(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`."""
        together = b"".join(self._vocabulary[token] for token in tokens if token < len(self._vocabulary))
        return together.replace(_SPACE, b" ").decode(errors="replace").strip()


def _agreement(chosen: Tokens, draft: Tokens) -> int:
    """How many tokens of the draft are those that would have been chosen."""
    return next(
        (place for place, (one, other) in enumerate(zip(chosen, draft, strict=False)) if one != other), len(draft)
    )


def read_vocabulary(path: Path) -> list[bytes]:
    """The bytes of every token: each is stored behind its length, in one byte or two."""
    stored = path.read_bytes()
    vocabulary, place = [], 0
    while place < len(stored):
        length, place = stored[place], place + 1
        if length >= _LONG_LENGTH:
            length, place = length - _LONG_LENGTH + stored[place] * _LONG_LENGTH, place + 1
        vocabulary.append(stored[place : place + length])
        place += length
    return vocabulary
