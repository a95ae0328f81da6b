import assert from "node:assert/strict";
import { test } from "node:test";

import { Playback } from "../../../edge_gateway/web/model/playback.js";

const RATE = 48_000;
const BLOCK = 128;
const RAMP = 240;

/** Sound in which every sample is another one. @param {number} count @param {number} [from] */
const steps = (count, from = 0) => Float32Array.from({ length: count }, (_, place) => 0.1 + (from + place) / 1e6);

/** A reply of so many samples, complete. @param {number} count */
function reply(count) {
  const playback = new Playback(RATE);
  playback.begin(1);
  playback.push(1, steps(count));
  playback.end(1);
  return playback;
}

/** Plays blocks. @param {Playback} playback @param {number} count */
function play(playback, count) {
  const sound = new Float32Array(count * BLOCK);
  const happened = [];
  for (let place = 0; place < count; place++) {
    for (const each of playback.render(sound.subarray(place * BLOCK, (place + 1) * BLOCK))) {
      happened.push({ ...each, offset: each.offset + place * BLOCK });
    }
  }
  return { sound, happened };
}

test("a reply is played sample for sample, and its first and last are told", () => {
  const { sound, happened } = play(reply(10_000), 100);
  assert.deepEqual(sound.subarray(0, 10_000), steps(10_000));
  assert.ok(sound.subarray(10_000).every((sample) => sample === 0));
  assert.deepEqual(happened, [{ kind: "rendered", reply: 1, offset: 0 }, { kind: "over", reply: 1, offset: 10_000, silent: false }]);
});

test("nothing is played before there is enough, and sound of another reply never", () => {
  const playback = new Playback(RATE);
  playback.begin(2);
  playback.push(1, steps(9_000));
  playback.push(2, steps(2_879));
  assert.deepEqual(play(playback, 10).happened, []);
  playback.push(2, steps(1, 2_879));
  assert.deepEqual(play(playback, 1), { sound: steps(BLOCK), happened: [{ kind: "rendered", reply: 2, offset: 0 }] });
});

test("a reply that ducks and comes back loses no sample and repeats none", () => {
  const playback = reply(60_000);
  const parts = [play(playback, 20).sound];
  playback.duck(0.125);
  const ducked = play(playback, 100);
  parts.push(ducked.sound);
  playback.duck(1);
  parts.push(play(playback, 300).sound);
  const sound = Float32Array.from(parts.flatMap((part) => [...part]));
  const whole = steps(60_000);
  const [from, to] = [20 * BLOCK, 120 * BLOCK];
  for (let place = 0; place < sound.length; place++) {
    const gain = sound[place] / whole[place];
    if (place < from || place >= to + RAMP) assert.equal(sound[place], whole[place]);
    else if (place >= from + RAMP && place < to) assert.ok(Math.abs(gain - 0.125) < 1e-6, `${place}: ${gain}`);
    else assert.ok(gain > 0.124 && gain <= 1, `${place}: ${gain}`);
  }
  assert.deepEqual(ducked.happened.map(({ kind }) => kind), ["ducked"]);
  assert.ok(ducked.happened[0].offset <= RAMP);
});

test("a flush is silence within 5 ms, without a step, and the place is told to the sample", () => {
  const playback = reply(60_000);
  play(playback, 20);
  playback.flush(1);
  const { sound, happened } = play(playback, 10);
  const last = sound.findLastIndex((sample) => sample !== 0);
  assert.ok(last < RAMP, `${last}`);
  for (let place = 1; place <= last + 1; place++) assert.ok(Math.abs(sound[place] - sound[place - 1]) < 0.005);
  assert.deepEqual(happened, [{ kind: "over", reply: 1, offset: last + 1, silent: true }]);
  assert.equal(playback.played, 20 * BLOCK + last + 1);
});

