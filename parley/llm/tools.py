"""Functions that a model may call.

Knows nothing of messages, calls or models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley._json import check_json, read_json
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


MAX_TOOLS: Final = 64
"""Most functions that a model may be offered."""

_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Of all functions together: somebody has to write each schema out for the model, at every turn.
_MOST_VALUES: Final = 4_000

_NO_ARGUMENTS: Final = '{"type": "object", "properties": {}}'


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    """Letters, digits, `_` and `-`, at most 64."""
    description: str
    """What it does, for the model."""
    parameters_json_schema: str = ""
    """JSON Schema of its arguments; empty: it takes none."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a function called."""

    id: str
    """Name of this call."""
    name: str
    """Name of the function."""
    arguments_json: str
    """Arguments as a JSON object."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Answer to a `ToolCall`."""

    tool_call_id: str
    """The call that is answered."""
    content: str
    """What the function gave, text or JSON."""
    failed: bool = False
    """It failed, and `content` says why."""


def read_tools(tools: Iterable[Tool], where: str) -> dict[str, Mapping[str, object]]:
    """The schema of the arguments of each function by its name; `where` is the field that has them.

    Raises:
        InvalidInput: a name or schema cannot be used, or there are too many.
    """
    found: dict[str, Mapping[str, object]] = {}
    values_left = _MOST_VALUES
    for place, tool in enumerate(tools):
        if place == MAX_TOOLS:
            raise InvalidInput(f"more than {MAX_TOOLS} functions", field=where)
        if not _TOOL_NAME.fullmatch(tool.name) or tool.name in found:
            raise InvalidInput(
                f"the function name {tool.name!r}: letters, digits, _ and -, at most 64, each name once",
                field=f"{where}[{place}].name",
            )
        written = tool.parameters_json_schema or _NO_ARGUMENTS
        try:
            values_left -= check_json(written, most_values=values_left)
            schema = read_json(written)
        except ValueError as error:
            field = f"{where}[{place}].parameters_json_schema"
            raise InvalidInput(f"the schema of {tool.name} is no JSON: {error}", field=field) from error
        if not isinstance(schema, dict):
            field = f"{where}[{place}].parameters_json_schema"
            raise InvalidInput(f"the schema of {tool.name} is no JSON object", field=field)
        found[tool.name] = schema
    return found
