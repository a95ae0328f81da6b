"""JSON that a stranger wrote, and how much of it is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley._json import DEEPEST, MOST_VALUES, check_json, read_json
from parley.conversation import SessionConfig, UserText, request_from_json, request_to_json
from parley.errors import InvalidInput
from parley.llm import MAX_TOOLS, Tool, read_tools

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(VALUES)
def test_what_python_writes_is_read_as_it_was(value: object) -> None:
    assert read_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 20_000 + "]" * 20_000, "JSON of about 20001 values"),
        ("[" * 2_000, "within each other"),
        ('{"a":' * 100 + "1" + "}" * 100, "more than 32 brackets within each other"),
        ("[" + '"[",' * 10 + "[" * DEEPEST, "within each other"),
        ("9" * 5_000, "a number of more than 64 characters"),
        ('{"id": -0.' + "1" * 5_000 + "}", "a number of more than 64"),
        ("[" + "0," * MOST_VALUES + "0]", "values: at most 4000 are read"),
        ("[" + "{}," * MOST_VALUES + "0]", "values: at most 4000 are read"),
        ("NaN", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1e999", "1e999 is too large"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' comes twice"),
        ('["\\ud800"]', "surrogates not allowed"),
        ('{"\\udfff": 1}', "surrogates not allowed"),
        ("", "Expecting value"),
        ('"abc', "Unterminated"),
        ('"' + '\\"' * 30_000, "Unterminated"),
        ("]" * 30_000, "Expecting value"),
    ],
)
def test_what_goes_over_a_bound_says_which(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_json(text)


@pytest.mark.parametrize(
    "text",
    [
        '"' + "[{," * 10_000 + '"',
        '["\\"[[[[", "\\\\"]',
        '"' + "9" * 5_000 + '"',
        '"\\ud83d\\ude00"',
        "[" * 32 + "]" * 32,
    ],
)
def test_what_stands_in_a_string_counts_for_nothing(text: str) -> None:
    assert read_json(text) == json.loads(text)


def test_values_are_counted_within_each_other() -> None:
    assert check_json('{"a": [1, 2, {"b": "[,,]"}]}') == 6


@pytest.mark.parametrize(
    "text",
    [
        '{"configure": ' * 20_000,
        '{"pong": {"id": ' + "9" * 5_000 + "}}",
        '{"pong": {"id": "' + "9" * 5_000 + '"}}',
        '{"pong": {"id": 1e999}}',
        '{"configure": {"speed": NaN}}',
        '{"configure": {"tools": [' + "{}," * 20_000 + "{}]}}",
        '{"configure": {"hints": [' + '"",' * 20_000 + '""]}}',
        '{"user_text": {"text": "a", "text": "b"}}',
        '{"user_text": {"text": "\\ud800"}}',
        '{"user_text": {"text": "a"}, "cancel_reply": {}}',
        '{"' + "e\u0301" * 20_000 + '": 1}',
    ],
)
def test_a_text_frame_that_goes_over_a_bound_gets_a_short_answer(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        request_from_json(text)
    assert len(str(refused.value)) <= 600


def test_all_that_a_session_may_be_configured_with_fits() -> None:
    tools = tuple(Tool(f"f{number}", "Does it.", '{"type": "object"}') for number in range(MAX_TOOLS))
    config = SessionConfig(tools=tools, hints=tuple(map(str, range(100))), instructions="[{," * 2_000)
    assert request_from_json(request_to_json(config)) == config
    text = UserText("[" * 8_000)
    assert request_from_json(request_to_json(text)) == text


@pytest.mark.parametrize(
    "schema",
    [
        "[" * 20000,
        '{"a":' * 900 + "1" + "}" * 900,
        '{"maximum": ' + "9" * 5000 + "}",
        '{"default": NaN}',
        '{"a": 1, "a": 2}',
        '{"title": "\\ud800"}',
        '{"enum": [' + "1," * 30000 + "1]}",
        "[]",
        "",
        "null",
    ],
)
def test_a_schema_is_an_object_within_bounds(schema: str) -> None:
    tool = Tool("f", "", schema or " ")
    with pytest.raises(InvalidInput) as refused:
        read_tools([tool], "tools")
    assert refused.value.field == "tools[0].parameters_json_schema"


def test_the_schemas_of_all_functions_are_counted_together() -> None:
    schema = '{"enum": [' + "1," * 900 + "1]}"
    tools = [Tool(f"f{number}", "", schema) for number in range(10)]
    assert len(read_tools(tools[:4], "tools")) == 4
    with pytest.raises(InvalidInput, match="values: at most"):
        read_tools(tools, "tools")
