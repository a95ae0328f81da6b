import assert from "node:assert/strict";
import { test } from "node:test";

import "../english.js";

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

const THINKING = /** @type {[string, object]} */ (["assistant", { state: "ASSISTANT_STATE_THINKING" }]);
const DELAYED = /** @type {[string, object]} */ (["reply_delayed", { turn: 2, hop: "llm", model: "llama3.2", kind: "PROGRESS_KIND_WAITING" }]);

test("whoever takes long is named while the assistant thinks", () => {
  const state = after([["user_utterance", { turn: 2 }], THINKING, DELAYED]);
  assert.equal(statusOf(state), "thinking");
  assert.deepEqual([labelsOf(state).word, labelsOf(state).hint], ["Waiting for llama3.2…", "It may still be loading"]);
  assert.equal(labelsOf(after([["reply_delayed", { turn: 2, hop: "tts", model: "", kind: "PROGRESS_KIND_UNSPECIFIED" }]], state)).word, "Waiting for the voice…");
});

test("the user is heard while somebody is waited for, who is named again after a cough", () => {
  const state = after([THINKING, DELAYED, ["user_speech_started", { turn: 3 }]]);
  assert.equal(statusOf(state), "hearing");
  assert.equal(labelsOf(after([["user_discarded", { turn: 3 }]], state)).word, "Waiting for llama3.2…");
});

for (const [what, event] of /** @type {[string, [string, object]][]} */ ([
  ["the reply starts", ["reply_started", { reply: 1, turn: 2 }]],
  ["the assistant gives up", ["assistant", { state: "ASSISTANT_STATE_IDLE" }]],
  ["the turn is over", ["turn_report", { turn: 2, reply: 0 }]],
  ["the turn fails", ["error", { turn: 2 }]],
  ["another turn begins", ["user_utterance", { turn: 3 }]],
  ["another session begins", ["ready", {}]],
])) {
  test(`nobody is waited for any more when ${what}`, () => assert.equal(after([THINKING, DELAYED, event]).delay, null));
}

test("what happens to an earlier turn ends no waiting", () => {
  const state = after([THINKING, DELAYED]);
  const earlier = after([["turn_report", { turn: 1, reply: 0, outcome: "REPLY_OUTCOME_MERGED" }], ["error", { turn: 1 }], ["user_utterance", { turn: 2 }], THINKING], state);
  assert.deepEqual(earlier.delay, state.delay);
});

test("a greeting that takes long is waited for too", () => {
  const state = after([["reply_delayed", { turn: 0, hop: "tts", model: "", kind: "PROGRESS_KIND_UNSPECIFIED" }]]);
  assert.equal(statusOf(state), "thinking");
  assert.equal(statusOf(after([["turn_report", { turn: 0, reply: 0 }]], state)), "listening");
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

test("who cannot be heard is never told that somebody listens", () => {
  for (const lost of /** @type {const} */ ([{ recogniserAway: true }, { microphoneTrouble: "gone" }, { microphoneTrouble: "silenced" }])) {
    for (const more of [{}, { userSpeaks: true }, { pushToTalk: true }, { pushToTalk: true, held: true }, { pushToTalk: true, held: true, userSpeaks: true }]) {
      const state = { ...READY, ...lost, ...more };
      assert.equal(statusOf(state), "deaf", JSON.stringify({ ...lost, ...more }));
      assert.doesNotMatch(labelsOf(state).word + labelsOf(state).hint, /listening|just speak/i);
    }
    assert.equal(labelsOf({ ...READY, ...lost, assistant: "speaking" }).hint, "", "and cannot interrupt by speaking");
  }
});

test("who is deaf says why, and a reply and a typed conversation are shown as ever", () => {
  assert.equal(labelsOf({ ...READY, recogniserAway: true }).hint, "Speech recognition is away; you can type");
  assert.equal(labelsOf({ ...READY, microphoneTrouble: "gone" }).hint, "The microphone is gone; plug it in, or type");
  assert.equal(labelsOf({ ...READY, microphoneTrouble: "silenced" }).hint, "Your device has silenced the microphone");
  assert.equal(statusOf({ ...READY, recogniserAway: true, assistant: "thinking" }), "thinking");
  assert.equal(statusOf({ ...READY, recogniserAway: true, microphone: false }), "waiting");
  assert.equal(statusOf({ ...READY, recogniserAway: true, muted: true }), "muted");
});

test("a voice that was heard before the recogniser left is not heard for ever", () => {
  const left = after([["user_speech_started", { turn: 1 }]], READY);
  assert.equal(statusOf({ ...left, recogniserAway: true }), "deaf");
  assert.equal(statusOf(reduceState(left, "recovered", { hop: "asr" })), "listening");
});
