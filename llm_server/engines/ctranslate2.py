"""A language model on the CPU, or a GPU, through CTranslate2, which faster-whisper brings along.

The model is a folder that `ct2-transformers-converter` made, with the tokenizer's files in it. Each reply runs on a
thread of its own; as many run at once as were asked for, and the others wait their turn.
"""

from __future__ import annotations

import importlib.util
import os
import time
from contextlib import aclosing
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llm_server.engine import Conversation, Finish, Message, Progress, ProgressKind, Role, StopReason, Tool
from llm_server.engines.local.files import read_json
from llm_server.engines.local.prompts import read_prompt
from llm_server.engines.local.reply import Piece, read_reply
from llm_server.engines.local.worker_pool import WorkerPool
from llm_server.engines.markup import opened_by
from parley.errors import DeadlinePassed, Unavailable, not_installed

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncGenerator, Iterator

    import ctranslate2
    import tokenizers

    from llm_server.engine import ReplyEvent
    from llm_server.engines.local.template import ChatTemplate
    from serving.threads import Worker

_PACKAGES: Final = ("ctranslate2", "tokenizers", "jinja2")
_FILES: Final = ("model.bin", "tokenizer.json")
_CONVERT: Final = (
    "make one with: pip install transformers torch && ct2-transformers-converter --model HUB_ID_OR_FOLDER "
    "--output_dir FOLDER --quantization int8 --copy_files tokenizer.json tokenizer_config.json"
)
# Where a model's configuration does not say how long a conversation may be.
_USUAL_CONTEXT: Final = 4096
_TEMPERATURE: Final = 0.7
_TOP_P: Final = 0.9
# Beginnings of prompts that are kept ready-read, one for each set of instructions; each takes memory.
_MOST_BEGINNINGS: Final = 8
_WAITING_TOKENS: Final = 64


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which model, and how it is run."""

    folder: str
    """The converted model."""
    device: str = "cpu"
    """"cpu" or "cuda"."""
    compute_type: str = "default"
    """Numbers that it computes with, such as "int8"; "default": those that it was saved with."""
    threads: int = 0
    """Processor threads for each reply; 0: what there are, shared among the replies."""
    parallel: int = 2
    """Replies written at once."""
    context_tokens: int = 0
    """Longest conversation with its reply; 0: what the model's files say."""
    seed: int | None = None
    """Where chance begins on each of the model's threads, once for all of its replies; None: anywhere."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What `load` makes."""

    generator: ctranslate2.Generator
    tokenizer: tokenizers.Tokenizer
    template: ChatTemplate
    ends: frozenset[int]
    """Tokens that end a reply."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A conversation as the model reads it."""

    beginning: list[str]
    """Tokens of the instructions, which are the same in every turn; may be empty."""
    rest: list[str]
    """All other tokens."""
    cached: bool = False
    """The model has read that beginning before."""
    opened: str = ""
    """The mark of a thought with which it ends."""