test("after a flush nothing of that reply is played, and the next one at full", () => {
  const playback = reply(60_000);
  play(playback, 20);
  playback.duck(0.125);
  play(playback, 4);
  playback.flush(1);
  playback.push(1, steps(9_000));
  playback.duck(1);
  play(playback, 4);
  playback.push(1, steps(9_000));
  assert.ok(play(playback, 20).sound.every((sample) => sample === 0));
  playback.begin(2);
  playback.push(2, steps(9_000));
  assert.deepEqual(play(playback, 1).sound, steps(BLOCK));
});

test("a reply that is flushed before its first sample is over with none played", () => {
  const playback = new Playback(RATE);
  playback.begin(1);
  playback.push(1, steps(100));
  playback.flush(1);
  assert.deepEqual(play(playback, 2).happened, [{ kind: "over", reply: 1, offset: 0, silent: true }]);
  assert.equal(playback.played, 0);
});

test("a reply of which no sound comes is over as soon as that is said, and did not fall silent", () => {
  const playback = new Playback(RATE);
  playback.begin(1);
  assert.deepEqual(play(playback, 10).happened, []);
  playback.end(1);
  assert.deepEqual(play(playback, 1).happened, [{ kind: "over", reply: 1, offset: 0, silent: false }]);
  assert.equal(playback.played, 0);
  playback.end(1);
  assert.deepEqual(play(playback, 1).happened, []);
});

test("where the sound runs out it fades, waits for more than before, and goes on with the next sample", () => {
  const playback = new Playback(RATE);
  playback.begin(1);
  playback.push(1, steps(3_000));
  const first = play(playback, 30);
  assert.deepEqual(first.happened.map(({ kind, offset }) => [kind, offset]), [["rendered", 0], ["dry", 3_000]]);
  assert.ok(Math.abs(first.sound[2_999]) < 0.01);
  assert.deepEqual(first.sound.subarray(0, 23 * BLOCK), steps(23 * BLOCK));
  assert.equal(playback.underruns, 1);
  playback.push(1, steps(3_800, 3_000));
  assert.ok(play(playback, 1).sound.every((sample) => sample === 0), "60 ms were enough before, 80 are now");
  playback.push(1, steps(3_000, 6_800));
  const { sound } = play(playback, 20);
  assert.deepEqual(sound.subarray(RAMP), steps(20 * BLOCK - RAMP, 3_000 + RAMP));
  assert.equal(playback.played, 3_000 + 20 * BLOCK);
});

test("latency that an underrun left behind is given back, in quiet places, and the count goes on with the reply", () => {
  const playback = new Playback(RATE);
  playback.begin(1);
  const pause = (/** @type {number} */ place) => place % 48_000 > 40_000;
  const sound = Float32Array.from({ length: 20 * RATE }, (_, place) => (pause(place) ? 0.0001 : 0.3 * Math.sin(place / 20)));
  // The sender goes on in its own time, half a second ahead of what is played.
  let sent = 0;
  const deepest = [];
  for (let block = 0; block < (18 * RATE) / BLOCK; block++) {
    const due = Math.min(sound.length, block * BLOCK + RATE / 2);
    playback.push(1, sound.slice(sent, due));
    sent = due;
    playback.render(new Float32Array(BLOCK));
    deepest.push(playback.ring.length);
    assert.equal(playback.played + playback.ring.length, sent);
  }
  assert.ok(deepest[100] > 0.48 * RATE);
  assert.ok(playback.ring.length <= 0.125 * RATE, `${playback.ring.length / RATE} s still wait`);
  assert.equal(playback.underruns, 0);
});

test("where a little is left out there is no click", () => {
  const playback = new Playback(RATE);
  playback.begin(1);
  playback.push(1, Float32Array.from({ length: 10 * RATE }, (_, place) => 0.004 * Math.sin(place / 30)));
  const { sound } = play(playback, 2_000);
  assert.ok(playback.played > sound.length + 480, "something was left out");
  for (let place = 1; place < sound.length; place++) assert.ok(Math.abs(sound[place] - sound[place - 1]) < 0.0004, `${place}`);
});
