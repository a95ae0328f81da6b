"""Dashboard *Conversation quality*: are people cut off, kept waiting, or talked over?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import Row

from deploy.observability.grafana.source.panels import board, lines, number, traces
from deploy.observability.grafana.source.promql import quantile, rate, share

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def dashboard() -> Dashboard:
    """The dashboard."""
    described = "Are people cut off, kept waiting, or talked over?"
    made = board("parley-conversation-quality", "Conversation quality", described)
    made = _shares(made.with_row(Row("Turns")))
    made = _ends(made.with_row(Row("Where turns end")))
    made = _floor(made.with_row(Row("Who has the floor")))
    made = _actions(made.with_row(Row("What replies do to their sessions")))
    return _turns(made.with_row(Row("Turns to look at")))


def _shares(made: Dashboard) -> Dashboard:
    turns = "parley_turns_total"
    return (
        made.with_panel(
            number(
                "Cut off",
                "Turns whose speaker went on within a second of their end.",
                share("parley_turns_ended_too_early_total", turns),
                "percentunit",
            )
        )
        .with_panel(
            number(
                "Interrupted",
                "Replies that were spoken over, and stopped.",
                share('parley_turns_total{outcome="interrupted"}', turns),
                "percentunit",
            )
        )
        .with_panel(
            number(
                "Head starts used",
                "Of the replies that were begun before the turn was certainly over.",
                share('parley_head_starts_total{outcome="used"}', "parley_head_starts_total"),
                "percentunit",
            )
        )
        .with_panel(
            number("Failed", "Turns without an answer.", share(f'{turns}{{outcome="failed"}}', turns), "percentunit")
        )
        .with_panel(
            lines("How turns end", "Turns a second.", {"{{outcome}}": rate(turns, "outcome")}, "none", stacked=True)
        )
        .with_panel(
            lines(
                "Whose fault",
                "Failures a second: of servers in replies, and of the recogniser on sounds.",
                {
                    "{{hop}}": rate("parley_hop_failures_total", "hop"),
                    "recogniser ({{asked}})": rate("parley_asr_engine_failures_total", "asked"),
                },
                "none",
            )
        )
    )


def _ends(made: Dashboard) -> Dashboard:
    return (
        made.with_panel(
            lines(
                "Silence before an answer",
                "From the last sound of the user to the decision that the turn is over.",
                {f"p{of * 100:.0f}": quantile(of, "parley_endpointing_seconds") for of in (0.5, 0.95)},
                "s",
                exemplars=True,
            )
        )
        .with_panel(
            lines(
                "Excess wait",
                "Silence beyond the longest pause within the turn: what could have been spared.",
                {f"p{of * 100:.0f}": quantile(of, "parley_endpointing_beyond_need_seconds") for of in (0.5, 0.95)},
                "s",
                exemplars=True,
            )
        )
        .with_panel(
            lines(
                "Cut off",
                "Share of the turns of an hour. Less excess wait buys more of these.",
                {"ended too early": "parley:turns_ended_too_early:ratio1h"},
                "percentunit",
            )
        )
        .with_panel(
            lines(
                "Discarded",
                "What sounded like a turn and was none, a second, by why.",
                {"{{reason}}": rate("parley_discards_total", "reason")},
                "none",
            )
        )
    )


def _floor(made: Dashboard) -> Dashboard:
    return made.with_panel(
        lines(
            "From a voice to a quieter, and a silent reply",
            "p95, by the listener's own loudspeaker.",
            {
                "quieter": quantile(0.95, "parley_barge_in_duck_seconds"),
                "silent": quantile(0.95, "parley_barge_in_stop_seconds"),
            },
            "s",
            exemplars=True,
        )
    ).with_panel(
        lines(
            "Head starts",
            "Replies a second that were begun early, and were heard or dropped.",
            {"{{outcome}}": rate("parley_head_starts_total", "outcome")},
            "none",
            stacked=True,
        )
    )


def _actions(made: Dashboard) -> Dashboard:
    return made.with_panel(
        lines(
            "Session actions",
            "Changes of speed and loudness, and reminders that were set or cancelled, a second.",
            {"{{action}}": rate("parley_session_actions_total", "action")},
            "none",
        )
    ).with_panel(
        lines(
            "Reminders",
            "Reminders a second, by what became of them. Lost: their session ended first.",
            {"{{outcome}}": rate("parley_reminders_total", "outcome")},
            "none",
        )
    )


def _turns(made: Dashboard) -> Dashboard:
    return made.with_panel(
        traces(
            "Cut off",
            "Turns that were ended before their speaker was done.",
            '{ name = "parley.turn" && span.parley.endpointing.too_early = true } '
            "| select(span.parley.endpointing.waited_ms, span.session.id)",
        )
    ).with_panel(
        traces(
            "Interrupted",
            "Turns whose reply was spoken over.",
            '{ name = "parley.turn" && span.parley.outcome = "interrupted" } | select(span.session.id)',
        )
    )
