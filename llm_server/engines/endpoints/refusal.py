"""What an endpoint says when it does not take a request, read for what to ask otherwise. Pure.

There is no standard for it. What is looked for is what OpenAI, Azure, vLLM, llama.cpp, LM Studio, Mistral, Groq,
Anthropic, Google and Bedrock answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TOO_LONG: Final = re.compile(
    r"context[\s_-]*(length|size|window|limit)|context\b.{0,40}\b(exceed|too (long|large|small))"
    r"|\b(prompt|inputs?|request|messages?|conversation)\b.{0,40}\btoo (long|large|big|many)"
    r"|\btoo many (input |prompt )?tokens|max_model_len|maximum\b.{0,30}\b(input|prompt|number of) tokens"
    r"|\btokens?\b.{0,80}(exceed|must be <=)|exceed.{0,80}\btokens?\b|reduce the length|string_above_max_length",
    re.IGNORECASE | re.DOTALL,
)
_UNWANTED: Final = re.compile(
    r"un(supported|known|recogni[sz]ed|expected)|not (supported|permitted|allowed|recogni[sz]ed)|(does|do) not support"
    r"|extra|forbidden|invalid|deprecated|instead",
    re.IGNORECASE,
)


_FUNCTIONS: Final = re.compile(r"\b(tools?|tool[ _]choice|functions?|function[ _]call(s|ing)?)\b", re.IGNORECASE)
# As llama.cpp and vLLM say where they were started without: "tools param requires --jinja flag".
_MISSING: Final = re.compile(r"\brequires?\b|\bnot enabled\b|\bdisabled\b|\bunavailable\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The words of one."""

    text: str
    """As they came: JSON, or anything else."""
    is_for_size: bool = False
    """Its status alone says that the request is too large."""

    @property
    def is_too_long(self) -> bool:
        """The conversation has more tokens than the model reads."""
        return self.is_for_size or _TOO_LONG.search(self.text) is not None

    @property
    def is_for_functions(self) -> bool:
        """The model, or its server, calls no functions."""
        unwanted = _UNWANTED.search(self.text) or _MISSING.search(self.text)
        return unwanted is not None and _FUNCTIONS.search(self.text) is not None

    def names(self, parameter: str) -> bool:
        """It may be this parameter that is not wanted."""
        named = re.search(rf"(?<![A-Za-z_]){parameter}(?![A-Za-z_])", self.text)
        return named is not None and _UNWANTED.search(self.text) is not None
