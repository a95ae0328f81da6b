"""What can be done where a turn waits, in words: for each span that may be waited for, the setting that moves it.

`docs/latency.md` has the same as a table. Reads no environment, and knows no times.
"""

from __future__ import annotations

from typing import Final

_BUSY: Final = "where it takes long, the machine has too much to do, and PARLEY_MAX_SESSIONS bounds that"
_NETWORK: Final = "no setting of Parley moves it, only a gateway that is nearer, or a better network"

_BY_NAME: Final = {
    "client.capture": (
        "microphone and browser hand over sound in pieces, and no setting of Parley moves it; another microphone may"
    ),
    "client.uplink": f"this is the network on the way in; {_NETWORK}",
    "gateway.decode": f"the gateway decoded the user's sound; {_BUSY}",
    "asr.endpoint": (
        "this is the silence that ends a turn, set by the session's endpointing.finished_silence_ms and "
        "endpointing.patient_silence_ms, or by a model that hears the end (PARLEY_ASR_TURN_MODEL); less of it cuts "
        "people off"
    ),
    "asr.transcribe": (
        "the words were waited for; PARLEY_ASR_ENGINE and PARLEY_ASR_MODEL choose a faster recogniser, and "
        "PARLEY_ASR_DEVICE where it computes"
    ),
    "gateway.decide": (
        f"the reply was held back until it might be heard, by another sound of the user's or by the gateway; {_BUSY}"
    ),
    "llm.chat": (
        "the model was waited for; PARLEY_LLM_ENGINE and PARLEY_LLM_MODEL choose a faster one, and the session's "
        "turn_taking.head_start has it begin in the silence"
    ),
    "execute_tool": (
        "a function was waited for, which must itself become faster; PARLEY_TOOL_FILLER is what is said meanwhile"
    ),
    "tts.synthesize": (
        "the first sentence's sound was waited for; PARLEY_TTS_ENGINE and PARLEY_TTS_VOICE choose a faster voice, "
        "PARLEY_TTS_DEVICE where it computes, and PARLEY_TTS_CACHE_MB keeps more of what is said again"
    ),
    "gateway.encode": f"the gateway encoded the reply's sound; {_BUSY}",
    "client.downlink": f"this is the network on the way out; {_NETWORK}",
    "client.jitter_buffer": (
        "the listener's program collected sound against an uneven network, and no setting of Parley moves it"
    ),
    "client.playout": (
        "the listener's output held the sound, as wireless loudspeakers do, and no setting of Parley moves it"
    ),
    "unexplained": (
        "no span tells of that time; spans that could not be sent are counted in parley_spans_total, and a machine or "
        "network that was too busy between two steps leaves no other trace"
    ),
}
# Parts of those, by the beginning of their names.
_BY_PREFIX: Final = (
    ("asr.end", "asr.endpoint"),
    ("asr.", "asr.transcribe"),
    ("llm.", "llm.chat"),
    ("chat", "llm.chat"),
    ("execute_tool", "execute_tool"),
    ("tts.", "tts.synthesize"),
)


def bottleneck(name: str) -> str:
    """What a turn that waits for a span of this name waits for, and what changes that."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    known = next((whole for prefix, whole in _BY_PREFIX if name.startswith(prefix)), None)
    return _BY_NAME[known] if known is not None else "Parley has no setting for it"
