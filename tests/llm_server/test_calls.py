"""Calls of functions in all the fragments in which endpoints send them."""

from __future__ import annotations

import json

import pytest

from llm_server.engine import ToolCall
from llm_server.engines.endpoints.calls import CallAssembler, Fragment
from llm_server.engines.endpoints.chunks import read_chunk
from llm_server.engines.endpoints.endpoint import Endpoint
from llm_server.engines.endpoints.failure import EndpointFailed

HERE = Endpoint("http://host/v1", "m")
OFFERED = frozenset({"weather", "add", "time", "get_weather"})
BERN, ROME = '{"city": "Bern"}', '{"city": "Rome"}'


def call(**fields: object) -> dict[str, object]:
    """A fragment of a call: `index` and `id` as given, the rest is the function's."""
    function = {name: value for name, value in fields.items() if name in {"name", "arguments"}}
    return {**{name: value for name, value in fields.items() if name not in function}, "function": function}


def calls(*fragments: object) -> list[tuple[str, object]]:
    """Names and arguments of what comes of these, one an event."""
    return [
        (each.name, json.loads(each.arguments_json) if each.arguments_json else {}) for each in assembled(*fragments)
    ]


def assembled(*fragments: object) -> list[ToolCall]:
    assembler = CallAssembler("m@host", OFFERED)
    for fragment in fragments:
        event = json.dumps({"choices": [{"delta": {"tool_calls": [fragment]}}]})
        assembler.add(read_chunk(event, HERE).calls)
    return assembler.whole()


@pytest.mark.parametrize(
    "fragments",
    [
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments=""),
                call(index=0, arguments='{"city":'),
                call(index=0, arguments=' "Bern"}'),
            ),
            id="as the API says",
        ),
        pytest.param((call(index=0, id="a", name="weather", arguments=BERN),), id="whole"),
        pytest.param((call(name="weather", arguments=BERN),), id="without place and id"),
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments='{"city":'),
                call(index=0, id="a", name="weather", arguments=' "Bern"}'),
            ),
            id="the name with every piece",
        ),
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments='{"city":'),
                call(index=0, id="b", name="weather", arguments=' "Bern"}'),
            ),
            id="another id with every piece",
        ),
        pytest.param(
            (call(index=0, name="wea"), call(index=0, name="ther"), call(index=0, arguments=BERN)), id="a name in two"
        ),
        pytest.param(
            (call(index=0, name="wea"), call(index=0, name="weather"), call(index=0, arguments=BERN)),
            id="the name so far",
        ),
        pytest.param((call(index=0, id="a", name="weather", arguments={"city": "Bern"}),), id="an object"),
        pytest.param((call(index=0, id="a", name="weather", arguments=json.dumps(BERN)),), id="a string of an object"),
        pytest.param(
            (call(index=0, id="a", name="weather", arguments="{}"), call(index=0, arguments=BERN)), id="a placeholder"
        ),
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments={}),
                call(index=0, arguments='{"city":'),
                call(index=0, arguments=' "Bern"}'),
            ),
            id="an object as a placeholder",
        ),
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments='{"city"'),
                call(index=0, arguments=': "Bern"}'),
                call(index=0, id="a", name="weather", arguments=BERN),
            ),
            id="once more as a whole",
        ),
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments='{"ci'),
                call(index=0, id="a", name="weather", arguments='{"city": "Be'),
                call(index=0, id="a", name="weather", arguments=BERN),
            ),
            id="all so far with every piece",
        ),
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments='{"city":'),
                call(index=1, id="a", arguments=' "Bern"}'),
            ),
            id="another place with every piece",
        ),
        pytest.param(
            (call(index=None, id="a", name="weather"), call(index=None, id="", name=None, arguments=BERN)), id="nulls"
        ),
        pytest.param(({"index": "0", "id": 5, "name": "weather", "arguments": BERN},), id="flat"),
    ],
)
def test_one_call_is_one_call(fragments: tuple[object, ...]) -> None:
    assert calls(*fragments) == [("weather", {"city": "Bern"})]


