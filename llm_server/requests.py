"""What a caller sends, read and checked: the configuration of a call as a conversation, and results of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llm_server.engine import ENGINES_OWN, Conversation, Message, Role, Sampling, Tool, ToolCall
from llm_server.history import with_results
from llm_server.tool_results import ToolResult
from parley.errors import InvalidInput, TooLarge, WrongState
from parley.llm import MAX_TOOLS, MOST_REMINDERS, Reminder, SessionState, read_tools
from parley.llm import Tool as LlmTool
from parley.v1 import llm_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llm_server.tool_results import PendingResults

_DEFAULT_MAX_TOKENS: Final = 512
_MAX_BYTES: Final = 256 * 1024
_LONGEST_ID: Final = 256
# Messages without words weigh next to nothing, and each is looked at while other calls wait.
_MOST_MESSAGES: Final = 4_000
_MOST_CALLS: Final = 2_000
_ROLES: Final = {
    llm_pb2.CHAT_ROLE_SYSTEM: Role.SYSTEM,
    llm_pb2.CHAT_ROLE_USER: Role.USER,
    llm_pb2.CHAT_ROLE_ASSISTANT: Role.ASSISTANT,
    llm_pb2.CHAT_ROLE_TOOL: Role.TOOL,
}


def config_of(request: llm_pb2.ChatRequest | None) -> llm_pb2.ChatConfig:
    """The configuration in the first request.

    Raises:
        InvalidInput: it is something else, or there is none.
    """
    if request is None or request.WhichOneof("request") != "config":
        raise InvalidInput("the first request must be the configuration", field="config")
    return request.config


def conversation_of(config: llm_pb2.ChatConfig, sampling: Sampling = ENGINES_OWN) -> Conversation:
    """What is asked, with one result for each call of a function (see `llm_server.history`).

    `sampling` holds where the caller does not say.

    Raises:
        InvalidInput: a value cannot be used.
        TooLarge: it is more than any model reads.
    """
    if not config.messages:
        raise InvalidInput("a conversation needs at least one message", field="config.messages")
    if config.ByteSize() > _MAX_BYTES:
        raise TooLarge(f"a conversation of {config.ByteSize()} bytes: at most {_MAX_BYTES}", field="config.messages")
    if len(config.messages) > _MOST_MESSAGES:
        raise TooLarge(f"{len(config.messages)} messages: at most {_MOST_MESSAGES}", field="config.messages")
    calls = sum(len(message.tool_calls) for message in config.messages)
    if calls > _MOST_CALLS:
        raise TooLarge(f"a conversation with {calls} calls: at most {_MOST_CALLS}", field="config.messages")
    drawn = _sampling(config, sampling)
    return Conversation(
        messages=with_results(tuple(_message(message, place) for place, message in enumerate(config.messages))),
        max_tokens=config.max_tokens or _DEFAULT_MAX_TOKENS,
        temperature=drawn.temperature,
        top_p=drawn.top_p,
        seed=drawn.seed,
        session_id=config.session_id,
        tools=_tools(config),
        session=_session(config),
    )


async def read_results(requests: AsyncIterator[llm_pb2.ChatRequest], results: PendingResults) -> None:
    """Read what else the caller sends, until it closes its half; what this version does not know is ignored.

    Raises:
        WrongState: a second configuration.
        InvalidInput: a result that nobody waits for.
    """
    async for request in requests:
        match request.WhichOneof("request"):
            case "config":
                raise WrongState("a second configuration in one call", field="config")
            case "tool_result":
                result = request.tool_result
                results.take(result.tool_call_id, ToolResult(result.content, result.failed))
            case _:
                pass
    results.close()


def _sampling(config: llm_pb2.ChatConfig, otherwise: Sampling) -> Sampling:
    temperature = config.temperature if config.HasField("temperature") else otherwise.temperature
    if temperature is not None and not 0 <= temperature <= 2:  # noqa: PLR2004 - the bound in the proto
        raise InvalidInput(f"temperature {temperature:g}: from 0 to 2", field="config.temperature")
    top_p = config.top_p if config.HasField("top_p") else otherwise.top_p
    if top_p is not None and not 0 < top_p <= 1:
        raise InvalidInput(f"top_p {top_p:g}: above 0, at most 1", field="config.top_p")
    return Sampling(temperature, top_p, config.seed if config.HasField("seed") else otherwise.seed)


def _message(message: llm_pb2.ChatMessage, place: int) -> Message:
    where = f"config.messages[{place}]"
    if message.role not in _ROLES:
        raise InvalidInput(f"message {place} has no role that is known", field=f"{where}.role")
    role = _ROLES[message.role]
    if message.tool_calls and role is not Role.ASSISTANT:
        raise InvalidInput(f"message {place} is not the assistant's and has calls", field=f"{where}.tool_calls")
    if bool(message.tool_call_id) is not (role is Role.TOOL):
        raise InvalidInput(
            f"message {place}: a tool's message, and no other, names a call", field=f"{where}.tool_call_id"
        )
    if not message.tool_calls:
        return Message(role, message.text, message.interrupted, message.unheard, (), message.tool_call_id)
    ids: set[str] = set()
    for number, call in enumerate(message.tool_calls):
        # Of name and arguments nothing is asked: a model has written them.
        if not 0 < len(call.id) <= _LONGEST_ID or call.id in ids:
            raise InvalidInput(
                f"the id {call.id!r} of a call: 1 to {_LONGEST_ID} characters, each once in its message",
                field=f"{where}.tool_calls[{number}].id",
            )
        ids.add(call.id)
    calls = tuple(ToolCall(call.id, call.name, call.arguments_json) for call in message.tool_calls)
    return Message(role, message.text, message.interrupted, message.unheard, calls, message.tool_call_id)


def _session(config: llm_pb2.ChatConfig) -> SessionState | None:
    """What the session is like; None: its caller carries out no session actions."""
    if not config.HasField("session"):
        return None
    given = config.session
    if len(given.reminders) > MOST_REMINDERS:
        raise TooLarge(f"{len(given.reminders)} reminders: at most {MOST_REMINDERS}", field="config.session.reminders")
    reminders = tuple(Reminder(each.id, each.label, each.text, each.due_in_ms) for each in given.reminders)
    return SessionState(given.speed or 1.0, given.gain_db, reminders)


def _tools(config: llm_pb2.ChatConfig) -> tuple[Tool, ...]:
    """The functions that the caller offers."""
    if len(config.tools) > MAX_TOOLS:
        raise InvalidInput(f"{len(config.tools)} functions: at most {MAX_TOOLS}", field="config.tools")
    given = [LlmTool(tool.name, tool.description, tool.parameters_json_schema) for tool in config.tools]
    schemas = read_tools(given, "config.tools")
    return tuple(Tool(tool.name, tool.description, schemas[tool.name]) for tool in given)
