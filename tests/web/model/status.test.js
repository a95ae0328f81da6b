import assert from "node:assert/strict";
import { test } from "node:test";

import { INITIAL_STATE, statusOf, reduceState, labelsOf } from "../../../edge_gateway/web/model/status.js";

const READY = { ...INITIAL_STATE, connection: /** @type {const} */ ("ready") };
/** @param {[string, object][]} events @param {any} [from] */
const after = (events, from = READY) => events.reduce((state, [kind, event]) => reduceState(state, kind, event), from);
const SPEAKING = /** @type {[string, object]} */ (["assistant", { state: "ASSISTANT_STATE_SPEAKING" }]);

test("a turn goes through its statuses", () => {
  const statuses = [
    ["user_speech_started", { turn: 1 }], ["user_utterance", { turn: 1 }], ["assistant", { state: "ASSISTANT_STATE_THINKING" }], SPEAKING,
    ["flush_playback", { reply: 1 }],
  ].map((_, place, all) => statusOf(after(/** @type {any} */ (all.slice(0, place + 1)))));
  assert.deepEqual(statuses, ["hearing", "listening", "thinking", "speaking", "interrupted"]);
});

test("a cough over a reply makes it quieter and then not", () => {
  assert.equal(after([SPEAKING, ["duck", { gain_db: -18 }]]).ducked, true);
  assert.equal(after([SPEAKING, ["duck", { gain_db: -18 }], ["duck", { gain_db: 0 }]]).ducked, false);
});

test("an interruption is over when the next reply begins", () => {
  assert.equal(statusOf(after([SPEAKING, ["flush_playback", {}], ["reply_started", {}]])), "speaking");
});

test("a muted microphone shows, and hears nobody", () => {
  assert.equal(statusOf({ ...READY, muted: true }), "muted");
  assert.equal(statusOf({ ...READY, muted: true, userSpeaks: true }), "muted");
});

test("push-to-talk listens while it is held", () => {
  assert.equal(statusOf({ ...READY, pushToTalk: true }), "waiting");
  assert.equal(statusOf({ ...READY, pushToTalk: true, held: true }), "listening");
  assert.equal(statusOf({ ...READY, pushToTalk: true, held: true, userSpeaks: true }), "hearing");
});

test("the connection comes before everything else", () => {
  for (const connection of /** @type {const} */ (["asking", "connecting", "reconnecting", "failed"])) {
    assert.equal(statusOf({ ...READY, connection, assistant: "speaking", userSpeaks: true, interrupted: true }), connection);
  }
  assert.equal(statusOf({ ...READY, connection: "closed", assistant: "speaking" }), "idle");
});

test("the large button says what it does", () => {
  assert.equal(labelsOf(INITIAL_STATE).button, "Start talking");
  assert.equal(labelsOf(READY).button, "End the conversation");
  assert.equal(labelsOf({ ...READY, pushToTalk: true }).button, "Hold to talk");
  assert.equal(labelsOf({ ...READY, microphone: false }).button, "Start talking");
  assert.equal(labelsOf({ ...READY, connection: "failed" }).button, "Start talking");
});
