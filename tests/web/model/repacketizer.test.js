import assert from "node:assert/strict";
import { test } from "node:test";

import { Repacketizer, joinOpus } from "../../../edge_gateway/web/model/repacketizer.js";

/** @typedef {import("../../../edge_gateway/web/model/repacketizer.js").SingularPacket} SingularPacket */

const PACKET_US = 20_000;
/** One frame of 20 ms, wideband; the same with two frames; another bandwidth. */
const TOC = 9 << 3;
const TWO_FRAMES = TOC | 1;
const OTHER_TOC = 5 << 3;

/** An Opus packet. @param {number} toc @param {number} length of its frame @param {number} [fill] */
const opus = (toc, length, fill = 7) => new Uint8Array(1 + length).fill(fill).fill(toc, 0, 1);

/**
 * Packet number n of a microphone that never pauses, as PCM whose bytes are its number.
 * @param {number} number
 * @param {Partial<SingularPacket>} [but]
 * @returns {SingularPacket}
 */
const packet = (number, but = {}) => ({ capturedUs: number * PACKET_US, payload: new Uint8Array(2).fill(number), silent: false, leftOut: 0, ...but });

/** @param {number} soundMs @param {number} silenceMs @param {boolean} [asOpus] */
function repacketizer(soundMs, silenceMs, asOpus = false) {
  const made = new Repacketizer(asOpus);
  assert.deepEqual(made.setPacketTime(soundMs, silenceMs), []);
  return made;
}

/**
 * How many packets each thing that is sent holds, told after each packet.
 * @param {Repacketizer} joins
 * @param {SingularPacket[]} packets
 */
const counts = (joins, packets) => packets.map((each) => joins.take(each).map((joined) => joined.packets));

test("until the gateway has spoken each packet goes alone, as it came", () => {
  const joins = new Repacketizer(true);
  const payload = opus(TOC, 40);
  assert.deepEqual(joins.take(packet(3, { payload, leftOut: 5 })), [{ capturedUs: 60_000, payload, leftOut: 5, packets: 1 }]);
  assert.deepEqual(joins.flush(), []);
});

test("as many packets are joined as fit into the packet time, with the time and the gap of the first", () => {
  const joins = repacketizer(80, 80);
  const sent = [0, 1, 2, 3, 4].flatMap((number) => joins.take(packet(number, { leftOut: number ? 0 : 44 })));
  assert.deepEqual(sent, [{ capturedUs: 0, payload: new Uint8Array([0, 0, 1, 1, 2, 2, 3, 3]), leftOut: 44, packets: 4 }]);
  assert.deepEqual(joins.flush(), [{ capturedUs: 80_000, payload: new Uint8Array([4, 4]), leftOut: 0, packets: 1 }]);
});

test("a packet time is taken down to whole packets: one at least, six at most", () => {
  const numbers = [...Array(12).keys()];
  for (const [ms, each] of [[undefined, 1], [0, 1], [19, 1], [20, 1], [39, 1], [40, 2], [119, 5], [120, 6], [500, 6]]) {
    const joins = new Repacketizer(false);
    joins.setPacketTime(ms, 20);
    const sent = counts(joins, numbers.map((number) => packet(number))).flat();
    assert.deepEqual(sent, Array.from({ length: Math.floor(12 / Number(each)) }, () => each));
  }
});

test("silence has a packet time of its own, and sound takes along what waits", () => {
  const silences = [true, true, true, true, true, false, false, true, true];
  const packets = silences.map((silent, number) => packet(number, { silent }));
  assert.deepEqual(counts(repacketizer(20, 80), packets), [[], [], [], [4], [], [2], [1], [], []]);
  assert.deepEqual(counts(repacketizer(80, 20), packets), [[1], [1], [1], [1], [1], [], [], [], [4]]);
  assert.deepEqual(counts(repacketizer(80, 120), packets), [[], [], [], [], [], [6], [], [], []]);
});

