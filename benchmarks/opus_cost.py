"""Prints what a packet costs: microseconds on this machine, and each setting as a ratio of the one that Parley uses.

    python benchmarks/opus_cost.py [speech.flac]

Without a recording it encodes noise that swells and fades like speech. Ratios travel between machines, times do not.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.audio.opus import MAX_PACKET_BYTES, Decoder, Encoder
from parley.audio import decode_file

if TYPE_CHECKING:
    from collections.abc import Callable

RATE_HZ = 24_000
PACKET_BYTES = RATE_HZ // 50 * 2
APPLICATIONS = {"RESTRICTED_LOWDELAY": 2051, "AUDIO": 2049, "VOIP": 2048}
SET_BITRATE, SET_COMPLEXITY = 4002, 4010
ROUNDS = 5


def packet_seconds(work: Callable[[bytes], bytes], packets: list[bytes]) -> float:
    """Median over some rounds of the mean time that `work` takes for one of `packets`."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for packet in packets:
            work(packet)
        rounds.append((time.perf_counter() - begun) / len(packets))
    return statistics.median(rounds)


def swelling_noise(seconds: int = 10) -> bytes:
    """Low-passed noise at the pace of syllables, s16le."""
    samples = np.convolve(np.random.default_rng(0).normal(size=seconds * RATE_HZ), np.ones(24) / 24, "same")
    loudness = np.sin(2 * np.pi * 2 * np.arange(len(samples)) / RATE_HZ) ** 2
    pcm: bytes = np.clip(samples * loudness * 20_000, -32_768, 32_767).astype("<i2").tobytes()
    return pcm


def raw_encode(libopus: Libopus, state: int, out: ctypes.Array[ctypes.c_char], pcm: bytes) -> bytes:
    """Encode with settings that `Encoder` does not offer."""
    size: int = libopus.encode(state, pcm, PACKET_BYTES // 2, ctypes.addressof(out), MAX_PACKET_BYTES)
    return ctypes.string_at(out, size)


def encoder_costs(libopus: Libopus, chunks: list[bytes]) -> dict[str, float]:
    """Seconds per packet by application and complexity, all at 48 kbit/s."""
    costs = {}
    for name, application in APPLICATIONS.items():
        for complexity in (0, 5, 9):
            state = libopus.encoder_create(RATE_HZ, 1, application, ctypes.c_int())
            libopus.encoder_control(state, SET_BITRATE, ctypes.c_int(48_000))
            libopus.encoder_control(state, SET_COMPLEXITY, ctypes.c_int(complexity))
            work = partial(raw_encode, libopus, state, ctypes.create_string_buffer(MAX_PACKET_BYTES))
            costs[f"encode {name} complexity {complexity}"] = packet_seconds(work, chunks)
            libopus.encoder_destroy(state)
    return costs


def decoder_costs(libopus: Libopus, packets: list[bytes]) -> dict[str, float]:
    """Seconds per packet by output rate, and beside a thread that never rests."""
    costs = {
        f"decode to {rate} Hz": packet_seconds(Decoder(libopus, rate).decode, packets) for rate in (16_000, 48_000)
    }
    rest = threading.Event()
    busy = threading.Thread(target=_spin, args=(rest,))
    busy.start()
    try:
        costs["decode to 16000 Hz, another thread busy"] = packet_seconds(Decoder(libopus).decode, packets)
    finally:
        rest.set()
        busy.join()
    return costs


def _spin(rest: threading.Event) -> None:
    while not rest.is_set():
        sum(range(100))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", help="any sound file; default: made-up noise")
    recording = parser.parse_args().recording
    pcm = decode_file(recording, RATE_HZ) if recording else swelling_noise()
    chunks = [pcm[at : at + PACKET_BYTES] for at in range(0, len(pcm) - PACKET_BYTES, PACKET_BYTES)]
    libopus = Libopus(find_libopus())
    encoder = Encoder(libopus, RATE_HZ)
    ours = {"Encoder as Parley uses it": packet_seconds(encoder.encode, chunks)}
    packets = [encoder.encode(chunk) for chunk in chunks]
    costs = ours | encoder_costs(libopus, chunks) | decoder_costs(libopus, packets)
    print(f"{libopus.version}, {len(chunks)} packets of 20 ms")
    for name, seconds in costs.items():
        print(f"{name:42s} {seconds * 1e6:7.1f} us  x {seconds / costs['Encoder as Parley uses it']:.2f}")


if __name__ == "__main__":
    main()
