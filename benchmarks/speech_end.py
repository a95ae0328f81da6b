"""How exactly the end of speech is told: by the voice detector alone, and by where the loudness falls near it.

Recordings are cut in a vowel, where nobody can doubt that the voice ends, each at several places of a packet, and go as
packets through the codec to the real detector and endpointer. Told is how far both are off, in milliseconds. A turn
that the detector ends somewhere else says nothing of that, and is counted apart.
`PYTHONPATH=. python benchmarks/speech_end.py FOLDER [--noise 0.003]`; FOLDER has recordings of speech.
"""

from __future__ import annotations

import argparse
import asyncio
from functools import partial
from pathlib import Path

import numpy as np

from asr_server.detection import VoiceDetection
from asr_server.endpointing.config import EndpointingConfig
from asr_server.endpointing.endpointer import Ended, Endpointer
from asr_server.endpointing.speech_end import sharpened
from asr_server.engine import RATE_HZ, Vad
from asr_server.engines.silero import load_silero
from asr_server.front_end.front_end import FrontEnd, FrontEndConfig
from benchmarks.heard import ALLOWED_MS, SHIFT, cut
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.audio.opus import Decoder
from parley import asr
from parley.audio import SAMPLE_BYTES, decode_file
from parley_cli.client import MIC_RATE_HZ, encoded, packet_of

PLACES = 8
SILENCE_SECONDS = 2
LONGEST_SECONDS = 15
ELSEWHERE_SECONDS = 0.2


def received(pcm: bytes) -> FrontEnd:
    """What the ASR server gets of a recording and the silence after it."""
    whole = pcm + bytes(SAMPLE_BYTES * MIC_RATE_HZ * SILENCE_SECONDS)
    microphone, decoder = encoded(partial(packet_of, whole)), Decoder(Libopus(find_libopus()), RATE_HZ)
    packet_samples = MIC_RATE_HZ // 50
    sound = FrontEnd(FrontEndConfig(), 0)
    for number in range(len(whole) // SAMPLE_BYTES // packet_samples):
        sound.append(decoder.decode(microphone(number)[0].data), number * RATE_HZ // 50)
    decoder.close()
    return sound


async def ended(sound: FrontEnd, vad: Vad) -> Ended | None:
    """The first turn's end."""
    endpointer, in_turn, found = Endpointer(EndpointingConfig.of(asr.Endpointing())), False, None
    detection = VoiceDetection(sound, vad)
    while (probability := await detection.probability()) is not None:
        for event in endpointer.step(probability):
            in_turn = isinstance(event, asr.VoiceOnset) or (in_turn and not isinstance(event, asr.TurnDiscarded))
            if isinstance(event, Ended) and found is None:
                found = event
        sound.learn(probability, endpointer, in_turn=in_turn)
    return found


def tell(name: str, off_ms: list[float]) -> None:
    off = np.abs(off_ms)
    print(
        f"{name:<10} {len(off)} ends, median {np.median(off):.1f} ms off, p90 {np.percentile(off, 90):.1f}, "
        f"most {off.max():.1f}; within {ALLOWED_MS:.0f} ms {np.mean(off <= ALLOWED_MS):.0%}"
    )


async def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--noise", type=float, default=0.0, help="white noise, root mean square, full scale 1")
    options = parser.parse_args()
    chance, silero = np.random.default_rng(0), load_silero()
    by_detector, by_loudness, elsewhere = list[float](), list[float](), 0
    for file in sorted(options.folder.glob("*.flac")):
        speech = cut(decode_file(str(file), MIC_RATE_HZ))
        if not MIC_RATE_HZ <= len(speech) <= SAMPLE_BYTES * MIC_RATE_HZ * LONGEST_SECONDS:
            continue
        for place in range(PLACES):
            pcm = bytes(SAMPLE_BYTES * SHIFT * place) + speech
            truth = len(pcm) // SAMPLE_BYTES * RATE_HZ / MIC_RATE_HZ
            heard = np.frombuffer(pcm, dtype="<i2") + chance.normal(0, options.noise * 32767, len(pcm) // SAMPLE_BYTES)
            sound = received(np.clip(heard, -32768, 32767).astype("<i2").tobytes())
            turn = await ended(sound, silero.stream())
            if turn is None or abs(turn.speech_end_sample - truth) > ELSEWHERE_SECONDS * RATE_HZ:
                elsewhere += 1
            else:
                detected = turn.speech_end_sample
                by_detector.append((detected - truth) / RATE_HZ * 1000)
                by_loudness.append((sharpened(sound.sound, detected) - truth) / RATE_HZ * 1000)
    tell("detector", by_detector)
    tell("loudness", by_loudness)
    print(f"{elsewhere} turns ended elsewhere, or were none")


if __name__ == "__main__":
    asyncio.run(main())
