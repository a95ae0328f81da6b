import assert from "node:assert/strict";
import { test } from "node:test";

import { microseconds, readEvent, remedy } from "../../../edge_gateway/web/model/messages.js";

test("an event is its fields and its name", () => {
  assert.deepEqual(readEvent('{"duck": {"reply": 3, "gain_db": -18.0}}'), { kind: "duck", fields: { reply: 3, gain_db: -18 } });
  assert.deepEqual(readEvent('{"user_discarded": {}}'), { kind: "user_discarded", fields: {} });
});

test("what is no event is none, and breaks nothing", () => {
  for (const text of ["", "null", "3", "[]", "{}", '"duck"', '{"duck": null}', '{"duck": [1]}', "{"]) assert.equal(readEvent(text), null, text);
});

test("a field cannot pass for the name, nor the name for a field", () => {
  const event = readEvent('{"reply_delayed": {"kind": "PROGRESS_KIND_WAITING"}}');
  assert.deepEqual(event, { kind: "reply_delayed", fields: { kind: "PROGRESS_KIND_WAITING" } });
});

test("times of today keep their microseconds", () => {
  assert.equal(microseconds(1_795_230_000.123456), "1795230000123456");
});

test("a voice that is not there is done without, a passing error is waited out, anything else ends it", () => {
  const error = (/** @type {object} */ more) => ({ code: "ERROR_CODE_INTERNAL", message: "", field: "", retryable: false, ends_session: false, ...more });
  assert.equal(remedy(error({ field: "configure.voice" }), false), "without voice");
  assert.equal(remedy(error({ retryable: true, ends_session: true }), false), "nothing");
  assert.equal(remedy(error({ field: "configure.language" }), false), "give up");
  assert.equal(remedy(error({}), true), "nothing");
  assert.equal(remedy(error({ ends_session: true }), true), "give up");
});

test("an older gateway is asked for no more than it knows", () => {
  const message = 'a text frame that is no request: Message type "parley.v1.SessionConfig" has no field named "adaptive_ptime"';
  const error = { code: "ERROR_CODE_INVALID_INPUT", message, field: "request", retryable: false, ends_session: false };
  assert.equal(remedy(error, false), "without ptime");
});

test("a server that stops is waited for, before and after it was ready", () => {
  const error = { code: "ERROR_CODE_SHUTTING_DOWN", message: "", field: "", retryable: false, ends_session: true };
  assert.deepEqual([remedy(error, false), remedy(error, true)], ["nothing", "nothing"]);
});
