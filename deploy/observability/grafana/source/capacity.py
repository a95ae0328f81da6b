"""Dashboard *Capacity*: how much is going on, what waits, and how much more there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import Row

from deploy.observability.grafana.source.panels import board, lines, number
from deploy.observability.grafana.source.promql import mean, quantile, rate

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def dashboard() -> Dashboard:
    """The dashboard."""
    made = board(
        "parley-capacity", "Capacity", "How much is going on, what waits, and how much more there is room for."
    )
    made = _sessions(made.with_row(Row("Sessions")))
    made = _servers(made.with_row(Row("Servers")))
    made = _engines(made.with_row(Row("Engines")))
    return _processes(made.with_row(Row("Processes")))


def _sessions(made: Dashboard) -> Dashboard:
    calls = {
        "sessions": "sum(parley_sessions_active)",
        "recognised": "sum(parley_asr_streams_active)",
        "being written": "sum(parley_llm_calls_active)",
        "being spoken": "sum(parley_tts_calls_active)",
    }
    return (
        made.with_panel(number("Sessions", "Conversations now.", "sum(parley_sessions_active)", "none"))
        .with_panel(
            number("Taken", "Of the sessions that may be held.", "parley:sessions:saturation", "percentunit"),
        )
        .with_panel(number("Turns", "A minute.", f"60 * {rate('parley_turns_total')}", "none"))
        .with_panel(
            number("Answering", "Processes that answer Prometheus.", 'sum(up{job="parley"})', "none"),
        )
        .with_panel(
            lines(
                "Refused",
                "Sessions a minute not let in: by the number that is set, by a loop that is late, or by what is full.",
                {"{{reason}}": f"60 * {rate('parley_sessions_refused_total', 'reason')}"},
                "none",
            )
        )
        .with_panel(lines("What is under way", "Sessions, and the calls that they have open.", calls, "none"))
        .with_panel(
            lines(
                "Sound",
                "Seconds of sound a second: from microphones, and in turns that were finished.",
                {
                    "received": f"{rate('parley_audio_samples_received_total')} / 16000",
                    "transcribed": f"{rate('parley_audio_samples_transcribed_total')} / 16000",
                },
                "none",
            )
        )
    )


def _servers(made: Dashboard) -> Dashboard:
    return made.with_panel(
        lines(
            "Calls by server",
            "Calls of all gateways at each address. The servers of one service should have about as many.",
            {"{{service}} {{address}}": "sum by (service, address) (parley_server_calls_active)"},
            "none",
        )
    ).with_panel(
        lines(
            "Servers that serve",
            "By the gateway that sees the fewest; a server that drains or is lost counts no more.",
            {"{{service}}": "min by (service) (sum by (service, instance) (parley_server_serving))"},
            "none",
        )
    )


def _engines(made: Dashboard) -> Dashboard:
    cached = rate("parley_tts_cache_total", "result")
    return (
        made.with_panel(
            lines(
                "Queues",
                "What waits for an engine: sounds, replies, sentences. Over zero for long: it is too slow, or too few.",
                {"{{service}}": "sum by (service) (parley_queue_depth)"},
                "none",
            )
        )
        .with_panel(
            lines(
                "Batches",
                "How much an engine has in hand as it begins another piece.",
                {"{{service}}": mean("parley_batch_size", "service")},
                "none",
            )
        )
        .with_panel(
            lines(
                "Real-time factor",
                "Work for each second of sound. An engine that does one thing at a time serves 1 / factor speakers.",
                {
                    "{{service}} p50": quantile(0.5, "parley_real_time_factor", "service"),
                    "{{service}} p95": quantile(0.95, "parley_real_time_factor", "service"),
                },
                "none",
            )
        )
        .with_panel(
            lines(
                "From a caller's leaving to idle",
                "p95. Work that nobody wants any more takes an engine from others for so long.",
                {"{{service}}": quantile(0.95, "parley_cancel_to_idle_seconds", "service")},
                "s",
            )
        )
        .with_panel(
            lines(
                "The servers' own times",
                "p95, without the way there; compare with the stages of Turn latency.",
                {
                    "words": quantile(0.95, "parley_asr_server_final_seconds"),
                    "first text": quantile(0.95, "parley_llm_server_ttft_seconds"),
                    "first sound": quantile(0.95, "parley_tts_server_ttfa_seconds"),
                },
                "s",
            )
        )
        .with_panel(lines("Cache of speech", "Sentences a second.", {"{{result}}": cached}, "none"))
    )


def _processes(made: Dashboard) -> Dashboard:
    return (
        made.with_panel(
            lines(
                "Loop lag",
                "p99. How late an event loop comes to what is due: over 20 ms packets of sound come late.",
                {"{{service}}": quantile(0.99, "parley_loop_lag_seconds", "service")},
                "s",
            )
        )
        .with_panel(
            lines(
                "Messages",
                "gRPC messages a second, in streams of many calls. Busy gateways send longer messages, not many more.",
                {"{{server}}": "sum by (server) (rate(parley_stream_messages_total[$__rate_interval]))"},
                "none",
            )
        )
        .with_panel(
            lines(
                "Processor",
                "Cores that each process keeps busy.",
                {"{{server}}": 'sum by (server) (rate(process_cpu_seconds_total{job="parley"}[$__rate_interval]))'},
                "none",
            )
        )
        .with_panel(
            lines(
                "Memory",
                "Resident.",
                {"{{server}}": 'sum by (server) (process_resident_memory_bytes{job="parley"})'},
                "bytes",
            )
        )
        .with_panel(
            lines(
                "What is lost on its way here",
                "Spans and log lines a second, by why. The tail sampling's own drops are not among them.",
                {
                    "spans: {{why}}": "sum by (why) (parley:spans_lost:rate5m)",
                    "log lines: {{fate}}": rate('parley_log_records_total{fate!="sent"}', "fate"),
                },
                "none",
            )
        )
    )