class CTranslate2Engine:
    """One model, shared by all replies."""

    name = "ctranslate2"
    calls_tools = True
    ignores_instructions = False

    def __init__(self, config: ModelConfig, patience_seconds: float = 20.0) -> None:
        """Load nothing yet; who waits longer for a place or a token is given up."""
        self._config = config
        self._loaded: _Loaded | None = None
        self._pool = WorkerPool("llm", config.parallel, patience_seconds)
        self._beginnings: set[str] = set()
        self._patience_seconds = patience_seconds
        self.models = (Path(config.folder).name,)
        self.context_tokens = config.context_tokens

    def load(self) -> None:
        """Load the model and write one token with it.

        Raises:
            Unavailable: a package, a file or a device is missing, or there is not enough memory.
        """
        for package in _PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise not_installed(package, "ctranslate2")
        import tokenizers

        from llm_server.engines.local.template import read_template

        folder = _model_folder(self._config.folder)
        template = read_template(folder)
        generator = self._open(folder)
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._loaded = _Loaded(generator, tokenizer, template, _ends(folder, tokenizer))
        self.context_tokens = self.context_tokens or _context(folder)
        hello = Conversation((Message(Role.USER, "Hello"),), max_tokens=1)
        for _ in self._tokens(self._prompt(hello), hello):
            pass

    def _open(self, folder: Path) -> ctranslate2.Generator:
        import ctranslate2

        config = self._config
        if config.seed is not None:
            # A thread takes it up with its first token, and a reply cannot have one of its own.
            ctranslate2.set_random_seed(config.seed)
        threads = config.threads or max(1, (os.cpu_count() or 1) // config.parallel)
        try:
            return ctranslate2.Generator(
                str(folder),
                device=config.device,
                compute_type=config.compute_type,
                inter_threads=config.parallel,
                intra_threads=threads,
            )
        except (RuntimeError, ValueError, MemoryError) as error:
            raise Unavailable(
                f"{folder} cannot be loaded on PARLEY_LLM_DEVICE={config.device} "
                f"with PARLEY_LLM_COMPUTE_TYPE={config.compute_type}: {error}"
            ) from error

    async def close(self) -> None:
        """End the threads."""
        self._pool.close()

    async def keep_warm(self) -> None:
        """The model is warm when it is loaded."""

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        """Write a reply; closing the generator ends the work after the token that is being written.

        Raises:
            TooLarge: not even the last message fits the model.
            Overloaded: no place came free in time.
            DeadlinePassed: the model wrote no token in time.
        """
        asked = time.monotonic()
        if self._pool.busy:
            yield Progress(ProgressKind.QUEUED)
        async with self._pool.worker() as worker:
            waited = time.monotonic() - asked
            yield Progress(ProgressKind.WAITING)  # noqa: ASYNC119 - whoever asks closes the generator
            prompt = await worker.run(self._prompt, conversation)

            def finish(tokens: int) -> Finish:
                return Finish(
                    StopReason.LENGTH if tokens >= conversation.max_tokens else StopReason.STOP,
                    prompt_tokens=len(prompt.beginning) + len(prompt.rest),
                    completion_tokens=tokens,
                    cached_tokens=len(prompt.beginning) if prompt.cached else 0,
                    queue_ms=waited * 1000,
                )

            pieces = self._pieces(worker, prompt, conversation)
            async with aclosing(read_reply(pieces, conversation, finish, prompt.opened)) as events:
                async for event in events:
                    yield event  # noqa: ASYNC119 - as above

    async def _pieces(self, worker: Worker, prompt: _Prompt, conversation: Conversation) -> AsyncGenerator[Piece, None]:
        """What the model writes, token by token."""
        assert self._loaded is not None  # noqa: S101 - the server loads before it serves
        stream = _Words(self._loaded.tokenizer)

        def tokens(_: threading.Event) -> Iterator[int]:
            return self._tokens(prompt, conversation)

        try:
            async with worker.iterate(
                tokens, bound=_WAITING_TOKENS, patience_seconds=self._patience_seconds
            ) as written:
                async for token in written:
                    yield Piece(stream.add(token), 1)  # noqa: ASYNC119 - as above
        except TimeoutError:
            raise DeadlinePassed(f"{self.models[0]} has written nothing for {self._patience_seconds:g} s") from None

    def _tokens(self, prompt: _Prompt, conversation: Conversation) -> Iterator[int]:
        """The tokens of a reply as they are chosen, without the one that ends it; blocks."""
        assert self._loaded is not None  # noqa: S101 - the server loads before it serves
        temperature = _TEMPERATURE if conversation.temperature is None else conversation.temperature
        top_p = _TOP_P if conversation.top_p is None else conversation.top_p
        for step in self._loaded.generator.generate_tokens(
            prompt.rest,
            max_length=conversation.max_tokens,
            end_token=sorted(self._loaded.ends),
            # The best token, or any: what is left of them is cut by their probability.
            sampling_topk=0 if temperature else 1,
            sampling_topp=top_p if temperature else 1,
            sampling_temperature=temperature or 1,
            static_prompt=prompt.beginning or None,
            cache_static_prompt=bool(prompt.beginning),
        ):
            if step.token_id not in self._loaded.ends:
                yield step.token_id

    def _prompt(self, conversation: Conversation) -> _Prompt:
        """The conversation as tokens, without its oldest turns where it is too long; blocks for some milliseconds."""
        assert self._loaded is not None  # noqa: S101 - the server loads before it serves
        template, tokenizer = self._loaded.template, self._loaded.tokenizer

        def encode(text: str) -> list[str]:
            return tokenizer.encode(text, add_special_tokens=False).tokens

        def tokens_of(messages: tuple[Message, ...]) -> list[str]:
            return encode(template.render(messages, conversation.tools))

        messages, tokens = read_prompt(conversation, self.context_tokens, tokens_of)
        opened = opened_by(template.render(messages, conversation.tools))
        beginning = self._beginning(messages, conversation.tools)
        known = encode(beginning)
        if not known or known != tokens[: len(known)]:
            return _Prompt([], tokens, opened=opened)
        is_cached = beginning in self._beginnings
        self._beginnings.add(beginning)
        return _Prompt(known, tokens[len(known) :], is_cached, opened)

    def _beginning(self, messages: tuple[Message, ...], tools: tuple[Tool, ...]) -> str:
        """The text of the instructions, where they stand alone at the beginning and may be kept."""
        assert self._loaded is not None  # noqa: S101 - the server loads before it serves
        instructions = tuple(message for message in messages if message.role is Role.SYSTEM)
        if not instructions or messages[: len(instructions)] != instructions:
            return ""
        # What two conversations have in common that differ in all but the instructions.
        render = self._loaded.template.render
        others = [render((*instructions, Message(Role.USER, word)), tools) for word in ("a", "b")]
        common = "".join(each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*others, strict=False)))
        return common if common in self._beginnings or len(self._beginnings) < _MOST_BEGINNINGS else ""


