import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Uplink } from "../../../edge_gateway/web/worker/uplink.js";

const RATE = 16_000;
const PACKET = RATE / 50;
const PACKET_US = 20_000;
const FULL = 200_000;

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

/** A network that keeps what it is given, and a microphone before it. */
class Rig {
  /** @param {string} encoding */
  constructor(encoding) {
    /** What went: frames as [sequence, packets, leftOut or lost, capture time in packets], and that push-to-talk was let go. @type {(number[] | string)[]} */
    this.sent = [];
    this.way = { waiting: 0, send: (/** @type {ArrayBuffer} */ frame) => void this.sent.push(told(frame)) };
    this.uplink = new Uplink(RATE, { encoding, sample_rate_hz: RATE }, this.way, () => this.sent.push("let go"));
    this.uplink.begin();
    this.now = 0;
  }

  /** The next packets. @param {number} count @param {number} [value] of all samples */
  hear(count, value = 0.1) {
    for (let each = 0; each < count; each++) this.uplink.hear(new Float32Array(PACKET).fill(value), this.now++ * PACKET_US);
  }

  /** What went since it was asked last. */
  news() {
    return this.sent.splice(0);
  }
}

/** @param {ArrayBuffer} frame */
function told(frame) {
  const header = new DataView(frame);
  const flags = header.getUint8(1);
  const gap = flags & 4 ? header.getUint16(2, true) || -1 : 0;
  return [header.getUint32(4, true), (flags >> 4) + 1, gap, Number(header.getBigInt64(8, true)) / PACKET_US];
}

const pcm = () => new Rig("AUDIO_ENCODING_PCM_S16LE");

test("packets share frames as the gateway allows, and the sequence counts them all", () => {
  const rig = pcm();
  rig.hear(2);
  assert.deepEqual(rig.news(), [[0, 1, 0, 0], [1, 1, 0, 1]]);
  rig.uplink.setPacketTime(80, 80);
  rig.hear(9);
  assert.deepEqual(rig.news(), [[2, 4, 0, 2], [6, 4, 0, 6]]);
  rig.uplink.setPacketTime(20, 80);
  assert.deepEqual(rig.news(), [[10, 1, 0, 10]]);
});

test("silence that is left out is counted by the frame after it", () => {
  const rig = pcm();
  rig.uplink.setPacketTime(20, 80);
  rig.hear(1);
  rig.hear(400, 0);
  const frames = rig.news().filter((each) => typeof each !== "string");
  const [sequence, , leftOut, captured] = frames.at(-1) ?? [];
  assert.deepEqual([leftOut, captured], [44, sequence]);
  for (const [place, [first]] of frames.slice(1).entries()) assert.equal(first, frames[place][0] + frames[place][1] + frames[place + 1][2]);
  assert.deepEqual(frames[1], [1, 4, 0, 1]);
  // Just before a sound comes silence that was held back, and it shares frames as silence does.
  rig.hear(1);
  assert.deepEqual(rig.news().slice(-4).map((each) => each[1]), [4, 4, 4, 4]);
});

test("a frame that the network does not take is lost with all its packets, and the next one says so", () => {
  const rig = pcm();
  rig.uplink.setPacketTime(80, 80);
  rig.hear(3);
  rig.way.waiting = FULL;
  rig.hear(1);
  rig.way.waiting = 0;
  rig.hear(8);
  assert.deepEqual(rig.news(), [[4, 4, -1, 4], [8, 4, 0, 8]]);
});

test("what waits for a microphone that has stopped is sent", () => {
  const rig = pcm();
  rig.uplink.setPacketTime(80, 80);
  rig.hear(1);
  mock.timers.tick(60);
  rig.hear(1);
  mock.timers.tick(99);
  assert.deepEqual(rig.news(), []);
  mock.timers.tick(1);
  assert.deepEqual(rig.news(), [[0, 2, 0, 0]]);
  mock.timers.tick(1000);
  assert.deepEqual(rig.news(), []);
});

test("a session that begins or ends forgets what waits, and each packet goes alone again", () => {
  for (const over of [false, true]) {
    const rig = pcm();
    rig.uplink.setPacketTime(80, 80);
    rig.hear(3);
    if (over) rig.uplink.close();
    mock.timers.tick(over ? 1000 : 0);
    rig.uplink.begin();
    mock.timers.tick(1000);
    rig.hear(2);
    assert.deepEqual(rig.news(), [[0, 1, 0, 3], [1, 1, 0, 4]]);
  }
});

test("when push-to-talk is let go all that waits goes first, and silence there is as good as sound", async () => {
  const rig = pcm();
  rig.uplink.push(true);
  rig.uplink.hold(true);
  rig.uplink.setPacketTime(60, 20);
  rig.hear(3, 0);
  rig.uplink.hold(false);
  rig.hear(20, 0);
  await null;
  assert.deepEqual(rig.news(), [[0, 3, 0, 0], [3, 3, 0, 3], [6, 3, 0, 6], [9, 2, 0, 9], "let go"]);
  rig.uplink.hold(true);
  rig.hear(3);
  // What came while it was not held is missing without having been counted.
  assert.deepEqual(rig.news(), [[11, 3, 0, 23]]);
});

/** An encoder that gives nothing until it is flushed. */
class SlowEncoder {
  /** @param {{output: (chunk: {byteLength: number, copyTo: (into: Uint8Array) => void}) => void}} init */
  constructor({ output }) {
    this.output = output;
    this.state = "unconfigured";
    this.waiting = 0;
  }

  configure() {
    this.state = "configured";
  }

  encode() {
    this.waiting++;
  }

  async flush() {
    await null;
    for (; this.waiting; this.waiting--) this.output({ byteLength: 3, copyTo: (into) => into.set([72, 1, 2]) });
  }

  close() {
    this.state = "closed";
  }
}

test("what the encoder still has when push-to-talk is let go is joined and goes before that is told", async (context) => {
  const browser = /** @type {any} */ (globalThis);
  Object.assign(browser, { AudioEncoder: SlowEncoder, AudioData: class { close() {} } });
  context.after(() => ["AudioEncoder", "AudioData"].forEach((name) => delete browser[name]));
  const rig = new Rig("AUDIO_ENCODING_OPUS");
  rig.uplink.push(true);
  rig.uplink.hold(true);
  rig.uplink.setPacketTime(80, 80);
  rig.hear(1);
  rig.uplink.hold(false);
  rig.hear(8);
  await new Promise(setImmediate);
  assert.deepEqual(rig.news(), [[0, 4, 0, 0], [4, 4, 0, 4], [8, 1, 0, 8], "let go"]);
});
