import assert from "node:assert/strict";
import { test } from "node:test";

import "../english.js";

import { read, write } from "../../../edge_gateway/web/model/keeping.js";
import { plainText } from "../../../edge_gateway/web/model/plain-text.js";
import { addEvent } from "../../../edge_gateway/web/model/session-export.js";
import { EMPTY, reduceTranscript } from "../../../edge_gateway/web/model/transcript.js";

const NOW = "2026-11-20T14:32:10.000Z";
/** @type {[string, any][]} */
const EVENTS = [
  ["ready", { session_id: "a1", voice: "en-us", language: "en", engines: ["moonshine"] }],
  ["user_utterance", { turn: 1, text: "What time is it?", typed: true }],
  ["reply_started", { reply: 1, turn: 1 }],
  ["tool_used", { reply: 1, use: { name: "time", arguments_json: "{}", content: "12:04", failed: false } }],
  ["reply_text", { reply: 1, text: "It is late, dear." }],
  ["reply_word", { reply: 1, first_character: 0, end_character: 2, first_sample: 0 }],
];
/** @param {[string, any][]} events */
const told = (events) => ({
  transcript: events.reduce((kept, [kind, event]) => reduceTranscript(kept, kind, event), EMPTY),
  sessions: events.reduce((kept, [kind, event]) => addEvent(kept, kind, event, NOW), /** @type {any[]} */ ([])),
});
const FINISHED = /** @type {[string, any]} */ (["reply_finished", { reply: 1, outcome: "REPLY_OUTCOME_INTERRUPTED", heard: "It is", unheard: "late, dear." }]);
const FORGOTTEN = "What stands above is an earlier conversation, which Parley does not remember.";

test("a conversation comes back as it was, marked as one that the model does not remember", () => {
  const { transcript, sessions } = told([...EVENTS, FINISHED]);
  const kept = read(write(transcript, sessions));
  assert.deepEqual(kept.transcript.lines.map((line) => line.text), ["What time is it?", "Function called: time() → 12:04", "It is late, dear.", FORGOTTEN]);
  assert.ok(kept.transcript.lines.every((line) => line.earlier));
  assert.deepEqual(new Set(kept.transcript.lines.map((line) => line.key)).size, 4);
  assert.deepEqual(kept.sessions, sessions);
});

test("kept twice, it is marked once", () => {
  const once = read(write(told([...EVENTS, FINISHED]).transcript, []));
  assert.deepEqual(read(write(once.transcript, [])).transcript.lines.map((line) => line.text), once.transcript.lines.map((line) => line.text));
});

test("what was on its way when the page was left is kept as far as it was heard", () => {
  const { transcript } = told([...EVENTS, ["user_partial", { turn: 2, text: "but", stable_characters: 0 }]]);
  const [, , reply] = read(write(transcript, [])).transcript.lines;
  assert.deepEqual([reply?.state, reply?.outcome], ["over", "REPLY_OUTCOME_CANCELLED"]);
});

test("the next conversation begins below the mark, and its replies have the old numbers", () => {
  const kept = read(write(told([...EVENTS, FINISHED]).transcript, [])).transcript;
  const next = [["ready", {}], ["reply_started", { reply: 1, turn: 1 }], ["reply_text", { reply: 1, text: "Hello." }]].reduce(
    (lines, [kind, event]) => reduceTranscript(lines, String(kind), event), kept,
  );
  assert.deepEqual(next.lines.map((line) => line.text).slice(2), ["It is late, dear.", FORGOTTEN, "Hello."]);
});

for (const text of [null, "", "{", "[]", "7", '{"lines": 3, "sessions": "x"}', '{"lines": [null, 1, {"who": "devil", "text": "x"}, {"who": "user"}], "sessions": [null, {"id": 4}]}']) {
  test(`of what is no conversation nothing comes back: ${text}`, () => assert.deepEqual(read(text), { transcript: EMPTY, sessions: [] }));
}

test("as text a conversation says who spoke, what was called and what was not heard", () => {
  assert.equal(
    plainText(told([...EVENTS, FINISHED]).transcript.lines),
    "You: What time is it?\n– Function called: time() → 12:04 –\nParley: It is late, dear. [You interrupted; the rest was not heard]",
  );
});

test("a reply that nobody could speak says so; one without a sound in it does not", () => {
  const words = /** @type {[string, any][]} */ ([["reply_started", { reply: 2, turn: 2 }], ["reply_text", { reply: 2, text: "Good night." }]]);
  /** @param {string} outcome */
  const finished = (outcome) => /** @type {[string, any]} */ (["reply_finished", { reply: 2, outcome, heard: "Good night.", unheard: "" }]);
  const written = told([...words, finished("REPLY_OUTCOME_FAILED")]).transcript.lines;
  assert.equal(plainText(written), "Parley: Good night. [Written, not spoken: the voice is away]");
  assert.equal(plainText(told([...words, finished("REPLY_OUTCOME_COMPLETED")]).transcript.lines), "Parley: Good night.");
  const broken = told([...words, ["reply_audio_end", { reply: 2, samples: 9 }], finished("REPLY_OUTCOME_FAILED")]).transcript.lines;
  assert.equal(plainText(broken), "Parley: Good night. [Could not be spoken to the end]");
});
