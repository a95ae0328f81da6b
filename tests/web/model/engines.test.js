import assert from "node:assert/strict";
import { test } from "node:test";

import { UNKNOWN_ENGINES, awayOf, noteOf, reduceEngines, seen } from "../../../edge_gateway/web/model/engines.js";

/** @param {[string, any][]} events @param {any} [from] */
const after = (events, from = UNKNOWN_ENGINES) => events.reduce((engines, [kind, event]) => reduceEngines(engines, kind, event), from);
const READY = /** @type {[string, any]} */ (["ready", { engines: ["moonshine tiny-en", "openai llama3.2", "espeak-ng"] }]);
/** @param {string} hop @param {string} [code] @returns {[string, any]} */
const failure = (hop, code = "ERROR_CODE_UNAVAILABLE") => ["error", { hop, code }];
/** @param {boolean} asr @param {boolean} llm @param {boolean} tts */
const facts = (asr, llm, tts) => ({ asr: { name: "moonshine", works: asr }, llm: { name: "rules", works: llm }, tts: { name: "", works: tts } });

test("a session that begins names its three engines, and misses one that has no name", () => {
  const engines = after([["ready", { engines: ["moonshine tiny-en", "", "espeak-ng"] }]]);
  assert.deepEqual([engines.asr.name, engines.llm.works, engines.tts.works], ["moonshine tiny-en", false, true]);
  assert.deepEqual(awayOf(engines), ["llm"]);
});

for (const [hop, kind, event] of /** @type {[string, string, any][]} */ ([
  ["asr", "recovered", { hop: "asr", engine: "moonshine tiny-en" }],
  ["asr", "user_speech_started", { turn: 2 }],
  ["asr", "user_partial", { turn: 2, text: "hi" }],
  ["asr", "user_utterance", { turn: 2, text: "hi", typed: false }],
  ["llm", "reply_text", { reply: 1, text: "Hello" }],
  ["tts", "reply_word", { reply: 1 }],
])) {
  test(`${hop} is back with ${kind}`, () => {
    const away = after([READY, failure(hop)]);
    assert.deepEqual(awayOf(away), [hop]);
    assert.deepEqual(awayOf(after([[kind, event]], away)), []);
  });
}

test("typed words, and text of a reply, say nothing of who listens or speaks", () => {
  const away = after([READY, failure("asr"), failure("tts")]);
  assert.deepEqual(awayOf(after([["user_utterance", { typed: true }], ["reply_text", { text: "It is" }], ["reply_finished", {}]], away)), ["asr", "tts"]);
});

test("an engine is not away for having refused something", () => {
  assert.deepEqual(awayOf(after([READY, failure("asr", "ERROR_CODE_AUDIO_LOST"), failure("llm", "ERROR_CODE_TOO_LARGE")])), []);
});

test("asked before a conversation, the gateway says who is there", () => {
  const away = seen(UNKNOWN_ENGINES, facts(true, false, true), false);
  assert.deepEqual([awayOf(away), away.asr.name], [["llm"], "moonshine"]);
  assert.deepEqual(awayOf(seen(away, facts(true, true, true), false)), []);
});

test("a model that fails while its server answers stays away until it has answered", () => {
  const away = after([READY, failure("llm")]);
  assert.deepEqual(awayOf(seen(away, facts(true, true, true), true)), ["llm"]);
  assert.deepEqual(awayOf(seen(seen(away, facts(true, false, true), true), facts(true, true, true), true)), []);
});

test("in a conversation nobody but its own stream says that it is heard again", () => {
  const away = after([READY, failure("asr")]);
  const asked = seen(seen(away, facts(false, true, true), true), facts(true, true, true), true);
  assert.deepEqual(awayOf(asked), ["asr"]);
  assert.deepEqual(awayOf(seen(asked, facts(true, true, true), false)), []);
});

for (const [what, facts, mine, key] of /** @type {[string, any, boolean, string | undefined][]} */ ([
  ["a model that was found says where, and how to change that", { instructions: true, works: true, found_at: "127.0.0.1:11434" }, false, "engine.found"],
  ["one that is away says why, and that something else answers", { instructions: true, works: true, found_at: "x", backup_reason: "gone" }, false, "engine.backup"],
  ["where rules answer, who could change that is told how", { instructions: false, works: true }, true, "engine.rules"],
  ["where rules answer, nobody else is told", { instructions: false, works: true, found_at: "", backup_reason: "" }, false, undefined],
  ["of a model that was named nothing is said", { instructions: true, works: true, found_at: "", backup_reason: "" }, true, undefined],
])) {
  test(what, () => assert.equal(noteOf({ name: "", ...facts }, mine)?.key, key));
}
