"""Parley's SDK: typed, asynchronous clients of the ASR, LLM and TTS servers, and of whole conversations."""

from __future__ import annotations

from parley.errors import (
    DeadlinePassed,
    EngineFailed,
    InvalidInput,
    NotFound,
    Overloaded,
    ParleyError,
    TooLarge,
    Unavailable,
    WrongState,
)

__all__ = [
    "DeadlinePassed",
    "EngineFailed",
    "InvalidInput",
    "NotFound",
    "Overloaded",
    "ParleyError",
    "TooLarge",
    "Unavailable",
    "WrongState",
]

__version__ = "0.1.0"