class _Words:
    """Text out of tokens: what is not yet a whole character waits for the next token."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        from tokenizers.decoders import DecodeStream

        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def add(self, token: int) -> str:
        """What the token completes; may be empty."""
        return self._stream.step(self._tokenizer, token) or ""


def _model_folder(name: str) -> Path:
    """The folder of a converted model.

    Raises:
        Unavailable: it is not there, or something else is.
    """
    if not name:
        raise Unavailable(f"PARLEY_LLM_MODEL is empty: name the folder of a converted model; {_CONVERT}")
    folder = Path(name).expanduser()
    missing = [each for each in _FILES if not (folder / each).is_file()]
    if missing:
        raise Unavailable(f"PARLEY_LLM_MODEL={name}: no {' and no '.join(missing)} there; {_CONVERT}")
    return folder


def _ends(folder: Path, tokenizer: tokenizers.Tokenizer) -> frozenset[int]:
    """The tokens that end a reply, as the model's files name them."""
    named = read_json(folder / "generation_config.json").get("eos_token_id", [])
    found = {each for each in (named if isinstance(named, list) else [named]) if isinstance(each, int)}
    for file in ("tokenizer_config.json", "config.json"):
        name = read_json(folder / file).get("eos_token")
        token = tokenizer.token_to_id(name) if isinstance(name, str) else None
        found |= set() if token is None else {token}
    if not found:
        raise Unavailable(f"{folder} does not say which token ends a reply: its tokenizer_config.json is missing")
    return frozenset(found)


def _context(folder: Path) -> int:
    """How long a conversation may be: on a processor what is usual is already slow to read."""
    longest = read_json(folder / "tokenizer_config.json").get("model_max_length")
    return min(_USUAL_CONTEXT, int(longest)) if isinstance(longest, int | float) else _USUAL_CONTEXT