test("where something was left out, or the microphone paused, another begins", () => {
  for (const but of [{ leftOut: 1 }, { capturedUs: 2 * PACKET_US + 10_001 }, { capturedUs: 2 * PACKET_US - 10_001 }]) {
    const joins = repacketizer(80, 80);
    assert.deepEqual(counts(joins, [packet(0), packet(1), packet(2, but)]), [[], [], [2]]);
    assert.equal(joins.flush()[0].packets, 1);
  }
  const joins = repacketizer(80, 80);
  const drifting = [packet(0), packet(1, { capturedUs: PACKET_US + 10_000 }), packet(2, { capturedUs: 2 * PACKET_US })];
  assert.deepEqual(counts(joins, drifting), [[], [], []]);
});

test("what waits goes when a new packet time has come that it fills", () => {
  const joins = repacketizer(80, 80);
  counts(joins, [packet(0), packet(1)]);
  assert.deepEqual(joins.setPacketTime(60, 20), []);
  assert.deepEqual(joins.setPacketTime(40, 80).map(({ packets }) => packets), [2]);
  assert.deepEqual(joins.setPacketTime(20, 20), []);
});

test("Opus packets of the same form become one, whose first bytes say how long each of its frames is", () => {
  const frames = [opus(TOC, 3, 1), opus(TOC, 0), opus(TOC, 2, 2), opus(TOC, 4, 3)];
  assert.deepEqual([...joinOpus(frames)], [TOC | 3, 0x84, 3, 0, 2, 1, 1, 1, 2, 2, 3, 3, 3, 3]);
  assert.deepEqual([...joinOpus([opus(TOC, 1, 1), opus(TOC, 1, 2)])], [TOC | 3, 0x82, 1, 1, 2]);
});

test("a frame of 252 bytes or more has two bytes for its length", () => {
  for (const [length, bytes] of /** @type {[number, number[]][]} */ ([
    [251, [251]], [252, [252, 0]], [253, [253, 0]], [254, [254, 0]], [255, [255, 0]], [256, [252, 1]], [258, [254, 1]], [1000, [252, 187]],
  ])) {
    const joined = joinOpus([opus(TOC, length, 5), opus(TOC, 2, 6)]);
    assert.deepEqual([...joined.subarray(0, 2 + bytes.length)], [TOC | 3, 0x82, ...bytes]);
    assert.equal(joined.length, 2 + bytes.length + length + 2);
    assert.deepEqual([...joined.subarray(-3)], [5, 6, 6]);
  }
});

test("Opus of another form begins another, and what holds several frames goes alone, at once", () => {
  const tocs = [TOC, TOC, OTHER_TOC, OTHER_TOC, TWO_FRAMES, TWO_FRAMES, TOC, TOC];
  const joins = repacketizer(80, 80, true);
  const packets = tocs.map((toc, number) => packet(number, { payload: opus(toc, 20) }));
  assert.deepEqual(counts(joins, packets), [[], [], [2], [], [2, 1], [1], [], []]);
  assert.deepEqual(joins.take(packet(8, { payload: new Uint8Array() })).map(({ payload }) => payload.length), [2 + 1 + 20 + 20, 0]);
});

test("what would be longer than the gateway takes begins another", () => {
  // 2 bytes of header, 2 x 2 of lengths, and frames: 1275 bytes, the longest that there may be, or one more.
  for (const [last, expected] of /** @type {[number, number[][]][]} */ ([[269, [[], [], []]], [270, [[], [], [2]]]])) {
    const packets = [500, 500, last].map((length, number) => packet(number, { payload: opus(TOC, length) }));
    const joins = repacketizer(80, 80, true);
    assert.deepEqual(counts(joins, packets), expected);
    assert.ok(joins.flush()[0].payload.length <= 1275);
  }
  for (const [last, expected] of /** @type {[number, number[][]][]} */ ([[520, [[], [], []]], [521, [[], [], [2]]]])) {
    const packets = [5500, 5500, last].map((length, number) => packet(number, { payload: new Uint8Array(length) }));
    assert.deepEqual(counts(repacketizer(80, 80), packets), expected);
  }
});
