import assert from "node:assert/strict";
import { test } from "node:test";

import { SilenceGate, levelDb } from "../../../edge_gateway/web/model/silence.js";

const ROOM = -70;
const VOICE = -40;
const SECOND = 50;

/** A stretch of packets of one level. @param {number} level @param {number} packets */
const stretch = (level, packets) => Array.from({ length: packets }, () => level);

/**
 * Numbers of the packets that are sent, each with when it goes and what is left out before it.
 * @param {number[]} levels
 */
function sent(levels) {
  /** @type {SilenceGate<number>} */
  const gate = new SilenceGate();
  return levels.flatMap((level, now) => gate.pass(now, level).map(({ packet, leftOut }) => ({ packet, now, leftOut })));
}

/** @param {{packet: number}[]} packets */
const numbers = (packets) => packets.map(({ packet }) => packet);

test("sound is sent as it comes, and three seconds after it", () => {
  const packets = sent([...stretch(VOICE, SECOND), ...stretch(ROOM, 10 * SECOND)]).filter(({ packet }) => packet < 4 * SECOND);
  assert.deepEqual(packets, stretch(0, 4 * SECOND).map((_, packet) => ({ packet, now: packet, leftOut: 0 })));
});

test("of a silence a twelfth is sent, at least once a second and four packets in one piece", () => {
  const packets = numbers(sent(stretch(ROOM, 60 * SECOND))).filter((packet) => packet >= 4 * SECOND);
  assert.ok(packets.length <= (56 * SECOND) / 11);
  for (let place = 0; place + 4 <= packets.length; place += 4) {
    assert.deepEqual(packets.slice(place, place + 4), [0, 1, 2, 3].map((each) => packets[place] + each));
    if (place) assert.ok(packets[place] - packets[place - 1] <= SECOND);
  }
});

test("with a sound comes what was just before it, at once", () => {
  for (let silence = 5 * SECOND; silence < 7 * SECOND; silence++) {
    const packets = sent([...stretch(ROOM, silence), ...stretch(VOICE, 1)]);
    const before = stretch(0, 16).map((_, place) => silence - 15 + place);
    assert.deepEqual(numbers(packets).slice(-16), before);
    assert.equal(packets.at(-1)?.now, silence);
  }
});

test("each packet tells how many were left out before it", () => {
  const packets = sent([...stretch(ROOM, 20 * SECOND), ...stretch(VOICE, SECOND), ...stretch(ROOM, 20 * SECOND)]);
  packets.forEach(({ packet, leftOut }, place) => assert.equal(packet, (packets[place - 1]?.packet ?? -1) + 1 + leftOut));
  assert.ok(packets.some(({ leftOut }) => leftOut));
});

test("a soft voice over a quiet room is sent, whole", () => {
  const words = stretch(-62, 20 * SECOND).map((level, place) => (place % 25 < 4 ? ROOM : level));
  const first = 20 * SECOND;
  const packets = numbers(sent([...stretch(ROOM, first), ...words])).filter((packet) => packet >= first);
  assert.deepEqual(packets, words.map((_, place) => first + place));
});

test("in a loud room nothing is left out", () => {
  assert.equal(sent(stretch(-50, 20 * SECOND)).length, 20 * SECOND);
});

test("a room that gets louder is silent again after a while", () => {
  const packets = numbers(sent([...stretch(-80, 10 * SECOND), ...stretch(-64, 60 * SECOND)]));
  assert.ok(packets.filter((packet) => packet >= 30 * SECOND).length < 4 * SECOND);
});

test("a microphone that is muted says nothing of the room", () => {
  const gate = new SilenceGate();
  stretch(ROOM, SECOND).forEach((level) => gate.pass(0, level));
  stretch(-96, SECOND).forEach((level) => gate.pass(0, level));
  assert.equal(gate.isSilent(ROOM + 1), true);
});

test("a level is the root mean square in decibels of full scale", () => {
  assert.equal(Math.round(levelDb(new Float32Array(960).fill(0.1))), -20);
  assert.equal(levelDb(new Float32Array(960)), -96);
});
