"""Messages as models are given them. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from llm_server.engine import Message, Role
from llm_server.engines.json_values import load_object

if TYPE_CHECKING:
    from llm_server.engine import Tool, ToolCall

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 64


def content(message: Message) -> str:
    """The words of a message; of a reply that was interrupted, what was heard and what was not."""
    if message.role is Role.ASSISTANT and message.interrupted:
        unheard = f"; not heard: {message.unheard}" if message.unheard else ""
        return f"{message.text} [interrupted by the user{unheard}]".strip()
    return message.text


def as_dict(message: Message, *, arguments_as_text: bool) -> dict[str, object]:
    """A message in the form of the chat completions API; templates want the arguments of calls as objects instead."""
    found: dict[str, object] = {"role": message.role.value, "content": content(message)}
    if message.tool_calls:
        found["tool_calls"] = [_call(each, as_text=arguments_as_text) for each in message.tool_calls]
    if message.tool_call_id:
        found["tool_call_id"] = message.tool_call_id
    return found


def tool_as_dict(tool: Tool) -> dict[str, object]:
    """A function in the same form."""
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _call(call: ToolCall, *, as_text: bool) -> dict[str, object]:
    """A call that was made. What no endpoint or template would take of it is left out: the model was told of it."""
    found = load_object(call.arguments_json) or {}
    arguments: object = found
    if as_text:
        is_object = call.arguments_json.lstrip().startswith("{")
        arguments = call.arguments_json if is_object and found else json.dumps(found, ensure_ascii=False)
    name = _NO_NAME.sub("_", call.name)[:_LONGEST_NAME]
    return {"id": call.id, "type": "function", "function": {"name": name, "arguments": arguments}}
