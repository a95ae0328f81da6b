import assert from "node:assert/strict";
import { test } from "node:test";

import { waitSeconds } from "../../../edge_gateway/web/model/backoff.js";

test("tries come further and further apart, never further than eight seconds", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 1000].map((tries) => waitSeconds(tries, 1)), [0.5, 1, 2, 4, 8, 8, 8]);
});

test("chance spreads them over the second half of the wait", () => {
  assert.equal(waitSeconds(2, 0), 1);
  assert.equal(waitSeconds(2, 0.5), 1.5);
});

test("a server that asks for more time gets it", () => {
  assert.equal(waitSeconds(0, 1, 30), 30);
});
