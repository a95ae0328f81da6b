import assert from "node:assert/strict";
import { test } from "node:test";

import { MIC_OPUS, REPLY_OPUS, REPLY_PCM, fromS16le, packMic, toS16le, unpackReply } from "../../../edge_gateway/web/worker/frames.js";

/** @param {number} kind @param {number[]} payload */
const reply = (kind, payload) => {
  const frame = new Uint8Array(16 + payload.length);
  const header = new DataView(frame.buffer);
  header.setUint8(0, kind);
  header.setUint16(2, 513, true);
  header.setUint32(4, 70_000, true);
  header.setBigInt64(8, 5_000_000_000n, true);
  frame.set(payload, 16);
  return frame.buffer;
};

test("a microphone's packet lies in its frame byte for byte", () => {
  const frame = packMic({ kind: MIC_OPUS, sequence: 258, capturedUs: 1_795_000_000_123_456.25, payload: new Uint8Array([7, 8]) });
  const header = new DataView(frame);
  assert.deepEqual([...new Uint8Array(frame, 0, 8)], [1, 0, 0, 0, 2, 1, 0, 0]);
  assert.equal(header.getBigInt64(8, true), 1_795_000_000_123_456n);
  assert.deepEqual([...new Uint8Array(frame, 16)], [7, 8]);
});

test("a packet after a gap says so, and how much of it was silent", () => {
  const packet = { kind: MIC_OPUS, sequence: 0, capturedUs: 0, payload: new Uint8Array(1) };
  assert.deepEqual([...new Uint8Array(packMic({ ...packet, lost: true }), 1, 3)], [4, 0, 0]);
  assert.deepEqual([...new Uint8Array(packMic({ ...packet, leftOut: 258 }), 1, 3)], [4, 2, 1]);
});

test("a frame says how many packets were put together in it", () => {
  const packet = { kind: MIC_OPUS, sequence: 0, capturedUs: 0, payload: new Uint8Array(1) };
  const flags = [1, 2, 6].map((packets) => new Uint8Array(packMic({ ...packet, packets }))[1]);
  assert.deepEqual(flags, [0x00, 0x10, 0x50]);
  assert.equal(new Uint8Array(packMic({ ...packet, packets: 4, leftOut: 44 }))[1], 0x34);
});

test("a reply's frame comes apart, Opus or PCM", () => {
  for (const kind of [REPLY_OPUS, REPLY_PCM]) {
    const packet = unpackReply(reply(kind, [1, 2, 3]));
    assert.deepEqual({ ...packet, payload: [...(packet?.payload ?? [])] }, {
      kind, reply: 513, sequence: 70_000, firstSample: 5_000_000_000, payload: [1, 2, 3],
    });
  }
});

test("a frame of another kind, or without a payload, is none", () => {
  assert.equal(unpackReply(reply(MIC_OPUS, [1])), null);
  assert.equal(unpackReply(reply(REPLY_OPUS, [])), null);
  assert.equal(unpackReply(new ArrayBuffer(3)), null);
});

test("PCM comes back as it went, and what is too loud is cut", () => {
  const back = fromS16le(toS16le(new Float32Array([0, 0.5, -0.5, 1.7, -1.7])));
  [0, 0.5, -0.5, 32767 / 32768, -1].forEach((value, place) => assert.ok(Math.abs(back[place] - value) < 1 / 32768));
});

test("PCM is read where it lies, odd places included", () => {
  const bytes = new Uint8Array([9, 0, 64, 0, 192]);
  assert.deepEqual([...fromS16le(bytes.subarray(1))], [0.5, -0.5]);
});
