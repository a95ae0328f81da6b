"""Panels as Parley's dashboards have them: a title, a sentence on how to read them, and their queries.

Grafana's own typed library makes them, so that no field is misspelt. Whose data they show, the reader chooses.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, tempo, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TimeZoneBrowser,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import SearchTableType

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMETHEUS: Final = DataSourceRef("prometheus", "${metrics}")
TEMPO: Final = DataSourceRef("tempo", "${traces}")
TAG: Final = "parley"

_WIDTH: Final = 24
_MOST_TRACES: Final = 20


def board(uid: str, title: str, description: str) -> dashboard.Dashboard:
    """An empty dashboard that leads to the others."""
    others = dashboard.DashboardLink("Parley").type(DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(keep_time=True)
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone(TimeZoneBrowser)
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(others)
        .with_variable(dashboard.DatasourceVariable("metrics").label("Metrics").type("prometheus"))
        .with_variable(dashboard.DatasourceVariable("traces").label("Traces").type("tempo"))
    )


def number(title: str, description: str, expression: str, unit: str, columns: int = 6) -> stat.Panel:
    """One number, as it is now; columns: of the 24 that a row has."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .with_target(_query(expression, title).instant())
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .unit(unit)
        .graph_mode(BigValueGraphMode.NONE)
        .span(columns)
        .height(4)
    )


def lines(  # noqa: PLR0913 - a panel has these parts
    title: str,
    description: str,
    expressions: Mapping[str, str],
    unit: str,
    *,
    columns: int = 12,
    stacked: bool = False,
    exemplars: bool = False,
) -> timeseries.Panel:
    """Courses over time: expressions by what they are called, where {{label}} stands for a label's value."""
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.RIGHT)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .draw_style(GraphDrawStyle.LINE)
        .line_width(2)
        .fill_opacity(40 if stacked else 0)
        .show_points(VisibilityMode.NEVER)
        .legend(legend.show_legend(show_legend=True))
        .span(columns)
        .height(8)
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for letter, (legend_format, expression) in zip(ascii_uppercase, expressions.items(), strict=False):
        panel = panel.with_target(_query(expression, legend_format, letter).exemplar(exemplars))
    return panel


def heat(title: str, description: str, expression: str) -> heatmap.Panel:
    """A histogram over time, with a mark for each exemplar that leads to its trace; the expression is `by (le)`."""
    query = _query(expression, "{{le}}").format(PromQueryFormat.HEATMAP).exemplar(exemplar=True)
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .with_target(query)
        .calculate(calculate=False)
        .y_axis(heatmap.YAxisConfig().unit("s"))
        .exemplars_color("rgba(255,0,255,0.7)")
        .span(_WIDTH)
        .height(10)
    )


def traces(title: str, description: str, traceql: str, columns: int = 12) -> table.Panel:
    """Traces that a TraceQL query finds, the longest first, each a link to its waterfall."""
    query = tempo.Dataquery().ref_id("A").query_type("traceql").query(traceql).datasource(TEMPO)
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(TEMPO)
        .with_target(query.limit(_MOST_TRACES).table_type(SearchTableType.TRACES))
        .sort_by([common.TableSortByFieldState().display_name("Duration").desc(desc=True)])
        .span(columns)
        .height(9)
    )


def _query(expression: str, legend_format: str, letter: str = "A") -> prometheus.Dataquery:
    query = prometheus.Dataquery().datasource(PROMETHEUS).ref_id(letter)
    return query.expr(expression).legend_format(legend_format)
