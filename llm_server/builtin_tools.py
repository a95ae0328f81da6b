"""Functions that this server brings for its model: the time, sums, and what a reply may do to its session.

A function that fails does not end the reply: the model is told what went wrong, and may say it.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from llm_server import exact
from llm_server.engine import Tool, ToolCall
from llm_server.session_tools import SessionDesk, ToolFailed
from llm_server.tool_results import ToolResult
from parley._json import read_json
from parley.errors import Unavailable
from parley.llm import GAINS_DB, SPEEDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MOST_CHARACTERS: Final = 200
_LONGEST_ZONE: Final = 80
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}


@dataclass(frozen=True, slots=True)
class BuiltinTool:
    """A function that this server answers."""

    tool: Tool
    """What the model is told of it."""
    call: Callable[[Mapping[str, object], SessionDesk], str]
    """Answers with text; raises ToolFailed."""
    needs_session: bool = False
    """It is for callers that carry out session actions."""


def answer(builtin: BuiltinTool, call: ToolCall, desk: SessionDesk) -> ToolResult:
    """The result of a built-in function; what it does to the session is left on `desk`."""
    try:
        return ToolResult(builtin.call(arguments(call), desk))
    except ToolFailed as error:
        return ToolResult(str(error), failed=True)


def arguments(call: ToolCall) -> Mapping[str, object]:
    """What the model wants a function called with.

    Raises:
        ToolFailed: it is no JSON object.
    """
    try:
        found = read_json(call.arguments_json or "{}")
    except ValueError as error:
        raise ToolFailed(f"the arguments are no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ToolFailed("the arguments are no JSON object")
    return found


def builtin_tools(names: str) -> tuple[BuiltinTool, ...]:
    """The built-in functions that `names` asks for, separated by commas.

    Raises:
        Unavailable: there is no such function.
    """
    found: list[BuiltinTool] = []
    for name in (each.strip() for each in names.split(",") if each.strip()):
        if name == NONE:
            continue
        if name not in _BUILTIN:
            known = ", ".join((*_BUILTIN, NONE))
            raise Unavailable(f"PARLEY_LLM_TOOLS has {name!r}: there are {known}")
        found += _BUILTIN[name]
    return tuple(found)


def tell_time(given: Mapping[str, object]) -> str:
    """Date and time, in a time zone of the IANA list or the server's own."""
    zone = str(given.get("time_zone") or "")
    if len(zone) > _LONGEST_ZONE:
        raise ToolFailed(f"a time zone of {len(zone)} characters: there is none longer than {_LONGEST_ZONE}")
    try:
        now = datetime.now(ZoneInfo(zone)) if zone else datetime.now().astimezone()
    except (KeyError, ValueError, OSError) as error:
        raise ToolFailed(f"there is no time zone {zone!r}") from error
    return now.strftime("%A, %d %B %Y, %H:%M (%Z)")


def calculate(given: Mapping[str, object]) -> str:
    """The value of an expression of numbers, + - * / % ** and parentheses, worked out exactly."""
    expression = given.get("expression")
    if not isinstance(expression, str) or not expression.strip():
        raise ToolFailed("the argument `expression` is missing")
    if len(expression) > _MOST_CHARACTERS:
        raise ToolFailed(f"an expression of {len(expression)} characters: at most {_MOST_CHARACTERS}")
    try:
        value = _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ToolFailed(f"{expression!r} is no calculation") from error
    except ZeroDivisionError as error:
        raise ToolFailed("nothing can be divided by zero") from error
    except exact.OutOfReach as error:
        raise ToolFailed("the numbers are too large, or too fine") from error
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            value = Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = -_value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            value = _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            value = _OPERATIONS[type(op)](_value(left), _value(right))
        case _:
            raise ToolFailed("only numbers, + - * / % ** and parentheses can be worked out")
    return exact.within_reach(value)


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > exact.LARGEST_POWER:
        raise ToolFailed(f"only whole powers up to {exact.LARGEST_POWER} can be worked out")
    return exact.power(base, exponent)


def _tool(name: str, description: str, properties: Mapping[str, object], required: Sequence[str] = ()) -> Tool:
    return Tool(name, description, {"type": "object", "properties": properties, "required": list(required)})


def _of_session(
    call: Callable[[SessionDesk, Mapping[str, object]], str],
    description: str,
    properties: Mapping[str, object],
    required: Sequence[str] = (),
) -> BuiltinTool:
    """A function of the desk, under its own name."""
    tool = replace(_tool(call.__name__, description, properties, required), optional=True)
    return BuiltinTool(tool, lambda given, desk: call(desk, given), needs_session=True)


_ZONE: Final = {"type": "string", "description": "IANA time zone such as Europe/Berlin; the server's own if left out"}
_EXPRESSION: Final = {"type": "string", "description": "for example (3 + 4) * 2.5"}
_SESSION: Final = (
    _of_session(
        SessionDesk.set_speaking_rate,
        "Speak faster or slower from now on.",
        {"rate": {"type": "number", "minimum": SPEEDS[0], "maximum": SPEEDS[1], "description": "1 is usual"}},
        ["rate"],
    ),
    _of_session(
        SessionDesk.set_volume,
        "Speak louder or softer from now on.",
        {
            "gain_db": {
                "type": "number",
                "minimum": GAINS_DB[0],
                "maximum": GAINS_DB[1],
                "description": "decibels: 0 is usual, 6 clearly louder, -6 clearly softer",
            }
        },
        ["gain_db"],
    ),
    _of_session(
        SessionDesk.set_reminder,
        "Set a timer, an alarm or a reminder: the text is spoken to the user then, while this conversation lasts.",
        {
            "text": {"type": "string", "description": "what to say then, as a sentence to the user"},
            "label": {"type": "string", "description": "what the user calls it, such as ten minute timer"},
            "in_seconds": {"type": "number", "description": "seconds from now, at most a day"},
            "at": {"type": "string", "description": "instead of in_seconds: a time of day such as 19:30"},
            "time_zone": _ZONE,
        },
        ["text"],
    ),
    _of_session(
        SessionDesk.cancel_reminder,
        "Cancel a timer, an alarm or a reminder.",
        {"id": {"type": "string", "description": "as in list_reminders, or all"}},
        ["id"],
    ),
    _of_session(SessionDesk.list_reminders, "List timers, alarms and reminders, with the time left.", {}),
)
NONE: Final = "none"
"""Stands for no function at all."""
_BUILTIN: Final[Mapping[str, tuple[BuiltinTool, ...]]] = {
    "session": _SESSION,
    "time": (
        BuiltinTool(
            _tool("time", "Tells the date and the time of day.", {"time_zone": _ZONE}),
            lambda given, _: tell_time(given),
        ),
    ),
    "arithmetic": (
        BuiltinTool(
            _tool("arithmetic", "Works out a calculation.", {"expression": _EXPRESSION}, ["expression"]),
            lambda given, _: calculate(given),
        ),
    ),
}
