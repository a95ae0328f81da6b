"""Functions that a model may call: those that this server brings, and those that the caller answers.

Two are brought, as examples that can do no harm: the time, and sums. A function that fails does not end the reply: the
model is told what went wrong, and may say it.
"""

from __future__ import annotations

import ast
import asyncio
import json
import operator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from llm_server.engine import Tool, ToolCall
from parley.errors import InvalidInput, Unavailable, WrongState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RESULT_SECONDS: Final = 30.0
_MOST_CHARACTERS: Final = 200
_LARGEST_POWER: Final = 64
_LARGEST: Final = 10**15
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}


class ToolFailed(Exception):
    """A function has no result; the message is for the model."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a function gave."""

    content: str
    """Text or JSON."""
    failed: bool = False
    """It failed, and `content` says why."""


@dataclass(frozen=True, slots=True)
class OwnTool:
    """A function that this server answers."""

    tool: Tool
    """What the model is told of it."""
    call: Callable[[Mapping[str, object]], str]
    """Answers with text; raises ToolFailed."""


class Answers:
    """The caller's results, on their way to whoever waits for them."""

    def __init__(self) -> None:
        """Nothing is waited for."""
        self._waiting: dict[str, asyncio.Future[Result]] = {}
        self._over = False

    def take(self, call_id: str, result: Result) -> None:
        """Hand over a result.

        Raises:
            InvalidInput: nobody waits for one with this name.
        """
        waiting = self._waiting.pop(call_id, None)
        if waiting is None:
            raise InvalidInput(f"no call {call_id!r} waits for a result", field="tool_result.tool_call_id")
        if not waiting.done():
            waiting.set_result(result)

    def close(self) -> None:
        """The caller sends no more."""
        self._over = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self._closed())

    async def result(self, call: ToolCall) -> Result:
        """The caller's result of `call`, or that it has not come in time.

        Raises:
            WrongState: the caller has closed its half.
        """
        if self._over:
            raise self._closed()
        waiting: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = waiting
        try:
            async with asyncio.timeout(RESULT_SECONDS):
                await waiting
        except TimeoutError:
            return Result(f"{call.name} has not answered for {RESULT_SECONDS:g} seconds", failed=True)
        return waiting.result()

    @staticmethod
    def _closed() -> WrongState:
        return WrongState("the call's requests ended before the result of a function", field="tool_result")


def answer(own: OwnTool, call: ToolCall) -> Result:
    """The result of a function of our own."""
    try:
        return Result(own.call(arguments(call)))
    except ToolFailed as error:
        return Result(str(error), failed=True)


def arguments(call: ToolCall) -> Mapping[str, object]:
    """What the model wants a function called with.

    Raises:
        ToolFailed: it is no JSON object.
    """
    try:
        found = json.loads(call.arguments_json or "{}")
    except json.JSONDecodeError as error:
        raise ToolFailed(f"the arguments are no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ToolFailed("the arguments are no JSON object")
    return found


def own_tools(names: str) -> tuple[OwnTool, ...]:
    """The functions of ours that `names` asks for, separated by commas.

    Raises:
        Unavailable: there is no such function.
    """
    found = []
    for name in (each.strip() for each in names.split(",") if each.strip()):
        if name not in _OWN:
            raise Unavailable(f"PARLEY_LLM_TOOLS has {name!r}: there are {' and '.join(_OWN)}")
        found.append(_OWN[name])
    return tuple(found)


def tell_time(given: Mapping[str, object]) -> str:
    """Date and time, in a time zone of the IANA list or the server's own."""
    zone = given.get("time_zone")
    try:
        now = datetime.now(ZoneInfo(str(zone))) if zone else datetime.now().astimezone()
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
    if abs(value) > _LARGEST:
        raise ToolFailed("the numbers are too large")
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > _LARGEST_POWER:
        raise ToolFailed(f"only whole powers up to {_LARGEST_POWER} can be worked out")
    return base ** int(exponent)


def _tool(name: str, description: str, properties: Mapping[str, object], required: Sequence[str] = ()) -> Tool:
    return Tool(name, description, {"type": "object", "properties": properties, "required": list(required)})


_ZONE: Final = {"type": "string", "description": "IANA time zone such as Europe/Berlin; the server's own if left out"}
_EXPRESSION: Final = {"type": "string", "description": "for example (3 + 4) * 2.5"}
_OWN: Final = {
    "time": OwnTool(_tool("time", "Tells the date and the time of day.", {"time_zone": _ZONE}), tell_time),
    "arithmetic": OwnTool(
        _tool("arithmetic", "Works out a calculation.", {"expression": _EXPRESSION}, ["expression"]), calculate
    ),
}
