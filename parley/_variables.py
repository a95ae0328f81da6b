"""The variables that set a Parley up: the one list of their names, and the defaults that several processes must share.

What each means is written where it is read, in a server's `config`. Reads no environment of its own.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOOPBACK: Final = "127.0.0.1"
"""Where everything listens unless it is told otherwise."""

PORTS: Final = {
    "PARLEY_GATEWAY_PORT": 8080,
    "PARLEY_GATEWAY_GRPC_PORT": 50050,
    "PARLEY_GATEWAY_METRICS_PORT": 0,
    "PARLEY_HTTPS_PORT": 8443,
    "PARLEY_ASR_PORT": 50051,
    "PARLEY_ASR_METRICS_PORT": 9101,
    "PARLEY_LLM_PORT": 50052,
    "PARLEY_LLM_METRICS_PORT": 9102,
    "PARLEY_TTS_PORT": 50053,
    "PARLEY_TTS_METRICS_PORT": 9103,
}
"""Default of each port, by the variable that sets it."""

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""Values of `PARLEY_LOG_LEVEL`, in either case."""

SUPERVISED: Final = "PARLEY_SUPERVISED"
"""Set by `parley up` for what it starts: standard input ends when `parley up` does, and so must its reader."""

KNOWN: Final = frozenset(PORTS) | frozenset(
    f"PARLEY_{name}"
    for name in (
        # The gateway.
        *("GATEWAY_HOST", "GATEWAY_REUSE_PORT"),
        *("ASR_ADDRESS", "LLM_ADDRESS", "TTS_ADDRESS", "MAX_SESSIONS", "LEAD_MS", "DRAIN_SECONDS"),
        *("ALLOWED_HOSTS", "ALLOWED_ORIGINS", "TRACE_URL", "GRAFANA_URL", "INSTRUCTIONS", "TOOL_FILLER", "LIBOPUS"),
        *("STATUS", "HTTPS_HOST", "HTTPS_CERTIFICATE", "HTTPS_KEY", "GATEWAY_TLS_CERT", "GATEWAY_TLS_KEY"),
        "TRUSTED_PROXIES",
        # The ASR server.
        *("ASR_HOST", "ASR_ENGINE", "ASR_MODEL", "ASR_DEVICE", "ASR_COMPUTE_TYPE", "ASR_LANGUAGE", "ASR_PROMPT"),
        *("ASR_CONTEXT", "ASR_WORDS", "ASR_DOWNLOAD", "ASR_BATCH", "ASR_BATCH_WAIT_MS", "ASR_TURN_MODEL"),
        *("ASR_THREADS", "ASR_PARTIAL_CONTEXT_SECONDS", "ASR_HIGHPASS", "ASR_AGC"),
        *("ASR_TURN_DETECTION", "ASR_TURN_THRESHOLD", "ASR_TURN_NOT_OVER", "ASR_TURN_SILENCE_MS", "ASR_MAX_STREAMS"),
        *("SCRIPTED_ASR_TEXTS", "SCRIPTED_ASR_DELAY_MS", "SCRIPTED_ASR_VAD"),
        # The LLM server.
        *("LLM_HOST", "LLM_ENGINE", "LLM_URL", "LLM_MODEL", "LLM_API_KEY", "LLM_FALLBACKS", "LLM_FALLBACK_API_KEYS"),
        *("LLM_DISCOVERED", "LLM_TEMPERATURE", "LLM_TOP_P", "LLM_SEED"),
        *("LLM_FIRST_TOKEN_SECONDS", "LLM_PATIENCE_SECONDS", "LLM_WARM_UP", "LLM_DEVICE", "LLM_COMPUTE_TYPE"),
        *("LLM_PARALLEL", "LLM_THREADS", "LLM_CONTEXT_TOKENS", "LLM_VLLM_ARGS", "LLM_TOOLS", "LLM_MAX_CALLS"),
        *("SCRIPTED_LLM_TEXT", "SCRIPTED_LLM_DELAY_MS", "SCRIPTED_LLM_DELTA_MS"),
        # The TTS server.
        *("TTS_HOST", "TTS_ENGINE", "TTS_VOICE", "TTS_VOICES_DIR", "TTS_LEXICON", "TTS_DEVICE", "TTS_CACHE_MB"),
        *("REDIS_URL", "TTS_COMPRESSION_RATIO", "TTS_MAX_CALLS"),
        *("SCRIPTED_TTS_DELAY_MS", "SCRIPTED_TTS_CHARACTER_MS"),
        # The command line.
        *("TEMPO_URL", "LLM_DISCOVER", "LLAMACPP_MODEL"),
        # Every process.
        *("LOG_LEVEL", "TRACE_CONTENT", "ENVIRONMENT", "TLS_CERT", "TLS_KEY", "TLS_CA"),
        # Parley's own tests.
        *("CHROMIUM", "FAKETIME", "PARTS", "TEST_MODELS", "TEST_SPEECH"),
    )
)
"""Every variable that somebody may set and something of Parley reads."""

_PREFIX: Final = "PARLEY_"
# Kubernetes tells every pod of the services beside it, in variables that begin with a service's name.
_SERVICE_LINK: Final = re.compile(r"PARLEY_\w*?(?:_SERVICE_HOST|_SERVICE_PORT(?:_\w+)?|_PORT_[0-9]+_(?:TCP|UDP)\w*)")
_LINK_SCHEMES: Final = ("tcp://", "udp://")
_LIKENESS: Final = 0.75


def unknown(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each variable that looks like Parley's and is not, with the name that comes closest."""
    for name, value in sorted(environment.items()):
        if not name.upper().startswith(_PREFIX) or name in KNOWN or name == SUPERVISED:
            continue
        if _SERVICE_LINK.fullmatch(name) or value.startswith(_LINK_SCHEMES):
            continue
        close = difflib.get_close_matches(name.upper(), KNOWN, n=1, cutoff=_LIKENESS)
        advice = f"did you mean {close[0]}?" if close else "README.md lists those that there are."
        yield f"{name} is set, and nothing reads it: {advice}"
