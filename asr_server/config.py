"""What the ASR server reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass

from parley._variables import LOOPBACK
from parley.asr import SERVICE
from serving.config import port_setting, setting
from serving.probes import GrpcProbe
from serving.tls import TlsSettings


@dataclass(frozen=True, slots=True)
class AsrConfig(TlsSettings):
    """Settings of the ASR server."""

    host: str = setting("PARLEY_ASR_HOST", LOOPBACK, help="Address to listen on.")
    port: int = port_setting("PARLEY_ASR_PORT", help="Port to listen on.")
    metrics_port: int = port_setting("PARLEY_ASR_METRICS_PORT", help="Port of /metrics; 0 for none.")
    engine: str = setting(
        "PARLEY_ASR_ENGINE", "moonshine", choices=("moonshine", "faster-whisper", "scripted"), help="Engine to use."
    )
    model: str = setting(
        "PARLEY_ASR_MODEL", "small", help="faster-whisper: a size, OWNER/REPOSITORY of a hub, or a folder."
    )
    device: str = setting(
        "PARLEY_ASR_DEVICE", "auto", choices=("auto", "cpu", "cuda"), help="faster-whisper: where it computes."
    )
    compute_type: str = setting(
        "PARLEY_ASR_COMPUTE_TYPE", "auto", help="faster-whisper: int8, float16 and so on; auto: by the device."
    )
    language: str = setting(
        "PARLEY_ASR_LANGUAGE",
        "en",
        help="faster-whisper: language of streams that name none, BCP 47; auto: it is found out.",
    )
    prompt: str = setting("PARLEY_ASR_PROMPT", "", help="faster-whisper: text in the style that is wanted.")
    context: bool = setting(
        "PARLEY_ASR_CONTEXT",
        default=True,
        help="faster-whisper: lead into the rest of a long turn with its words so far; off for distilled models.",
    )
    words: bool = setting("PARLEY_ASR_WORDS", default=False, help="faster-whisper: say where each word sounds.")
    download: bool = setting(
        "PARLEY_ASR_DOWNLOAD", default=False, help="faster-whisper: fetch a model that is not on this machine."
    )
    threads: int = setting(
        "PARLEY_ASR_THREADS",
        0,
        help="faster-whisper on a CPU: threads; 0: one for each core, at most 8.",
        minimum=0,
        maximum=256,
    )
    partial_context_seconds: float = setting(
        "PARLEY_ASR_PARTIAL_CONTEXT_SECONDS",
        0.0,
        help="faster-whisper: audio context of partials, 10 to the 30 of finals; 0: 10 on a CPU, 30 on a GPU.",
        minimum=0,
        maximum=30,
    )
    batch: int = setting(
        "PARLEY_ASR_BATCH",
        0,
        help="faster-whisper: streams transcribed in one call, at most; 0: 16 on a GPU, 1 on a CPU.",
        minimum=0,
        maximum=256,
    )
    batch_wait_ms: float = setting(
        "PARLEY_ASR_BATCH_WAIT_MS",
        0.0,
        help="How long a busy engine waits for more streams to transcribe in one call.",
        minimum=0,
        maximum=100,
    )
    highpass: bool = setting(
        "PARLEY_ASR_HIGHPASS", default=True, help="Take away what is under 80 Hz of the sound: a DC offset, rumble."
    )
    agc: bool = setting("PARLEY_ASR_AGC", default=True, help="Automatic gain control: make soft speakers louder.")
    turn_model: str = setting(
        "PARLEY_ASR_TURN_MODEL",
        "",
        help="ONNX model that hears whether a turn is over, a file or OWNER/REPOSITORY:FILE; empty: words decide.",
    )
    turn_detection: str = setting(
        "PARLEY_ASR_TURN_DETECTION",
        "auto",
        choices=("auto", "on", "off"),
        help="Whether that model is asked; auto: where it saves more than it takes, measured at the start.",
    )
    turn_threshold: float = setting(
        "PARLEY_ASR_TURN_THRESHOLD",
        0.9,
        help="Its probability from which on a turn is surely over.",
        minimum=0,
        maximum=1,
    )
    turn_not_over: float = setting(
        "PARLEY_ASR_TURN_NOT_OVER",
        0.2,
        help="Its probability up to which a turn surely is not over; between the two the words decide.",
        minimum=0,
        maximum=1,
    )
    turn_silence_ms: float = setting(
        "PARLEY_ASR_TURN_SILENCE_MS",
        550.0,
        help="Silence that ends a turn that is surely over; less is sooner, and cuts more people off.",
        minimum=100,
        maximum=2000,
    )
    max_streams: int = setting("PARLEY_ASR_MAX_STREAMS", 1000, help="Streams taken at once.", minimum=1)
    drain_seconds: float = setting(
        "PARLEY_DRAIN_SECONDS", 5.0, help="How long streams may go on after the signal to stop.", minimum=0
    )
    scripted_texts: str = setting(
        "PARLEY_SCRIPTED_ASR_TEXTS", "what time is it", help="Scripted engine: its texts in turn, separated by |."
    )
    scripted_delay_ms: float = setting(
        "PARLEY_SCRIPTED_ASR_DELAY_MS", 0.0, help="Scripted engine: how long a transcription takes.", minimum=0
    )
    scripted_vad: str = setting(
        "PARLEY_SCRIPTED_ASR_VAD",
        "level",
        choices=("level", "silero"),
        help="Scripted engine: silero has that network compute too, and its answer left; the level decides.",
    )

    @property
    def probes(self) -> tuple[GrpcProbe, ...]:
        """Where the process answers for its health."""
        return (GrpcProbe(self.host, self.port, SERVICE, self.tls),)
