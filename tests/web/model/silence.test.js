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
  return heard(new SilenceGate(), levels, 0);
}

/**
 * The same of a gate that has heard something before.
 * @param {SilenceGate<number>} gate
 * @param {number[]} levels
 * @param {number} first number of the first packet
 */
function heard(gate, levels, first) {
  return levels.flatMap((level, place) => {
    const now = first + place;
    return gate.pass(now, level).map(({ packet, leftOut }) => ({ packet, now, leftOut }));
  });
}

/** A gate that has heard a second of voice, and silence after it. @param {number} silent packets */
function afterVoice(silent) {
  /** @type {SilenceGate<number>} */
  const gate = new SilenceGate();
  heard(gate, [...stretch(VOICE, SECOND), ...stretch(ROOM, silent)], 0);
  return gate;
}

/** @param {{packet: number}[]} packets */
const numbers = (packets) => packets.map(({ packet }) => packet);

test("sound is sent as it comes, and three seconds after it", () => {
  const packets = sent([...stretch(VOICE, SECOND), ...stretch(ROOM, 10 * SECOND)]).filter(({ packet }) => packet < 4 * SECOND);
  assert.deepEqual(packets, stretch(0, 4 * SECOND).map((_, packet) => ({ packet, now: packet, leftOut: 0 })));
});

test("of the silence after a turn that is over half a second is sent, and what comes with a sound", () => {
  const gate = afterVoice(18);
  gate.endTurn();
  const silence = heard(gate, stretch(ROOM, SECOND - 18), SECOND + 18);
  assert.deepEqual(numbers(silence), stretch(0, 25 - 18).map((_, place) => SECOND + 18 + place));
  const sound = numbers(heard(gate, stretch(VOICE, 1), 2 * SECOND));
  assert.deepEqual(sound, stretch(0, 16).map((_, place) => 2 * SECOND - 15 + place));
});

test("a sound after a turn that is over may be the next turn, and has its three seconds", () => {
  const gate = afterVoice(18);
  gate.endTurn();
  heard(gate, [...stretch(ROOM, 2 * SECOND), ...stretch(VOICE, 1)], SECOND + 18);
  assert.equal(heard(gate, stretch(ROOM, 150), 4 * SECOND).length, 150);
});

test("of a sound that is just over it is not known which turn is said to be", () => {
  for (const silent of [0, 1, 10]) {
    const gate = afterVoice(silent);
    gate.endTurn();
    assert.equal(heard(gate, stretch(ROOM, 150 - silent), SECOND + silent).length, 150 - silent);
  }
});

test("a voice that only the gateway hears is sent from then on, with what was held back", () => {
  const gate = afterVoice(18);
  gate.endTurn();
  heard(gate, stretch(ROOM, 2 * SECOND - 18), SECOND + 18);
  gate.hearVoice();
  const packets = heard(gate, stretch(ROOM, 149), 3 * SECOND);
  assert.equal(packets.filter(({ now }) => now === 3 * SECOND).length, 16);
  assert.equal(packets.length, 149 + 15);
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

test("each packet is silent or not as it was when it came, however long it was held back", () => {
  const gate = new SilenceGate();
  const levels = [...stretch(ROOM, 5 * SECOND), VOICE, ROOM];
  const packets = levels.flatMap((level, now) => gate.pass(now, level));
  assert.deepEqual(packets.filter(({ silent }) => !silent).map(({ packet }) => packet), [5 * SECOND]);
  assert.deepEqual(numbers(packets).slice(-17, -1), stretch(0, 16).map((_, place) => 5 * SECOND - 15 + place));
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
