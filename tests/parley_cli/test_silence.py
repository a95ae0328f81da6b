"""The client leaves out the same silence as the page: both take the same levels, and what they send is compared."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from parley import asr
from parley.conversation import PACKET_SECONDS, UserDiscarded, UserPartial, UserSpeechStarted, UserUtterance
from parley_cli.client import Captured, WithoutSilence, every_packet
from parley_cli.client.silence import SilenceGate, level_db

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from parley.conversation import Event
    from parley_cli.client.microphone import Capture, Microphone

_PAGE: Final = Path(__file__).resolve().parents[2] / "edge_gateway" / "web" / "model" / "silence.js"
_SCRIPT: Final = """
import { readFileSync } from "node:fs";
import { SilenceGate, levelDb } from %(page)s;

const asked = JSON.parse(readFileSync(0, "utf8"));
const sent = asked.levels.map((levels) => {
  const gate = new SilenceGate();
  return levels.flatMap((level, now) => {
    if (typeof level === "number") {
      return gate.pass(now, level).map(({ packet, leftOut, silent }) => [packet, now, leftOut, silent]);
    }
    if (level === "a turn is over") gate.endTurn();
    else gate.hearVoice();
    return [];
  });
});
const levels = asked.sounds.map((sound) => levelDb(Float32Array.from(sound, (sample) => sample / 32768)));
console.log(JSON.stringify({ sent, levels }));
"""
OVER, VOICE = "a turn is over", "a voice is heard"
_SECOND: Final = round(1 / PACKET_SECONDS)

Sent = list[list[int]]
Heard = float | str
"""The level of a packet, or what the gateway says at that time."""


def sent_of(levels: Sequence[Heard]) -> Sent:
    """Number of each packet that is sent, with when it goes, what is left out before it, and whether it is silent."""
    gate: SilenceGate[int] = SilenceGate()
    sent: Sent = []
    for now, level in enumerate(levels):
        if isinstance(level, float):
            sent += [[packet, now, left_out, silent] for packet, left_out, silent in gate.take(now, level)]
        elif level == OVER:
            gate.end_turn()
        else:
            gate.hear_voice()
    return sent


def stretches(seed: int) -> list[Heard]:
    """A few minutes of a room, of voices in it, of a room that changes, of a muted microphone, and of turns."""
    chance = random.Random(seed)  # noqa: S311 - the same ones each time
    levels: list[Heard] = []
    for _ in range(24):
        middle, spread = chance.choice([(-70.0, 2.0), (-62.0, 1.5), (-40.0, 9.0), (-96.0, 0.0), (-57.0, 6.0)])
        levels += [chance.gauss(middle, spread) for _ in range(chance.randrange(1, 10 * _SECOND))]
        levels += chance.choices([[OVER], [VOICE], []], [4, 1, 2])[0]
    return levels


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_client_sends_what_the_page_sends(tmp_path: Path) -> None:
    levels = [stretches(seed) for seed in range(6)]
    sounds = [[0] * 960, [3_277] * 960, np.random.default_rng(1).normal(0, 10, 960).astype("<i2").tolist()]
    script = tmp_path / "ask.mjs"
    script.write_text(_SCRIPT % {"page": json.dumps(_PAGE.as_uri())}, encoding="utf-8")
    command = [str(shutil.which("node")), str(script)]
    asked = json.dumps({"levels": levels, "sounds": sounds})
    answer = json.loads(subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout)
    assert [sent_of(each) for each in levels] == answer["sent"]
    assert [level_db(np.array(sound, dtype="<i2").tobytes()) for sound in sounds] == pytest.approx(answer["levels"])
    assert sum(map(len, answer["sent"])) < 0.9 * sum(map(len, levels))


@pytest.mark.parametrize(("microphone", "sends_all"), [(every_packet, True), (WithoutSilence, False)])
def test_a_microphone_leaves_silence_out_or_sends_it(
    microphone: Callable[[Capture], Microphone],
    sends_all: bool,  # noqa: FBT001 - a table
) -> None:
    hear = microphone(lambda number: Captured(bytes([number % 256]), -70.0))
    outgoing = [packet for number in range(10 * _SECOND) for packet in hear(number)]
    assert all(packet.data == bytes([packet.number % 256]) for packet in outgoing)
    assert (len(outgoing) == 10 * _SECOND) is sends_all
    assert any(packet.left_out for packet in outgoing) is not sends_all


def test_after_three_seconds_of_silence_a_twelfth_is_sent() -> None:
    sent = sent_of([-70.0] * 60 * _SECOND)
    assert [packet for packet, now, *_ in sent if now < 3 * _SECOND] == list(range(3 * _SECOND))
    assert len(sent) - 3 * _SECOND == pytest.approx(57 * _SECOND / 12, abs=6)


def microphone_after_a_turn() -> WithoutSilence:
    """One that has heard a second of voice, and .36 s of a silence that goes on."""
    microphone = WithoutSilence(lambda number: Captured(b"x", -30.0 if number < _SECOND else -70.0))
    for number in range(_SECOND + 18):
        microphone(number)
    return microphone


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (UserUtterance(1, "hello"), 7),
        (UserDiscarded(1, asr.DiscardReason.NOISE), 7),
        (UserUtterance(1, "hello", typed=True), 132),
        (UserPartial(1, "hello", 0), 132),
    ],
)
def test_what_the_gateway_says_of_a_turn_decides_how_much_silence_is_sent(event: Event, sent: int) -> None:
    microphone = microphone_after_a_turn()
    microphone.take(event)
    first = _SECOND + 18
    outgoing = [packet.number for number in range(first, first + 132) for packet in microphone(number)]
    assert outgoing[:sent] == list(range(first, first + sent))
    # After them only what shows that the microphone lives.
    assert len(outgoing) <= sent + 4 * (132 - sent) // 48


def test_a_voice_that_the_gateway_hears_is_sent() -> None:
    microphone = microphone_after_a_turn()
    microphone.take(UserUtterance(1, "hello"))
    for number in range(_SECOND + 18, 2 * _SECOND):
        microphone(number)
    microphone.take(UserSpeechStarted(2))
    assert [packet.number for packet in microphone(2 * _SECOND)] == list(range(2 * _SECOND - 15, 2 * _SECOND + 1))


def test_a_sound_brings_what_was_just_before_it_and_says_what_is_missing() -> None:
    sent = sent_of([-70.0] * 10 * _SECOND + [-30.0])
    assert [packet for packet, now, *_ in sent if now == 10 * _SECOND] == list(
        range(10 * _SECOND - 15, 10 * _SECOND + 1)
    )
    numbers = [packet for packet, *_ in sent]
    assert [b - a - 1 for a, b in zip([-1, *numbers], numbers, strict=False)] == [
        left_out for _, _, left_out, _ in sent
    ]
