"""Packets that wait for others, and go together: which do, when, and what an Opus decoder makes of them."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.audio.opus import Decoder, Encoder
from parley.conversation import Encoding, PacketTime
from parley_cli.client import Outgoing, Repacketizer, join_opus

TOC = b"\x48"


_PAGE: Final = Path(__file__).resolve().parents[2] / "edge_gateway" / "web" / "model" / "repacketizer.js"
_SCRIPT: Final = """
import { readFileSync } from "node:fs";
import { Repacketizer } from %(page)s;

const told = (out) => out.map(({ capturedUs, leftOut, packets, payload }) => [
  Math.round(capturedUs / 20000), leftOut, packets, Buffer.from(payload).toString("hex"),
]);
const sessions = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(sessions.map(({ opus, said }) => {
  const repacketizer = new Repacketizer(opus);
  return said.map(({ time, packet }) => {
    if (time) return told(repacketizer.setPacketTime(...time));
    const { number, data, leftOut, silent } = packet;
    const payload = new Uint8Array(Buffer.from(data, "hex"));
    return told(repacketizer.take({ capturedUs: number * 20000, payload, leftOut, silent }));
  });
})));
"""


def opus(number: int, *, silent: bool = False, left_out: int = 0, data: bytes = TOC + b"x") -> Outgoing:
    return Outgoing(number, data, left_out, silent)


def repacketizer(sound_ms: int, silence_ms: int, encoding: Encoding = Encoding.OPUS) -> Repacketizer:
    made = Repacketizer(encoding)
    made.allow(PacketTime(sound_ms, silence_ms))
    return made


def sent(made: Repacketizer, *packets: Outgoing) -> list[tuple[int, int]]:
    """Number of the first, and how many went together, packet by packet."""
    return [(out.number, out.packets) for packet in packets for out in made.take([packet])]


def test_before_the_gateway_says_otherwise_each_goes_alone() -> None:
    assert sent(Repacketizer(Encoding.OPUS), *map(opus, range(3))) == [(0, 1), (1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("milliseconds", "packets"), [(0, 1), (19, 1), (20, 1), (40, 2), (79, 3), (80, 4), (120, 6), (4000, 6)]
)
def test_as_many_go_together_as_last_no_longer_than_the_gateway_says(milliseconds: int, packets: int) -> None:
    assert sent(repacketizer(milliseconds, 20), *map(opus, range(6)))[0] == (0, packets)


def test_a_sound_takes_along_the_silence_that_waits() -> None:
    silence = [opus(number, silent=True) for number in range(6)]
    assert sent(repacketizer(20, 80), *silence, opus(6), opus(7)) == [(0, 4), (4, 3), (7, 1)]


def test_what_waits_goes_when_it_is_as_long_as_may_be_from_now_on() -> None:
    made = repacketizer(80, 80)
    assert sent(made, opus(0), opus(1)) == []
    assert made.allow(PacketTime(60, 20)) == ()
    assert [(out.number, out.packets) for out in made.allow(PacketTime(40, 20))] == [(0, 2)]
    assert made.allow(PacketTime(20, 20)) == ()


@pytest.mark.parametrize(
    "packet",
    [opus(5, left_out=3), opus(3), opus(2, data=b"\x28x"), opus(2, data=TOC + bytes(1272))],
    ids=["something was left out", "something is missing", "another mode", "too long together"],
)
def test_a_packet_that_cannot_follow_begins_anew(packet: Outgoing) -> None:
    assert sent(repacketizer(80, 80), opus(0), opus(1), packet) == [(0, 2)]


@pytest.mark.parametrize("data", [b"\x4bx", b""])
def test_packets_that_cannot_be_joined_go_at_once(data: bytes) -> None:
    assert sent(repacketizer(80, 80), opus(0), opus(1, data=data), opus(2, data=data)) == [(0, 1), (1, 1), (2, 1)]


def test_pcm_is_put_together_up_to_what_a_gateway_takes() -> None:
    made = repacketizer(120, 120, Encoding.PCM_S16LE)
    first = [Outgoing(number, bytes([number]) * 1920) for number in range(6)]
    assert sent(made, *first[:5]) == []
    (whole,) = made.take(first[5:])
    assert whole == Outgoing(0, b"".join(packet.data for packet in first), packets=6)
    assert sent(made, Outgoing(6, bytes(1920)), Outgoing(7, bytes(9602))) == [(6, 1)]


def test_how_many_were_left_out_before_the_first_is_kept_and_whether_all_is_silent() -> None:
    made = repacketizer(40, 40)
    (out,) = made.take([opus(9, silent=True, left_out=4), opus(10, silent=True)])
    assert (out.left_out, out.silent) == (4, True)
    (out,) = made.take([opus(11, silent=True), opus(12)])
    assert not out.silent


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [([251, 1], b"\xfb"), ([252, 1], b"\xfc\x00"), ([253, 1], b"\xfd\x00"), ([400, 1], b"\xfc\x25")],
)
def test_lengths_of_frames_are_written_as_the_standard_has_them(sizes: list[int], lengths: bytes) -> None:
    packets = [TOC + bytes(size) for size in sizes]
    assert join_opus(packets) == b"\x4b\x82" + lengths + bytes(sum(sizes))


@pytest.mark.parametrize("bitrate_bps", [12_000, 24_000, 80_000])
@pytest.mark.parametrize("count", [2, 4, 6])
def test_a_decoder_hears_the_same_in_one_packet_as_in_several(bitrate_bps: int, count: int) -> None:
    libopus = Libopus(find_libopus())
    encoder = Encoder(libopus, 24_000, bitrate_bps=bitrate_bps, complexity=5)
    size = encoder.bytes_per_packet
    packets = [encoder.encode(bytes(range(256)) * (size // 256) + bytes(size % 256)) for _ in range(4 * count)]
    alike = [packet for packet in packets if packet[0] == packets[-1][0]]
    assert len(alike) >= count
    one, several = Decoder(libopus), Decoder(libopus)
    heard = one.decode(join_opus(alike[-count:]))
    assert heard == b"".join(map(several.decode, alike[-count:]))
    assert len(heard) == count * 640


def session(seed: int, *, is_opus: bool) -> list[Outgoing | PacketTime]:
    """Packets of any kind, and what the gateway says between them."""
    chance = random.Random(seed)  # noqa: S311 - the same ones each time
    said: list[Outgoing | PacketTime] = []
    number = 0
    for _ in range(300):
        if chance.random() < 0.1:
            said.append(PacketTime(chance.choice([0, 20, 50, 80, 120, 900]), chance.choice([20, 80, 120])))
        left_out = chance.choice([0] * 15 + [chance.randrange(1, 45)])
        number += left_out
        size = chance.choice([0, 1, 60, 250, 251, 252, 253, 400] if is_opus else [640, 640, 1920, 5760])
        data = chance.choice([b"\x48"] * 12 + [b"\x28", b"\x49"]) + bytes(size)
        said.append(Outgoing(number, data if is_opus else bytes(size), left_out, chance.random() < 0.6))
        number += 1
    return said


def as_json(said: Outgoing | PacketTime) -> dict[str, Any]:
    if isinstance(said, PacketTime):
        return {"time": [said.sound_ms, said.silence_ms]}
    packet = {"number": said.number, "data": said.data.hex(), "leftOut": said.left_out, "silent": said.silent}
    return {"packet": packet}


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_client_puts_together_what_the_page_puts_together(tmp_path: Path) -> None:
    sessions = [(session(seed, is_opus=seed % 2 == 0), seed % 2 == 0) for seed in range(20)]
    script = tmp_path / "ask.mjs"
    script.write_text(_SCRIPT % {"page": json.dumps(_PAGE.as_uri())}, encoding="utf-8")
    command = [str(shutil.which("node")), str(script)]
    asked = json.dumps([{"opus": is_opus, "said": list(map(as_json, said))} for said, is_opus in sessions])
    page = json.loads(subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout)
    longest = 0
    for (said, is_opus), answers in zip(sessions, page, strict=True):
        client = Repacketizer(Encoding.OPUS if is_opus else Encoding.PCM_S16LE)
        for each, answer in zip(said, answers, strict=True):
            out = client.allow(each) if isinstance(each, PacketTime) else client.take([each])
            assert [[packet.number, packet.left_out, packet.packets, packet.data.hex()] for packet in out] == answer
            longest = max(longest, *(packet.packets for packet in out), 0)
    assert longest == 6
