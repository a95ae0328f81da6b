import assert from "node:assert/strict";
import { test } from "node:test";

import { NOTHING_KNOWN, faceOf, learn, wordsOf } from "../../../edge_gateway/web/model/status.js";

const READY = { ...NOTHING_KNOWN, phase: /** @type {const} */ ("ready") };
/** @param {[string, object][]} events @param {any} [from] */
const after = (events, from = READY) => events.reduce((known, [kind, event]) => learn(known, kind, event), from);
const SPEAKING = /** @type {[string, object]} */ (["assistant", { state: "ASSISTANT_STATE_SPEAKING" }]);

test("a turn goes through its faces", () => {
  const faces = [
    ["user_speech_started", { turn: 1 }], ["user_utterance", { turn: 1 }], ["assistant", { state: "ASSISTANT_STATE_THINKING" }], SPEAKING,
    ["flush_playback", { reply: 1 }],
  ].map((_, place, all) => faceOf(after(/** @type {any} */ (all.slice(0, place + 1)))));
  assert.deepEqual(faces, ["hearing", "listening", "thinking", "speaking", "interrupted"]);
});

test("a cough over a reply makes it quieter and then not", () => {
  assert.equal(after([SPEAKING, ["duck", { gain_db: -18 }]]).ducked, true);
  assert.equal(after([SPEAKING, ["duck", { gain_db: -18 }], ["duck", { gain_db: 0 }]]).ducked, false);
});

test("an interruption is over when the next reply begins", () => {
  assert.equal(faceOf(after([SPEAKING, ["flush_playback", {}], ["reply_started", {}]])), "speaking");
});

test("a muted microphone shows, and hears nobody", () => {
  assert.equal(faceOf({ ...READY, muted: true }), "muted");
  assert.equal(faceOf({ ...READY, muted: true, userSpeaks: true }), "muted");
});

test("push-to-talk listens while it is held", () => {
  assert.equal(faceOf({ ...READY, pushToTalk: true }), "waiting");
  assert.equal(faceOf({ ...READY, pushToTalk: true, held: true }), "listening");
  assert.equal(faceOf({ ...READY, pushToTalk: true, held: true, userSpeaks: true }), "hearing");
});

test("the connection comes before everything else", () => {
  for (const phase of /** @type {const} */ (["asking", "connecting", "reconnecting", "failed"])) {
    assert.equal(faceOf({ ...READY, phase, assistant: "speaking", userSpeaks: true, interrupted: true }), phase);
  }
  assert.equal(faceOf({ ...READY, phase: "closed", assistant: "speaking" }), "idle");
});

test("the large button says what it does", () => {
  assert.equal(wordsOf(NOTHING_KNOWN).button, "Start talking");
  assert.equal(wordsOf(READY).button, "End the conversation");
  assert.equal(wordsOf({ ...READY, pushToTalk: true }).button, "Hold to talk");
  assert.equal(wordsOf({ ...READY, microphone: false }).button, "Start talking");
  assert.equal(wordsOf({ ...READY, phase: "failed" }).button, "Start talking");
});
