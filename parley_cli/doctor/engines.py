"""Whether the engines are installed that the settings name, and have what they cannot do without."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from parley_cli.doctor.findings import Finding, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEFAULTS: Final = {"ASR": "moonshine", "LLM": "rules", "TTS": "hibari"}
# What each engine is made of, and the extra of Parley that brings it; the others come with their server.
_PACKAGES: Final = {
    "moonshine": ("moonshine_voice", "asr"),
    "faster-whisper": ("faster_whisper", "asr"),
    "ctranslate2": ("ctranslate2", "ctranslate2"),
    "vllm": ("vllm", "vllm"),
    "espeak": ("espeakng_loader", "tts"),
    "hibari": ("hibari", "hibari"),
    "piper": ("piper", "piper"),
}
# What a server uses where an engine is not there.
_STAND_INS: Final = {"hibari": "espeak"}
_NEEDS_MODEL: Final = ("openai", "ctranslate2", "vllm")


def look_at_engines(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is missing for the engines, or that nothing is."""
    engines = {kind: environment.get(f"PARLEY_{kind}_ENGINE", "") or name for kind, name in _DEFAULTS.items()}
    missing = [finding for kind, engine in engines.items() for finding in _missing(kind, engine)]
    yield from missing
    whole = not missing
    served = environment.get("PARLEY_LLAMACPP_MODEL", "")
    if served and importlib.util.find_spec("xllamacpp") is None:
        whole = False
        what = f"PARLEY_LLAMACPP_MODEL={served} needs xllamacpp, which is not installed"
        yield Finding("engines", State.WRONG, what, "pip install '.[llamacpp]' in the folder of Parley")
    if engines["LLM"] in _NEEDS_MODEL and not served and not environment.get("PARLEY_LLM_MODEL", ""):
        whole = False
        what = f"PARLEY_LLM_ENGINE={engines['LLM']} needs a model, and PARLEY_LLM_MODEL is empty"
        yield Finding("engines", State.WRONG, what, "name the model in PARLEY_LLM_MODEL")
    if whole:
        yield Finding("engines", State.FINE, ", ".join(engines.values()))


def _missing(kind: str, engine: str) -> Iterator[Finding]:
    """What an engine lacks, or the one that stands in for it, and speaks beside it."""
    stand_in = _STAND_INS.get(engine, "")
    lacking = [
        name for name in (engine, stand_in) if name in _PACKAGES and not importlib.util.find_spec(_PACKAGES[name][0])
    ]
    for name in lacking:
        package, extra = _PACKAGES[name]
        what = f"PARLEY_{kind}_ENGINE={engine} needs {package}, which is not installed"
        is_stood_in_for = bool(stand_in) and lacking == [engine]
        what += f"; {stand_in} stands in" if is_stood_in_for else ""
        state = State.NOTE if is_stood_in_for else State.WRONG
        yield Finding("engines", state, what, f"pip install '.[{extra}]' in the folder of Parley")
