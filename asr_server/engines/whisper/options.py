"""Which Whisper is loaded, and how it transcribes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from asr_server.engines.whisper.window import Limits

ENGLISH: Final = "en"


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """What to load, and how."""

    model: str
    """A size ("small"), OWNER/REPOSITORY of a hub, or a folder."""
    device: str = "auto"
    """"cpu", "cuda" or "auto"."""
    compute_type: str = "auto"
    """CTranslate2's, such as "int8" or "float16"; "auto": int8 on a CPU, float16 on a GPU."""
    language: str = ENGLISH
    """Language of streams that name none, BCP 47; `AUTO`: found out utterance by utterance."""
    prompt: str = ""
    """Text in the style that is wanted, which the model takes for what was said before."""
    context: bool = True
    """Lead into what is still open of a long utterance with the words before it; some distilled models cannot."""
    words: bool = False
    """Say where each word sounds; takes the model a little longer."""
    download: bool = False
    """A model that is not on this machine may be fetched."""
    threads: int = 0
    """On a CPU; 0: one for each core, at most 8."""
    partial_context_seconds: float = 0.0
    """`Sound.context_seconds` of partials; 0: an engine decides by its device."""
    batch: int = 0
    """Streams transcribed in one call, at most; 0: by the device."""
    limits: Limits = field(default_factory=Limits)
    """How much of an utterance is transcribed anew each time."""
