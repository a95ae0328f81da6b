"""What the TTS server reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass

from parley._variables import LOOPBACK
from parley.tts import SERVICE
from serving.config import port_setting, setting
from serving.probes import GrpcProbe
from serving.tls import TlsSettings


@dataclass(frozen=True, slots=True)
class TtsConfig(TlsSettings):
    """Settings of the TTS server."""

    host: str = setting("PARLEY_TTS_HOST", LOOPBACK, help="Address to listen on.")
    port: int = port_setting("PARLEY_TTS_PORT", help="Port to listen on.")
    metrics_port: int = port_setting("PARLEY_TTS_METRICS_PORT", help="Port of /metrics; 0 for none.")
    engine: str = setting(
        "PARLEY_TTS_ENGINE",
        "hibari",
        choices=("espeak", "hibari", "piper", "scripted"),
        help="Engine to use. hibari: English; espeak speaks the rest, and all where hibari cannot be loaded.",
    )
    voice: str = setting("PARLEY_TTS_VOICE", "", help="Default voice; empty: the engine's. piper: a path does too.")
    voices_dir: str = setting(
        "PARLEY_TTS_VOICES_DIR",
        "",
        help="piper: folder of NAME.onnx and NAME.onnx.json; empty: parley/voices in $XDG_DATA_HOME or ~/.local/share.",
    )
    lexicon: str = setting(
        "PARLEY_TTS_LEXICON", "", help="Pronunciation lexicon, a TOML file; empty: words are read as they are written."
    )
    device: str = setting("PARLEY_TTS_DEVICE", "cpu", choices=("cpu", "cuda"), help="piper: where it computes.")
    compression_ratio: float = setting(
        "PARLEY_TTS_COMPRESSION_RATIO",
        1.5,
        help="How many dB of loud speech above -24 dB become one; 1: no compression. More is easier heard in noise.",
        minimum=1,
        maximum=20,
    )
    cache_mb: int = setting(
        "PARLEY_TTS_CACHE_MB", 64, help="Megabytes of speech kept to be said again; 0: none, nor in Redis.", minimum=0
    )
    redis_url: str = setting(
        "PARLEY_REDIS_URL", "", help="A Redis that also keeps that speech, for a week: redis://HOST:PORT."
    )
    max_calls: int = setting("PARLEY_TTS_MAX_CALLS", 1000, help="Replies spoken at once.", minimum=1)
    drain_seconds: float = setting(
        "PARLEY_DRAIN_SECONDS", 5.0, help="How long calls may go on after the signal to stop.", minimum=0
    )
    scripted_delay_ms: float = setting(
        "PARLEY_SCRIPTED_TTS_DELAY_MS", 0.0, help="Scripted engine: time to the first sound of a sentence.", minimum=0
    )
    scripted_character_ms: float = setting(
        "PARLEY_SCRIPTED_TTS_CHARACTER_MS", 60.0, help="Scripted engine: length of a character.", minimum=1
    )

    @property
    def probes(self) -> tuple[GrpcProbe, ...]:
        """Where the process answers for its health."""
        return (GrpcProbe(self.host, self.port, SERVICE, self.tls),)
