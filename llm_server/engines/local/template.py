"""A model's own chat template, rendered in a sandbox: the text that the model reads for a conversation.

Templates come with models, from anywhere, so they get Jinja's sandbox that allows no change of what they are given.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llm_server.engines.local.files import read_json
from llm_server.engines.messages import as_dict, tool_as_dict
from parley.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from llm_server.engine import Message, Tool


class ChatTemplate:
    """The template in a model's folder."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        """Compile `source`; `special_tokens` are such as "bos_token", by which templates name them.

        Raises:
            Unavailable: the template is no Jinja.
        """
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise Unavailable(f"the model's chat template cannot be read: {error}") from error
        self._special_tokens = dict(special_tokens)

    def render(self, messages: tuple[Message, ...], tools: tuple[Tool, ...] = (), *, answer: bool = True) -> str:
        """The text for a conversation, ending where the model is to `answer`.

        Raises:
            InvalidInput: the template refuses this conversation.
        """
        try:
            return self._template.render(
                messages=[as_dict(message, arguments_as_text=False) for message in messages],
                tools=[tool_as_dict(tool) for tool in tools] or None,
                add_generation_prompt=answer,
                # Who listens does not want to wait for thoughts.
                enable_thinking=False,
                **self._special_tokens,
            )
        except jinja2.TemplateError as error:
            raise InvalidInput(f"the model's chat template: {error}", field="config.messages") from error


def read_template(folder: Path) -> ChatTemplate:
    """The template of the model in `folder`: chat_template.jinja, or in tokenizer_config.json.

    Raises:
        Unavailable: the folder has none, or it cannot be read.
    """
    settings = read_json(folder / "tokenizer_config.json")
    separate = folder / "chat_template.jinja"
    source = separate.read_text(encoding="utf-8") if separate.is_file() else settings.get("chat_template")
    if isinstance(source, list):
        named = {each.get("name"): each.get("template") for each in source if isinstance(each, dict)}
        source = named.get("default")
    if not isinstance(source, str):
        raise Unavailable(
            f"{folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): "
            "copy the chat_template.jinja of the model that was converted into it; where there is none, use a model "
            "that was made for conversations, often called Instruct or Chat"
        )
    return ChatTemplate(source, {name: text for name, value in settings.items() if (text := _special(name, value))})


def _special(name: str, value: object) -> str | None:
    """The text of a special token; older files have an object in its place."""
    if not name.endswith("_token"):
        return None
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _to_json(value: object, indent: int | None = None) -> str:
    """JSON for a model: Jinja's own filter would write it for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)
