import assert from "node:assert/strict";
import { test } from "node:test";

import { Resampler } from "../../../edge_gateway/web/model/resampler.js";

/** @param {number} hertz @param {number} rate @param {number} seconds */
const tone = (hertz, rate, seconds) =>
  Float32Array.from({ length: rate * seconds }, (_, place) => Math.sin((2 * Math.PI * hertz * place) / rate));

/** In pieces of odd lengths, as they come. @param {Resampler} resampler @param {Float32Array} samples */
function inPieces(resampler, samples) {
  /** @type {number[]} */
  const found = [];
  for (let from = 0, turn = 0; from < samples.length; turn++) {
    const length = 1 + ((turn * 619) % 700);
    found.push(...resampler.push(samples.subarray(from, from + length)));
    from += length;
  }
  return Float32Array.from(found);
}

for (const [from, to] of [[44_100, 48_000], [48_000, 44_100], [48_000, 16_000], [24_000, 48_000], [48_000, 96_000]]) {
  test(`a tone at ${from} Hz is the same tone at ${to} Hz, in its place`, () => {
    const wanted = tone(1000, to, 1);
    const found = inPieces(new Resampler(from, to), tone(1000, from, 1));
    assert.ok(found.length > 0.99 * to && found.length <= to);
    for (let place = 200; place < found.length; place++) assert.ok(Math.abs(found[place] - wanted[place]) < 2e-3, `${place}`);
  });
}

test("pieces make no difference", () => {
  const sound = tone(440, 44_100, 1);
  assert.deepEqual(inPieces(new Resampler(44_100, 48_000), sound), new Resampler(44_100, 48_000).push(sound));
});

test("what the lower rate cannot hold is taken out", () => {
  const found = new Resampler(48_000, 16_000).push(tone(11_000, 48_000, 1));
  assert.ok(found.subarray(100).every((sample) => Math.abs(sample) < 0.01));
});

test("hours change nothing: as many samples come as time has passed", () => {
  const resampler = new Resampler(44_100, 48_000);
  const block = new Float32Array(441);
  let count = 0;
  for (let blocks = 0; blocks < 20_000; blocks++) count += resampler.push(block).length;
  assert.ok(Math.abs(count - 20_000 * 480) < 50);
});
