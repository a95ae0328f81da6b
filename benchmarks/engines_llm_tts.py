"""Throughput and latency of a running LLM or TTS server against the number of sessions: all at once, and one by one.

    python benchmarks/engines_llm_tts.py llm [--server 127.0.0.1:50052] [--replies 4] [--tokens 40]
    python benchmarks/engines_llm_tts.py tts [--server 127.0.0.1:50053] [--replies 4]

The engine is the server's: start it with the settings to be measured. Each session asks for its next reply as soon as
it has the one before. "One by one" lets a reply begin only when the last has ended, which is what a server without
batching would do; both stand in one run, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from parley import llm, tts
from parley.audio import SAMPLE_BYTES
from parley_cli.percentiles import percentile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SESSIONS: Final = (1, 4, 16, 64)
RATE_HZ: Final = 24_000
WORDS: Final = [
    "river",
    "stone",
    "candle",
    "morning",
    "window",
    "garden",
    "letter",
    "silver",
    "forest",
    "bridge",
    "winter",
    "orange",
    "table",
    "music",
]


@dataclasses.dataclass(slots=True)
class Taken:
    """What all sessions of a run have had."""

    first_seconds: list[float] = dataclasses.field(default_factory=list)
    """From asking to the first token or sound; waiting for one's turn included."""
    amount: float = 0.0
    """Tokens, or seconds of sound."""


Turn = AbstractAsyncContextManager[object]
Ask = Callable[[int, Taken, Turn], Awaitable[None]]
_NUMBERS: Final = count()
"""Each run speaks of other things than those before it, so that no cache has them."""


async def write(client: llm.LlmClient, tokens: int, number: int, taken: Taken, turn: Turn) -> None:
    """One reply of the LLM server."""
    asked = time.perf_counter()
    messages = (
        llm.Message(llm.Role.SYSTEM, "You are a friendly voice assistant. Answer in one or two short sentences."),
        llm.Message(llm.Role.USER, f"Tell me a story about {words(number, 3)}."),
    )
    config = llm.Config(messages, max_tokens=tokens)
    async with turn, client.chat(config) as events:
        first = True
        async for event in events:
            if isinstance(event, llm.Delta) and first:
                taken.first_seconds.append(time.perf_counter() - asked)
                first = False
            if isinstance(event, llm.Finished):
                taken.amount += event.completion_tokens


async def speak(client: tts.TtsClient, number: int, taken: Taken, turn: Turn) -> None:
    """One reply of the TTS server, of two sentences that were never spoken before."""

    async def text() -> AsyncIterator[tts.Request]:
        yield f"There was a {words(number, 3)}. It was {words(number + 7, 4)} and {number}."

    asked = time.perf_counter()
    async with turn, client.synthesize(tts.Config(sample_rate_hz=RATE_HZ), text()) as events:
        first = True
        async for event in events:
            if isinstance(event, tts.Audio):
                if first:
                    taken.first_seconds.append(time.perf_counter() - asked)
                    first = False
                taken.amount += len(event.pcm) / SAMPLE_BYTES / RATE_HZ


def words(number: int, many: int) -> str:
    """Some words that belong to a number."""
    return " ".join(WORDS[(number * 5 + place * (1 + number // len(WORDS))) % len(WORDS)] for place in range(many))


async def measure(ask: Ask, sessions: int, replies: int, *, at_once: bool) -> str:
    """A line of figures."""
    taken, lock = Taken(), asyncio.Lock()
    first = next(_NUMBERS)

    async def session(place: int) -> None:
        for each in range(replies):
            await ask(first * 10_000 + place * replies + each, taken, nullcontext() if at_once else lock)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for place in range(sessions):
            tasks.create_task(session(place))
    took = time.perf_counter() - begun
    p50, p95 = (1000 * percentile(taken.first_seconds, share) for share in (0.5, 0.95))
    how = "at once" if at_once else "one by one"
    return f"{sessions:8d}  {how:>10}  {taken.amount / took:9.1f}  {p50:12.0f}  {p95:12.0f}"


async def run(given: argparse.Namespace) -> None:
    """Print a table."""
    print("sessions         how   per s     first p50 ms  first p95 ms")
    server = given.server or {"llm": "127.0.0.1:50052", "tts": "127.0.0.1:50053"}[given.kind]
    async with llm.LlmClient(server) as writer, tts.TtsClient(server) as speaker:
        ask = partial(write, writer, given.tokens) if given.kind == "llm" else partial(speak, speaker)
        await measure(ask, 1, 1, at_once=True)
        for sessions in SESSIONS:
            for at_once in (False, True):
                print(await measure(ask, sessions, given.replies, at_once=at_once), flush=True)


def main() -> None:
    """Measure and print: tokens a second for an LLM, seconds of sound a second for a TTS."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("llm", "tts"))
    parser.add_argument("--server", help="host:port")
    parser.add_argument("--replies", type=int, default=4, help="of each session")
    parser.add_argument("--tokens", type=int, default=40, help="longest reply")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
