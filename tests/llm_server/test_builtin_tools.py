"""Functions of the server's own, and what a caller may offer."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_server.builtin_tools import answer, arguments, builtin_tools, calculate, tell_time
from llm_server.engine import ToolCall
from llm_server.session_tools import SessionDesk, ToolFailed
from parley import llm
from parley.errors import InvalidInput, Unavailable


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2+2", "4"),
        ("(3 + 4) * 2.5", "17.5"),
        ("-3 ** 2", "-9"),
        ("10 / 4", "2.5"),
        ("1/3", "0.3333333333"),
        ("7 % 3", "1"),
        ("0.1+0.2", "0.3"),
        ("2**-2", "0.25"),
    ],
)
def test_sums_are_worked_out_exactly(expression: str, value: str) -> None:
    assert calculate({"expression": expression}) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1/0", "divided by zero"),
        ("0 ** -1", "divided by zero"),
        ("2 ** 1000", "whole powers up to 64"),
        ("9 ** 9 ** 9", "whole powers"),
        ("10 ** 20", "too large"),
        ("2 ** 0.5", "whole powers"),
        ("__import__('os').system('ls')", "only numbers"),
        ("a + 1", "only numbers"),
        ("True + 1", "only numbers"),
        ("1 +", "is no calculation"),
        ("1e999", "is no calculation"),
        ("(" * 150, "is no calculation"),
        ("1+" * 150 + "1", "at most 200"),
        ("", "is missing"),
        (None, "is missing"),
    ],
)
def test_what_cannot_be_worked_out_says_why(expression: object, message: str) -> None:
    with pytest.raises(ToolFailed, match=message):
        calculate({"expression": expression})


@given(st.text(alphabet="0123456789+-*/%(). eE", max_size=60))
def test_no_expression_does_any_harm(expression: str) -> None:
    with suppress(ToolFailed):
        assert calculate({"expression": expression})


def test_the_time_is_told_where_it_is_asked_for() -> None:
    assert "(CET)" in tell_time({"time_zone": "Europe/Paris"}) or "(CEST)" in tell_time({"time_zone": "Europe/Paris"})
    assert tell_time({})


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../etc/passwd", "/etc", "\0"])
def test_a_place_that_has_no_time_is_named(zone: str) -> None:
    with pytest.raises(ToolFailed, match="no time zone"):
        tell_time({"time_zone": zone})


def test_a_failure_is_told_to_the_model() -> None:
    (arithmetic,) = builtin_tools("arithmetic")
    result = answer(arithmetic, ToolCall("1", "arithmetic", "{]"), SessionDesk(None))
    assert result.failed
    assert "no JSON" in result.content


def test_arguments_may_be_left_out() -> None:
    assert arguments(ToolCall("1", "time", "")) == {}


def test_a_function_that_there_is_not_is_named_at_the_start() -> None:
    with pytest.raises(Unavailable, match="there are session, time, arithmetic, none"):
        builtin_tools("time, weather")


@pytest.mark.parametrize(
    ("definitions", "field"),
    [
        ([("what is it", "", "")], "config.tools[0].name"),
        ([("a", "", ""), ("a", "", "")], "config.tools[1].name"),
        ([("a", "", "{")], "config.tools[0].parameters_json_schema"),
        ([("a", "", "[]")], "config.tools[0].parameters_json_schema"),
        ([(f"f{number}", "", "") for number in range(65)], "config.tools"),
    ],
)
def test_offers_that_cannot_be_used_are_refused(definitions: list[tuple[str, str, str]], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        llm.read_tools([llm.Tool(*each) for each in definitions], "config.tools")
    assert caught.value.field == field


@pytest.mark.parametrize(
    "expression",
    [
        "((0.1**64)**64)**64",
        "(((0.1)**64)**64)**5",
        "0.1**64" + "*.1**64" * 10,
        "1/7**63/11**63/13**63/17**63/19**63/23**63/29**63/31**63/37**63",
        "(1e-300)**9",
    ],
)
def test_numbers_too_fine_to_be_worked_with_are_refused(expression: str) -> None:
    with pytest.raises(ToolFailed, match="too large, or too fine"):
        calculate({"expression": expression})


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("[" * 20_000, "no JSON"),
        ('{"expression": ' + "9" * 5_000 + "}", "no JSON"),
        ('{"expression": NaN}', "NaN is no number"),
        ('{"expression": "1", "expression": "2"}', "comes twice"),
    ],
)
def test_arguments_that_go_over_a_bound_are_told_to_the_model(written: str, why: str) -> None:
    (arithmetic,) = builtin_tools("arithmetic")
    result = answer(arithmetic, ToolCall("1", "arithmetic", written), SessionDesk(None))
    assert result.failed
    assert why in result.content


@pytest.mark.parametrize("zone", ["Europe/" * 10_000, "\u0301" * 5_000, "../" * 1_000])
def test_a_place_with_a_name_that_is_too_long_has_no_time(zone: str) -> None:
    with pytest.raises(ToolFailed, match="time zone of") as refused:
        tell_time({"time_zone": zone})
    assert len(str(refused.value)) < 200
