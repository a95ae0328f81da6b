"""What tracing costs: processor time with it and without it, and turns while what takes the traces is frozen.

Two Parleys with scripted engines run side by side: one without tracing (`OTEL_SDK_DISABLED`), one that sends its spans
to a receiver by OTLP. `parley bench` talks to one after the other, pair by pair. Told are medians over the pairs: the
ratio of processor time a session, with tracing to without; and the ratio of the 95th percentile from the end of speech
to the reply, with the receiver stopped by a signal to with it running. The interval is that of the median by order
statistics, which assumes nothing of the noise.
On a machine that does nothing else: `PYTHONPATH=. python benchmarks/tracing.py [--pairs 10] [--sessions 10]`.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import statistics
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import grpc.aio

from benchmarks.benching import bench
from tests.end_to_end.whole import House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CONFIDENCE: Final = 0.9
FEWEST_PAIRS: Final = 4
SERVICE: Final = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes traces, and keeps none."""

    process: asyncio.subprocess.Process
    endpoint: str


async def receive() -> None:
    """Be a receiver: answer each batch with the empty message that means that all was taken."""

    async def export(request: bytes, _context: object) -> bytes:
        return b""

    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(export)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


@asynccontextmanager
async def receiver(pinned: Sequence[str] = ()) -> AsyncIterator[Receiver]:
    """One in a process of its own; `pinned` is a command before it."""
    process = await asyncio.create_subprocess_exec(
        *(*pinned, sys.executable, __file__, "--receive"),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        port = int(await process.stdout.readline()) if process.stdout is not None else 0
        yield Receiver(process, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        await process.wait()


def much(wanted: argparse.Namespace) -> tuple[str, ...]:
    """What each run is to hold."""
    return ("--sessions", str(wanted.sessions), "--seconds", str(wanted.seconds))


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Bounds of the median that hold it with at least `CONFIDENCE`, or the outermost, and how sure they are."""
    ordered, count = sorted(ratios), len(ratios)
    below = [sum(math.comb(count, each) for each in range(outside)) / 2**count for outside in range(count // 2 + 1)]
    skipped = max((each for each in range(1, count // 2 + 1) if 1 - 2 * below[each] >= CONFIDENCE), default=1)
    return ordered[skipped - 1], ordered[count - skipped], 1 - 2 * below[skipped]


def tell(what: str, ratios: Sequence[float]) -> None:
    low, high, sure = interval(ratios)
    print(f"{what}: {statistics.median(ratios):.3f} ({low:.3f} to {high:.3f}, {sure:.0%}; {len(ratios)} pairs)")


async def spans(house: House) -> str:
    """What became of the spans of a gateway, by its own metrics."""
    async with aiohttp.ClientSession() as http, http.get(f"{house.url}/metrics") as response:
        page = await response.text()
    return ", ".join(line for line in page.splitlines() if line.startswith("parley_spans_total"))


async def cost(plain: House, traced: House, wanted: argparse.Namespace) -> None:
    ratios = []
    for number in range(wanted.pairs):
        # Each goes first in every other pair, so that what changes over time touches both alike.
        order = (plain, traced) if number % 2 else (traced, plain)
        cpu = {house.url: (await bench(house, *much(wanted))) for house in order}
        off, on = (cpu[house.url]["cpu_per_session_minute"] for house in (plain, traced))
        ratios.append(on / off)
        print(f"CPU a session-minute: off {off:.3f} s, on {on:.3f} s, ratio {on / off:.3f}", flush=True)
    tell("tracing on / off, CPU a session", ratios)


async def frozen(traced: House, sink: Receiver, wanted: argparse.Namespace) -> None:
    ratios = []
    for number in range(wanted.pairs):
        p95: dict[bool, float] = {}
        for stopped in (False, True) if number % 2 else (True, False):
            sink.process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)
            p95[stopped] = (await bench(traced, *much(wanted)))["turn_p95_ms"]
        ratios.append(p95[True] / p95[False])
        print(f"turn p95: running {p95[False]:.1f} ms, frozen {p95[True]:.1f} ms, ratio {ratios[-1]:.3f}", flush=True)
    sink.process.send_signal(signal.SIGCONT)
    tell("receiver frozen / running, turn p95", ratios)
    print(await spans(traced))


async def main(wanted: argparse.Namespace) -> None:
    async with (
        receiver() as sink,
        open_house("scripted", PARLEY_LOG_LEVEL="ERROR", OTEL_SDK_DISABLED="true") as plain,
        open_house("scripted", PARLEY_LOG_LEVEL="ERROR", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as traced,
    ):
        for house in (plain, traced):
            await bench(house, "--sessions", str(wanted.sessions), "--seconds", "5")
        await cost(plain, traced, wanted)
        await frozen(traced, sink, wanted)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.pairs < FEWEST_PAIRS:
        parser.error(f"--pairs {arguments.pairs}: fewer than {FEWEST_PAIRS} tell nothing")
    asyncio.run(receive() if arguments.receive else main(arguments))
