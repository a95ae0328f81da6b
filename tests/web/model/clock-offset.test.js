import assert from "node:assert/strict";
import { test } from "node:test";

import { ClockOffset } from "../../../edge_gateway/web/model/clock-offset.js";

/**
 * News every 10 ms for some seconds, each later than it was said by up to 30 ms.
 * @param {ClockOffset} clock @param {number} from @param {number} seconds @param {(said: number) => number} truth
 */
function run(clock, from, seconds, truth) {
  for (let said = from; said < from + seconds; said += 0.01) clock.see(said, truth(said) + (0.03 * ((said * 7919) % 1)));
}

test("the news that was fastest counts", () => {
  const clock = new ClockOffset();
  run(clock, 0, 3, (said) => said + 1000);
  assert.ok(Math.abs(clock.toOurs(2) - 1002) < 0.001);
  assert.ok(Math.abs(clock.toTheirs(1002) - 2) < 0.001);
});

test("a clock that drifts is followed", () => {
  const clock = new ClockOffset();
  // A sound device that is 200 ppm too slow.
  run(clock, 0, 300, (said) => 1000 + 1.0002 * said);
  assert.ok(Math.abs(clock.toOurs(300) - (1000 + 1.0002 * 300)) < 0.003);
});

test("a clock that stood still for a while starts anew", () => {
  const clock = new ClockOffset();
  run(clock, 0, 5, (said) => said + 1000);
  run(clock, 5, 1, (said) => said + 1060);
  assert.ok(Math.abs(clock.toOurs(6) - 1066) < 0.001);
});

test("before any news nothing is known", () => {
  assert.equal(new ClockOffset().toOurs(1), Infinity);
});
