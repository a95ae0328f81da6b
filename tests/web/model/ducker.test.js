import assert from "node:assert/strict";
import { test } from "node:test";

import { DUCKED, Ducker } from "../../../edge_gateway/web/model/ducker.js";

/** Blocks of 10 ms. @param {Ducker} ducker @param {number} seconds @param {number} input @param {number} output */
function hear(ducker, seconds, input, output) {
  for (let block = 0; block < Math.round(seconds * 100); block++) ducker.hear(input, output);
}

/** A reply that has played for a second over a quiet room, with some echo. @param {number} [echo] */
function speaking(echo = 0.0005) {
  const ducker = new Ducker();
  hear(ducker, 1, 0.0005, 0);
  ducker.begin();
  hear(ducker, 1, echo, 0.1);
  return ducker;
}

test("a voice over a reply ducks it after 60 ms, not before", () => {
  const ducker = speaking();
  hear(ducker, 0.05, 0.05, 0.1);
  assert.equal(ducker.gain, 1);
  hear(ducker, 0.01, 0.05, 0.1);
  assert.equal(ducker.gain, DUCKED);
});

test("without a reply there is nothing to duck", () => {
  const ducker = new Ducker();
  hear(ducker, 1, 0.0005, 0);
  hear(ducker, 1, 0.05, 0);
  assert.equal(ducker.gain, 1);
});

test("a click is no voice", () => {
  const ducker = speaking();
  for (let clicks = 0; clicks < 20; clicks++) {
    hear(ducker, 0.03, 0.3, 0.1);
    hear(ducker, 0.05, 0.0005, 0.1);
  }
  assert.equal(ducker.gain, 1);
});

test("a guess that nobody confirms is over after 400 ms, and the next one waits longer each time", () => {
  const ducker = speaking();
  const guesses = [];
  for (let seconds = 0; seconds < 30; seconds++) {
    const before = ducker.gain;
    hear(ducker, 0.1, 0.05, 0.1);
    if (before === 1 && ducker.gain === DUCKED) guesses.push(seconds);
    hear(ducker, 0.3, 0.0005, 0.1);
    assert.equal(ducker.gain, guesses.at(-1) === seconds ? DUCKED : 1);
    hear(ducker, 0.6, 0.0005, 0.1);
    assert.equal(ducker.gain, 1);
  }
  assert.deepEqual(guesses, [0, 3, 8, 17]);
});

test("what the gateway decides holds, whatever the guess was", () => {
  const ducker = speaking();
  hear(ducker, 0.1, 0.05, 0.1);
  ducker.decide(DUCKED);
  hear(ducker, 2, 0.05, 0.1);
  assert.equal(ducker.gain, DUCKED);
  ducker.decide(1);
  assert.equal(ducker.gain, 1);
});

test("the assistant's own echo is no voice, and a person louder than it is", () => {
  const ducker = speaking(0.04);
  for (let seconds = 0; seconds < 20; seconds++) hear(ducker, 1, 0.02 + 0.001 * seconds, 0.1);
  assert.equal(ducker.gain, 1);
  hear(ducker, 0.1, 0.2, 0.1);
  assert.equal(ducker.gain, DUCKED);
});

test("a noise that goes on is taken for echo", () => {
  const ducker = speaking();
  hear(ducker, 3, 0.05, 0.1);
  hear(ducker, 30, 0.05, 0.1);
  assert.equal(ducker.gain, 1);
});

test("a loud room is no voice", () => {
  const ducker = new Ducker();
  hear(ducker, 20, 0.02, 0);
  ducker.begin();
  hear(ducker, 5, 0.03, 0.1);
  assert.equal(ducker.gain, 1);
});

test("a click as a reply begins does not make it deaf", () => {
  const ducker = new Ducker();
  hear(ducker, 1, 0.0005, 0);
  ducker.begin();
  hear(ducker, 0.1, 0.2, 0.1);
  hear(ducker, 2, 0.0005, 0.1);
  hear(ducker, 0.08, 0.05, 0.1);
  assert.equal(ducker.gain, DUCKED);
});