@pytest.mark.parametrize(
    ("fragments", "found"),
    [
        pytest.param(
            (
                call(index=0, id="a", name="add", arguments='{"a": 2}'),
                call(index=0, id="b", name="weather", arguments=BERN),
            ),
            [("add", {"a": 2}), ("weather", {"city": "Bern"})],
            id="both at the place 0",
        ),
        pytest.param(
            (call(index=0, name="add", arguments={"a": 2}), call(index=0, name="weather", arguments={"city": "Bern"})),
            [("add", {"a": 2}), ("weather", {"city": "Bern"})],
            id="both at the place 0 without ids",
        ),
        pytest.param(
            (call(index=0, name="weather", arguments=BERN), call(index=0, name="weather", arguments=ROME)),
            [("weather", {"city": "Bern"}), ("weather", {"city": "Rome"})],
            id="the same function at the place 0 without ids",
        ),
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments=BERN),
                call(index=0, id="b", name="weather", arguments=BERN),
            ),
            [("weather", {"city": "Bern"})] * 2,
            id="the same with ids of their own",
        ),
        pytest.param(
            (
                call(index=0, id="a", name="time"),
                call(index=0, id="b", name="weather"),
                call(index=0, arguments=BERN),
            ),
            [("time", {}), ("weather", {"city": "Bern"})],
            id="one without arguments at the place 0",
        ),
        pytest.param(
            (call(name="time", arguments=""), call(name="weather", arguments=BERN)),
            [("time", {}), ("weather", {"city": "Bern"})],
            id="neither place nor id",
        ),
        pytest.param(
            (call(index=0, id="a", name="time"), call(index=0, id="a", name="add", arguments='{"a": 2}')),
            [("time", {}), ("add", {"a": 2})],
            id="one id for both",
        ),
        pytest.param(
            (
                call(index=0, id="a", name="weather", arguments='{"city":'),
                call(index=1, id="b", name="add", arguments='{"a":'),
                call(index=0, arguments=' "Bern"}'),
                call(index=1, arguments=" 2}"),
            ),
            [("weather", {"city": "Bern"}), ("add", {"a": 2})],
            id="by turns",
        ),
        pytest.param(
            (call(index=3, id="a", name="time"), call(index=7, id="b", name="time")),
            [("time", {}), ("time", {})],
            id="places that do not begin at 0",
        ),
    ],
)
def test_several_calls_are_several(fragments: tuple[object, ...], found: list[tuple[str, object]]) -> None:
    assert calls(*fragments) == found


def test_a_call_of_the_older_form_is_one() -> None:
    assembler = CallAssembler("m@host")
    for function in ({"name": "weather", "arguments": '{"city": '}, {"arguments": '"Bern"}'}):
        assembler.add(read_chunk(json.dumps({"choices": [{"delta": {"function_call": function}}]}), HERE).calls)
    assert assembler.whole() == [ToolCall("call-0", "weather", BERN)]


def test_arguments_that_are_no_object_are_passed_on_for_the_model_to_be_told() -> None:
    assert assembled(call(index=0, id="a", name="weather", arguments='{"city": ')) == [
        ToolCall("a", "weather", '{"city": ')
    ]


def test_names_and_arguments_can_travel_on_the_wire() -> None:
    fragment = call(index=0, id="\ud83d", name="weather\udc00", arguments={"city": "\ud83d"})
    [found] = assembled(fragment)
    assert (found.id + found.name + found.arguments_json).encode()


def test_an_id_that_is_too_long_to_come_back_is_replaced() -> None:
    assert [each.id for each in assembled(call(index=0, id="x" * 300, name="time"))] == ["call-0"]


@pytest.mark.parametrize(
    "fragments",
    [
        [Fragment(place, f"id-{place}", "time", "") for place in range(1000)],
        [Fragment(0, "a", "time", "x" * 1000) for _ in range(1000)],
        [Fragment(0, "a", "n" * (number + 1), "") for number in range(1000)],
    ],
)
def test_calls_without_end_are_an_endpoints_failure(fragments: list[Fragment]) -> None:
    assembler = CallAssembler("m@host")
    with pytest.raises(EndpointFailed, match="m@host wants functions called without end"):
        assembler.add(fragments)
