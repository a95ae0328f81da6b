"""Dashboard *Turn latency*: how long people wait for an answer, for what, and in which turns the longest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import Row

from deploy.observability.grafana.source.panels import board, heat, lines, number, traces
from deploy.observability.grafana.source.promql import buckets, mean, quantile, share

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

_TURN: Final = "parley_turn_mic_to_speaker_seconds"
_SPANS: Final = "traces_span_metrics_duration_seconds"
_OF_A_TURN: Final = '{span_name=~"client[.].*|gateway[.].*|asr[.].*|llm.chat|tts.synthesize"}'
_HOPS: Final = {
    "end of turn": "parley_endpointing_seconds",
    "words": "parley_asr_final_seconds",
    "first text": "parley_llm_ttft_seconds",
    "first sound": "parley_tts_ttfa_seconds",
}


def dashboard() -> Dashboard:
    """The dashboard."""
    made = board("parley-turn-latency", "Turn latency", "From the last sound of the user to the first of the answer.")
    made = _percentiles(made.with_row(Row("From microphone to loudspeaker")))
    made = _stages(made.with_row(Row("Where the time goes")))
    return _turns(made.with_row(Row("Turns to look at")))


def _percentiles(made: Dashboard) -> Dashboard:
    wait = "From the end of the user's speech to the first audible sample, as far as the client reports it."
    for share_of_turns in (0.5, 0.95, 0.99):
        named = f"p{share_of_turns * 100:.0f}"
        expression = f"histogram_quantile({share_of_turns}, sum by (le) (increase({_TURN}_bucket[$__range])))"
        made = made.with_panel(number(named, wait, expression, "s"))
    failed = share('parley_turns_total{outcome="failed"}', "parley_turns_total")
    courses = {f"p{of * 100:.0f}": quantile(of, _TURN) for of in (0.5, 0.95, 0.99)}
    return (
        made.with_panel(number("Failed", "Turns that ended without an answer.", failed, "percentunit"))
        .with_panel(heat("Every turn", f"{wait} A mark is a sampled turn: it leads to its trace.", buckets(_TURN)))
        .with_panel(lines("Percentiles", wait, courses, "s", columns=24, exemplars=True))
    )


def _stages(made: Dashboard) -> Dashboard:
    stacked = {stage: mean(histogram) for stage, histogram in _HOPS.items()}
    slow = {stage: quantile(0.95, histogram) for stage, histogram in _HOPS.items()}
    spans = {"{{span_name}}": mean(_SPANS, "span_name", _OF_A_TURN)}
    return (
        made.with_panel(
            lines(
                "Mean wait by stage",
                "What the gateway waits for, one after the other. A head start hides what it did in the silence.",
                stacked,
                "s",
                stacked=True,
            )
        )
        .with_panel(lines("p95 by stage", "The slowest twentieth; their sum is more than that of turns.", slow, "s"))
        .with_panel(
            lines(
                "Mean length of each span",
                "All bars of the waterfall, of all turns, also those whose traces were dropped. Writing and speaking "
                "go on after the first sound.",
                spans,
                "s",
                columns=24,
            )
        )
    )


def _turns(made: Dashboard) -> Dashboard:
    return made.with_panel(
        traces(
            "Slowest turns",
            "Turns that took over a second; each is a link to its waterfall.",
            '{ name = "parley.turn" && duration > 1s } '
            "| select(span.parley.outcome, span.parley.head_start, span.session.id)",
        )
    ).with_panel(
        traces(
            "Failed turns",
            "Turns with an error at any hop.",
            '({ name = "parley.turn" && span.parley.outcome = "failed" } || { status = error }) '
            "| select(span.session.id)",
        )
    )
