"""What the ASR server's own code costs a conversation, on the thread of its event loop, without gRPC.

    PYTHONPATH=. python benchmarks/asr_streams.py [--streams 20] [--seconds 10] [--cold]

Streams share a connection, as those of a gateway do, and are served by the very servicers of a server, with the
scripted engine, and Silero to compute. In each somebody speaks for 1.3 s, pauses for 0.5 s, and is silent for 2.7 s,
again and again: pieces of 80 ms, and of 20 ms in the pause. What is whole goes every 10 ms, as one message. Told is the
thread's time for a piece, and the share of a core that is. A server shares its caches with others: `--cold` goes
through 8 MB before each message, so that nothing is left in the second level.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import uvloop

from asr_server.engines.scripted import ScriptedEngine
from asr_server.scheduler import Scheduler
from asr_server.service import AsrServicer
from asr_server.transcriber import Models
from parley import asr
from parley.audio import to_s16le
from parley.v1.asr_pb2_grpc import add_AsrServiceServicer_to_server
from parley.v1.multiplex_pb2 import CallFrame, ConnectRequest, ConnectResponse
from serving.multiplex import Handlers, MultiplexServicer
from serving.telemetry import open_telemetry
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import grpc.aio

METHOD: Final = "/parley.v1.AsrService/Transcribe"
TICK_SECONDS: Final = 0.01
PACKET: Final = 320
PACKETS_A_SECOND: Final = 50
# The pieces of a turn, in packets: speech, the pause that ends it, and silence.
SPEECH: Final = (4,) * 16
TURN: Final = (*SPEECH, *(1,) * 25, *(4,) * 34)
COLD_NUMBERS: Final = 1 << 20


def turn() -> list[bytes]:
    """The pieces of a turn: a hum, and the noise of a quiet room."""
    sound = np.random.default_rng(1).normal(0, 0.0003, sum(TURN) * PACKET).astype(np.float32)
    spoken = sum(SPEECH) * PACKET
    sound[:spoken] += 0.4 * np.sin(np.arange(spoken) * 2 * np.pi * 200 / (PACKET * PACKETS_A_SECOND), dtype=np.float32)
    ends = [0, *itertools.accumulate(packets * PACKET for packets in TURN)]
    return [to_s16le(sound[begin:end]) for begin, end in itertools.pairwise(ends)]


def pieces(number: int) -> Iterator[tuple[float, bytes]]:
    """Messages of the stream `number`, each with the second at which its sound is whole; no two begin alike."""
    sound, first = turn(), 0
    for piece in itertools.islice(itertools.cycle(sound), 11 * number % len(sound), None):
        request = asr.request_to_proto(asr.Audio(piece, first))
        first += len(piece) // 2
        whole = first / (PACKET * PACKETS_A_SECOND) + number % 8 * TICK_SECONDS
        yield whole, CallFrame(call=number + 1, message=request.SerializeToString()).SerializeToString()


class Gateway:
    """The other side of the connection."""

    def __init__(self, streams: int, seconds: float, *, cold: bool) -> None:
        """Send so many streams for so long."""
        self._streams = streams
        self._ticks = round(seconds / TICK_SECONDS)
        self._junk = np.ones(COLD_NUMBERS if cold else 0)
        self.pieces = 0
        self.seconds = 0.0
        """Of the thread."""

    async def requests(self) -> AsyncIterator[ConnectRequest]:
        """All messages, parsed as gRPC does it."""
        for number in range(self._streams):
            config = asr.request_to_proto(asr.Config(session_id=str(number))).SerializeToString()
            # Credit for all that is sent from here on.
            opening = {"begin": METHOD}, {"message": config}, {"credit": 1 << 20}
            yield ConnectRequest(frames=[CallFrame(call=number + 1, **frame) for frame in opening])
        sources = [pieces(number) for number in range(self._streams)]
        due = [next(source) for source in sources]
        start, went = time.monotonic(), time.thread_time()
        for tick in range(self._ticks):
            await asyncio.sleep(start + tick * TICK_SECONDS - time.monotonic())
            spare = time.thread_time()
            request = ConnectRequest()
            for number, source in enumerate(sources):
                while due[number][0] <= tick * TICK_SECONDS:
                    request.frames.append(CallFrame.FromString(due[number][1]))
                    due[number] = next(source)
            message = request.SerializeToString()
            self._junk.sum()
            went += time.thread_time() - spare
            if request.frames:
                self.pieces += len(request.frames)
                yield ConnectRequest.FromString(message)
        self.seconds = time.thread_time() - went

    async def write(self, response: ConnectResponse) -> None:
        """Take what is sent."""
        response.SerializeToString()


async def run(streams: int, seconds: float, *, cold: bool) -> None:
    """Hold the conversations, and tell."""
    engine, worker = ScriptedEngine(("one", "two"), 0.0, computes=True), Worker("engine")
    engine.load()
    with open_telemetry("asr", "ERROR") as telemetry:
        servicer = AsrServicer(Models(engine, Scheduler(worker)), telemetry, streams)
        handlers = Handlers()
        add_AsrServiceServicer_to_server(servicer, cast("grpc.aio.Server", handlers))
        gateway = Gateway(streams, seconds, cold=cold)
        await MultiplexServicer(handlers).Connect(gateway.requests(), cast("Any", gateway))
    worker.close()
    piece_us, share = gateway.seconds / gateway.pieces * 1e6, gateway.seconds / seconds
    print(f"{piece_us:.0f} µs a piece, {gateway.pieces / seconds:.0f} pieces a second: {share:.1%} of a core")


def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--cold", action="store_true")
    given = parser.parse_args()
    uvloop.run(run(given.streams, given.seconds, cold=given.cold))


if __name__ == "__main__":
    main()
