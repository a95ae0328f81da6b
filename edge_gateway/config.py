"""What the gateway reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass

from serving.config import setting


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Settings of the gateway."""

    host: str = setting(
        "PARLEY_GATEWAY_HOST", "127.0.0.1", help="Address that the page and its WebSocket are served on."
    )
    port: int = setting(
        "PARLEY_GATEWAY_PORT", 8080, help="Port of the page, its WebSocket and /metrics.", minimum=0, maximum=65535
    )
    grpc_port: int = setting(
        "PARLEY_GATEWAY_GRPC_PORT", 50050, help="Port of ConversationService and health.", minimum=0, maximum=65535
    )
    asr: str = setting("PARLEY_ASR_ADDRESS", "127.0.0.1:50051", help="Where the ASR server is, host:port.")
    llm: str = setting("PARLEY_LLM_ADDRESS", "127.0.0.1:50052", help="Where the LLM server is, host:port.")
    tts: str = setting("PARLEY_TTS_ADDRESS", "127.0.0.1:50053", help="Where the TTS server is, host:port.")
    max_sessions: int = setting(
        "PARLEY_MAX_SESSIONS", 500, help="Sessions held at once; one more is refused with a clear error.", minimum=1
    )
    lead_ms: int = setting(
        "PARLEY_LEAD_MS", 400, help="How far ahead of the listener audio is sent.", minimum=100, maximum=2000
    )
    drain_seconds: float = setting(
        "PARLEY_DRAIN_SECONDS", 5.0, help="How long sessions may go on after the signal to stop.", minimum=0
    )
    hosts: str = setting(
        "PARLEY_ALLOWED_HOSTS",
        "",
        help="Other names and addresses that the gateway may be opened as, separated by commas, ports optional.",
    )
    origins: str = setting(
        "PARLEY_ALLOWED_ORIGINS", "", help="Other origins whose pages may connect, separated by commas; * for any."
    )
    trace_url: str = setting(
        "PARLEY_TRACE_URL", "", help="Where one trace is shown, with {trace_id} in it; the page links there."
    )
    instructions: str = setting(
        "PARLEY_INSTRUCTIONS",
        "You are a friendly voice assistant. Answer in one or two short spoken sentences, without markup.",
        help="Instructions for the model when a session gives none.",
    )
    tool_filler: str = setting(
        "PARLEY_TOOL_FILLER", "One moment.", help="What is said while a function takes long; nothing if empty."
    )
