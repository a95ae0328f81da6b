"""Which engines a profile uses, and what the processes find in their environment. Starts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley._variables import KNOWN, SUPERVISED
from parley_cli.models.machine import find_machine
from parley_cli.models.sets import small_set
from parley_cli.processes import ADDRESSES, PROCESSES
from parley_cli.up.huge_pages import huge_pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.models.machine import Machine

PROFILES: Final[dict[str, dict[str, str]]] = {
    "embedded": {},
    "cpu": {
        "PARLEY_ASR_ENGINE": "faster-whisper",
        "PARLEY_ASR_DEVICE": "cpu",
        "PARLEY_ASR_COMPUTE_TYPE": "int8",
        "PARLEY_LLM_ENGINE": "openai",
        "PARLEY_TTS_ENGINE": "hibari",
    },
    "gpu": {
        "PARLEY_ASR_ENGINE": "faster-whisper",
        "PARLEY_ASR_DEVICE": "cuda",
        "PARLEY_ASR_COMPUTE_TYPE": "float16",
        "PARLEY_LLM_ENGINE": "vllm",
        "PARLEY_TTS_ENGINE": "piper",
        "PARLEY_TTS_DEVICE": "cuda",
    },
    "scripted": {"PARLEY_ASR_ENGINE": "scripted", "PARLEY_LLM_ENGINE": "scripted", "PARLEY_TTS_ENGINE": "scripted"},
}
"""Settings of each profile; those of `cpu` without its models, which depend on the machine."""

_SMALL: Final = "cpu"
# Who names one of these has a language model.
_WRITES: Final = ("PARLEY_LLM_ENGINE", "PARLEY_LLM_URL", "PARLEY_LLM_MODEL", "PARLEY_LLM_ADDRESS")


def environment_of(profile: str, environment: Mapping[str, str], machine: Machine | None = None) -> dict[str, str]:
    """What the processes are given: the profile's engines where the user has not said otherwise.

    Raises:
        InvalidInput: a variable holds no port.
    """
    models = small_set(machine or find_machine(), environment) if profile == _SMALL else {}
    if any(environment.get(name, "").strip() for name in _WRITES):
        models.pop("PARLEY_LLAMACPP_MODEL", None)
    # Names that nothing reads are told of once, and not by each process again.
    theirs = {name: value for name, value in environment.items() if name in KNOWN or not name.startswith("PARLEY_")}
    ours = {**PROFILES[profile], **models, **huge_pages(theirs), "PARLEY_LOG_LEVEL": "WARNING"}
    made = {**ours, **theirs, SUPERVISED: "1"}
    for variable, process in ADDRESSES.items():
        made[variable] = made.get(variable, "").strip() or process.address(environment)
    for process in PROCESSES:
        # Each is looked at before anything is started.
        process.ports(environment)
    return made
