import assert from "node:assert/strict";
import { test } from "node:test";

import { JitterBuffer, LEAST_SECONDS, MOST_SECONDS } from "../../../edge_gateway/web/model/jitter-buffer.js";

const RATE = 48_000;

test("a reply starts with 60 ms of sound, or with all there is", () => {
  const jitter = new JitterBuffer(RATE);
  assert.equal(jitter.enough(0.05 * RATE, false), false);
  assert.equal(jitter.enough(0.06 * RATE, false), true);
  assert.equal(jitter.enough(10, true), true);
  assert.equal(jitter.enough(0, true), false);
});

test("every underrun asks for more, up to a bound, and calm asks for less again, down to the least", () => {
  const jitter = new JitterBuffer(RATE);
  jitter.ranDry();
  assert.ok(Math.abs(jitter.target - 0.08) < 1e-9);
  for (let times = 0; times < 50; times++) jitter.ranDry();
  assert.equal(jitter.target, MOST_SECONDS);
  jitter.played(10 * RATE, 0);
  assert.ok(jitter.target < MOST_SECONDS);
  for (let times = 0; times < 50; times++) jitter.played(10 * RATE, 0);
  assert.equal(jitter.target, LEAST_SECONDS);
});

test("a sender that is ahead on purpose makes nothing late", () => {
  const jitter = new JitterBuffer(RATE);
  jitter.lead = 0.4;
  for (let seconds = 0; seconds < 60; seconds++) jitter.played(RATE, 0.5 * RATE);
  assert.equal(jitter.late, false);
});

test("too much for two seconds is late, and a moment below is forgiveness", () => {
  const jitter = new JitterBuffer(RATE);
  jitter.played(1.9 * RATE, 0.2 * RATE);
  assert.equal(jitter.late, false);
  jitter.played(0.1 * RATE, 0.1 * RATE);
  jitter.played(1.9 * RATE, 0.2 * RATE);
  assert.equal(jitter.late, false);
  jitter.played(0.2 * RATE, 0.2 * RATE);
  assert.equal(jitter.late, true);
  jitter.drained();
  jitter.drained();
  jitter.drained();
  assert.equal(jitter.late, false);
});
