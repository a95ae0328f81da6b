"""What a real Prometheus answers, and what stands in a page of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from tests.programs import get_json, get_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.observability.stack import Stack


async def query(stack: Stack, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The result of an expression now: values by labels."""
    answer: Any = await get_json(f"{stack.prometheus}/api/v1/query", query=expression)
    assert answer is not None, f"Prometheus cannot read {expression}"
    return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in answer["data"]["result"]}


async def value(stack: Stack, expression: str) -> float | None:
    """The one value of an expression; None: there is none yet."""
    found = list((await query(stack, expression)).values())
    assert len(found) <= 1, f"{expression} has {len(found)} values"
    return found[0] if found else None


async def names(stack: Stack) -> set[str]:
    """Names of all metrics that were scraped or recorded."""
    answer: Any = await get_json(f"{stack.prometheus}/api/v1/label/__name__/values")
    return set(answer["data"])


async def labels(stack: Stack, label: str, *metrics: str) -> set[str]:
    """Every value that a label of these metrics has."""
    any_of = "|".join(metrics)
    answer: Any = await get_json(
        f"{stack.prometheus}/api/v1/label/{label}/values", **{"match[]": f'{{__name__=~"{any_of}"}}'}
    )
    return set(answer["data"])


async def parses(stack: Stack, expression: str) -> bool:
    """Prometheus understands an expression, whatever comes of it."""
    return await get_json(f"{stack.prometheus}/api/v1/query", query=expression) is not None


async def rules(stack: Stack) -> list[Mapping[str, Any]]:
    """The rules that Prometheus has read."""
    answer: Any = await get_json(f"{stack.prometheus}/api/v1/rules")
    return [rule for group in answer["data"]["groups"] for rule in group["rules"]]


async def exemplars(stack: Stack, expression: str) -> set[str]:
    """Ids of the traces that Prometheus keeps as examples of metrics."""
    answer: Any = await get_json(
        f"{stack.prometheus}/api/v1/query_exemplars", query=expression, start="1", end="99999999999"
    )
    return {each["labels"]["trace_id"] for series in answer["data"] for each in series["exemplars"]}


async def samples(url: str, name: str, **having: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Values of a metric at a page of metrics, by labels; those that have these labels, among others perhaps."""
    text = await get_text(url)
    assert text is not None, f"nothing at {url}"
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and having.items() <= sample.labels.items()
    }
