"""What the LLM server reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass

from parley._variables import LOOPBACK
from parley.llm import SERVICE
from serving.config import optional_setting, port_setting, setting
from serving.probes import GrpcProbe
from serving.tls import TlsSettings


@dataclass(frozen=True, slots=True)
class LlmConfig(TlsSettings):
    """Settings of the LLM server."""

    host: str = setting("PARLEY_LLM_HOST", LOOPBACK, help="Address to listen on.")
    port: int = port_setting("PARLEY_LLM_PORT", help="Port to listen on.")
    metrics_port: int = port_setting("PARLEY_LLM_METRICS_PORT", help="Port of /metrics; 0 for none.")
    engine: str = setting(
        "PARLEY_LLM_ENGINE",
        "rules",
        choices=("rules", "openai", "ctranslate2", "vllm", "scripted"),
        help="Engine to use.",
    )
    url: str = setting(
        "PARLEY_LLM_URL",
        "http://127.0.0.1:11434/v1",
        help="openai: base of an OpenAI-compatible API; Ollama's by default.",
    )
    model: str = setting(
        "PARLEY_LLM_MODEL",
        "",
        help="openai: name of the model there. ctranslate2: its folder. vllm: its folder or hub id.",
    )
    api_key: str = setting("PARLEY_LLM_API_KEY", "", help="openai: its key, where one is needed.")
    fallbacks: str = setting(
        "PARLEY_LLM_FALLBACKS",
        "",
        help="openai: who answers when that one cannot, MODEL@URL separated by commas, rules as the last.",
    )
    fallback_api_keys: str = setting(
        "PARLEY_LLM_FALLBACK_API_KEYS", "", help="openai: their keys in the same order, separated by commas."
    )
    first_token_seconds: float = setting(
        "PARLEY_LLM_FIRST_TOKEN_SECONDS", 1.3, help="openai: silence after which the next one is asked.", minimum=0.1
    )
    patience_seconds: float = setting(
        "PARLEY_LLM_PATIENCE_SECONDS",
        20.0,
        help="openai, ctranslate2, vllm: silence after which a model is given up that nobody stands in for.",
        minimum=0.1,
    )
    temperature: float | None = optional_setting(
        "PARLEY_LLM_TEMPERATURE",
        float,
        help="Randomness of replies, 0 to 2, where a request does not say; empty: the endpoint's own, 0.7 elsewhere.",
        minimum=0,
        maximum=2,
    )
    top_p: float | None = optional_setting(
        "PARLEY_LLM_TOP_P",
        float,
        help="Share of the likely words that one is drawn from, up to 1; empty: the endpoint's own, 0.9 (ctranslate2), "
        "1 (vllm).",
        minimum=0.01,
        maximum=1,
    )
    seed: int | None = optional_setting(
        "PARLEY_LLM_SEED",
        int,
        help="Makes replies repeatable where the engine can; ctranslate2: from its start on, one after the other.",
        minimum=0,
        maximum=2**31 - 1,
    )
    warm_up: bool = setting(
        "PARLEY_LLM_WARM_UP", default=True, help="openai: have models loaded at start, by asking each for one token."
    )
    device: str = setting(
        "PARLEY_LLM_DEVICE", "cpu", choices=("cpu", "cuda"), help="ctranslate2: where the model runs."
    )
    compute_type: str = setting(
        "PARLEY_LLM_COMPUTE_TYPE",
        "default",
        help="ctranslate2: numbers to compute with; default: those it was saved in.",
    )
    parallel: int = setting("PARLEY_LLM_PARALLEL", 2, help="ctranslate2: replies written at once.", minimum=1)
    threads: int = setting(
        "PARLEY_LLM_THREADS", 0, help="ctranslate2: processor threads for each of them; 0: shared out.", minimum=0
    )
    context_tokens: int = setting(
        "PARLEY_LLM_CONTEXT_TOKENS",
        0,
        help="ctranslate2, vllm: longest conversation with its reply; 0: what the model's files say.",
        minimum=0,
    )
    vllm_args: str = setting(
        "PARLEY_LLM_VLLM_ARGS",
        "",
        help='vllm: further arguments of its engine, a JSON object such as {"gpu_memory_utilization": 0.8}.',
    )
    discovered: bool = setting(
        "PARLEY_LLM_DISCOVERED",
        default=False,
        help="Set by `parley up`: the endpoint was found on this machine, which the page tells.",
    )
    tools: str = setting(
        "PARLEY_LLM_TOOLS",
        "session",
        help="Functions of the server's own that the model may call: session (speed, volume, reminders), time, "
        "arithmetic; none for none.",
    )
    max_calls: int = setting("PARLEY_LLM_MAX_CALLS", 1000, help="Replies written at once.", minimum=1)
    drain_seconds: float = setting(
        "PARLEY_DRAIN_SECONDS", 5.0, help="How long calls may go on after the signal to stop.", minimum=0
    )
    scripted_text: str = setting(
        "PARLEY_SCRIPTED_LLM_TEXT",
        "This is a scripted reply. It has two sentences.",
        help="Scripted engine: what it always says.",
    )
    scripted_delay_ms: float = setting(
        "PARLEY_SCRIPTED_LLM_DELAY_MS", 0.0, help="Scripted engine: time to the first piece.", minimum=0
    )
    scripted_delta_ms: float = setting(
        "PARLEY_SCRIPTED_LLM_DELTA_MS", 0.0, help="Scripted engine: time between pieces.", minimum=0
    )

    @property
    def probes(self) -> tuple[GrpcProbe, ...]:
        """Where the process answers for its health."""
        return (GrpcProbe(self.host, self.port, SERVICE, self.tls),)
