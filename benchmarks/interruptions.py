"""What an interrupted reply leaves behind in the client's memory: the slope over many of them, over real gRPC.

A process of its own sends sound without end and takes text slowly, so that there is always a read and a write in
flight. Here replies are begun, listened to for a moment, and cancelled, as an interruption does it: through the SDK,
and once more with grpc.aio alone, whose reader is simply cancelled, to show what that costs.
Run it with the package installed, on Linux: `python benchmarks/interruptions.py [--replies 500]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc.aio
import numpy as np

from parley import tts
from parley.v1 import audio_pb2, tts_pb2, tts_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

    Context = grpc.aio.ServicerContext[tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeResponse]

WARM: Final = 200
"""Replies after which the slope is taken: until then pools and caches fill."""
LISTENED_SECONDS: Final = (0.002, 0.02)
SOUND: Final = bytes(9_600)
TEXT: Final = "Some words that nobody will ever hear. " * 200


class Hummer(tts_pb2_grpc.TtsServiceServicer):
    """Makes sound faster than anybody listens, and hardly reads."""

    async def ListVoices(  # noqa: N802
        self, request: tts_pb2.ListVoicesRequest, context: object
    ) -> tts_pb2.ListVoicesResponse:
        return tts_pb2.ListVoicesResponse()

    async def Synthesize(  # noqa: N802
        self, request_iterator: AsyncIterable[tts_pb2.SynthesizeRequest], context: Context
    ) -> AsyncIterator[tts_pb2.SynthesizeResponse]:
        yield tts_pb2.SynthesizeResponse(ready=tts_pb2.SynthesizeReady(engine="hum", sample_rate_hz=24_000))
        async for _ in request_iterator:
            for _ in range(10):
                yield tts_pb2.SynthesizeResponse(audio=audio_pb2.AudioChunk(pcm=SOUND))
                await asyncio.sleep(0.001)


async def serve() -> None:
    server = grpc.aio.server()
    tts_pb2_grpc.add_TtsServiceServicer_to_server(Hummer(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


async def words() -> AsyncIterator[tts.Request]:
    while True:
        yield TEXT


async def listen(client: tts.TtsClient) -> None:
    async with client.synthesize(tts.Config(), words()) as events:
        async for _ in events:
            pass


async def listen_bare(stub: tts_pb2_grpc.TtsServiceAsyncStub) -> None:
    call = stub.Synthesize()
    try:
        await call.write(tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig()))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write_bare(call))
            async for _ in call:
                pass
    finally:
        call.cancel()


async def write_bare(call: grpc.aio.StreamStreamCall[tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeResponse]) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):
        while True:
            await call.write(tts_pb2.SynthesizeRequest(text=tts_pb2.SynthesizeText(text=TEXT)))


async def interrupted(name: str, replies: int, listen: Callable[[], Awaitable[None]]) -> None:
    chance = random.Random(1)  # noqa: S311 - moments, not secrets
    rows: list[tuple[float, float]] = []
    for _ in range(replies):
        try:
            async with asyncio.timeout(chance.uniform(*LISTENED_SECONDS)):
                await listen()
        except TimeoutError:
            pass
        rows.append(memory())
    late = np.arange(WARM, replies)
    allocated, resident = (np.polyfit(late, [row[column] for row in rows[WARM:]], 1)[0] for column in (0, 1))
    print(
        f"{name:<12}{replies} interrupted replies; slope from number {WARM} on: "
        f"allocated {allocated:+.2f} KB a reply, resident {resident:+.2f} KB a reply"
    )


class Allocations(ctypes.Structure):
    """What glibc's `mallinfo2` gives; https://man7.org/linux/man-pages/man3/mallinfo.3.html."""

    _fields_ = tuple((f"field_{place}", ctypes.c_size_t) for place in range(10))


def memory() -> tuple[float, float]:
    """KB that are allocated from the system's heap, and KB that are resident."""
    gc.collect()
    library = ctypes.CDLL("libc.so.6")
    library.mallinfo2.restype = Allocations
    heap = library.mallinfo2()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    # `hblkhd` and `uordblks`: what is allocated by mmap, and what is allocated otherwise.
    return (heap.field_4 + heap.field_7) / 1024, pages * 4.0


async def measure(replies: int) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        address = f"127.0.0.1:{int(await server.stdout.readline()) if server.stdout else 0}"
        async with tts.TtsClient(address) as client:
            await interrupted("SDK", replies, lambda: listen(client))
        async with grpc.aio.insecure_channel(address) as channel:
            stub: tts_pb2_grpc.TtsServiceAsyncStub = tts_pb2_grpc.TtsServiceStub(channel)
            await interrupted("grpc.aio", replies, lambda: listen_bare(stub))
    finally:
        server.terminate()
        await server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replies", type=int, default=500)
    parser.add_argument("--serve", action="store_true", help="be the server")
    options = parser.parse_args()
    asyncio.run(serve() if options.serve else measure(options.replies))


if __name__ == "__main__":
    main()
