"""PURE: the models with which this machine hears, thinks and speaks without another server.

On a processor a language model is bound by memory: every token reads all of its weights once. So it comes with four
bits a weight, which llama.cpp computes with, in files that its makers give out themselves. Sizes are those for which a
reply begins within a breath on such a machine, not the best that would fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.models.machine import Machine

_GB: Final = 10**9
# Machines have a little less than what they are sold with.
_WHISPER: Final = ((8, 7 * _GB, "small"), (4, 3 * _GB, "base"), (1, 0, "tiny"))
_WRITES: Final = (
    (4, 5 * _GB, "Qwen/Qwen2.5-1.5B-Instruct-GGUF:qwen2.5-1.5b-instruct-q4_k_m.gguf"),
    (1, 0, "Qwen/Qwen2.5-0.5B-Instruct-GGUF:qwen2.5-0.5b-instruct-q4_k_m.gguf"),
)
_ENGLISH: Final = ("", "en")


def small_set(machine: Machine, environment: Mapping[str, str]) -> dict[str, str]:
    """Settings of the models that `machine` carries; Whisper's is for English where the settings ask for no other."""
    whisper = _carried(machine, _WHISPER)
    language = environment.get("PARLEY_ASR_LANGUAGE", "").strip().lower().partition("-")[0]
    return {
        "PARLEY_ASR_MODEL": f"{whisper}.en" if language in _ENGLISH else whisper,
        "PARLEY_LLAMACPP_MODEL": _carried(machine, _WRITES),
    }


def _carried(machine: Machine, choices: tuple[tuple[int, int, str], ...]) -> str:
    """The first of `choices` (least processors, least memory, name) for which `machine` is large enough."""
    memory = machine.memory_bytes or _GB
    return next(name for processors, least, name in choices if machine.processors >= processors and memory >= least)
