import assert from "node:assert/strict";
import { test } from "node:test";

import { RingBuffer } from "../../../edge_gateway/web/model/ring-buffer.js";

/** @param {number} from @param {number} count */
const counting = (from, count) => Float32Array.from({ length: count }, (_, place) => from + place);

test("samples come out as they went in, over the edge of the array and while it grows", () => {
  const ring = new RingBuffer();
  let written = 0;
  let read = 0;
  for (let round = 0; round < 400; round++) {
    const more = 1 + ((round * 7907) % 1500);
    assert.equal(ring.write(counting(written, more)), more);
    written += more;
    const into = new Float32Array(Math.min(ring.length, (round * 104729) % 1400));
    assert.equal(ring.peek(into), into.length);
    ring.drop(into.length);
    assert.deepEqual(into, counting(read, into.length));
    read += into.length;
  }
  assert.equal(ring.length, written - read);
});

test("a look ahead passes over samples and leaves them there", () => {
  const ring = new RingBuffer();
  ring.write(counting(0, 10));
  const into = new Float32Array(4);
  assert.equal(ring.peek(into, 8), 2);
  assert.deepEqual([...into.subarray(0, 2)], [8, 9]);
  assert.equal(ring.length, 10);
});

test("what is put in the place of samples comes out instead, over the edge too", () => {
  const ring = new RingBuffer();
  ring.write(new Float32Array(65530));
  ring.drop(65530);
  ring.write(counting(0, 20));
  ring.overwrite(counting(100, 15));
  const into = new Float32Array(20);
  ring.peek(into);
  assert.deepEqual([...into], [...counting(100, 15), 15, 16, 17, 18, 19]);
});

test("more than a minute and a half is not kept", () => {
  const ring = new RingBuffer();
  const second = new Float32Array(48_000);
  let taken = 0;
  for (let seconds = 0; seconds < 100; seconds++) taken += ring.write(second);
  assert.equal(taken, ring.length);
  assert.equal(ring.length, 1 << 22);
});
