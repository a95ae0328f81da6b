import assert from "node:assert/strict";
import { test } from "node:test";

import "../english.js";

import { EMPTY, closeOpenLines, markHeard, pieces, reduceTranscript } from "../../../edge_gateway/web/model/transcript.js";

/** @param {[string, object][]} events @param {any} [from] */
const after = (events, from = EMPTY) => events.reduce((transcript, [kind, event]) => reduceTranscript(transcript, kind, event), from);
/** @param {any} transcript */
const texts = (transcript) => transcript.lines.map((/** @type {any} */ line) => line.text);
/** @param {any} line */
const toned = (line) => pieces(line).map(({ text, tone }) => `${tone}:${text}`);

/** @type {[string, object][]} */
const REPLY = [
  ["ready", {}],
  ["reply_started", { reply: 1, turn: 1 }],
  ["reply_text", { reply: 1, text: "It is " }],
  ["reply_text", { reply: 1, text: "late, dear." }],
  ["reply_word", { reply: 1, first_character: 0, end_character: 2, first_sample: 0 }],
  ["reply_word", { reply: 1, first_character: 3, end_character: 5, first_sample: 100 }],
  ["reply_word", { reply: 1, first_character: 6, end_character: 10, first_sample: 200 }],
];

test("what is being said grows in one line, its sure part apart from the rest", () => {
  const transcript = after([
    ["user_partial", { turn: 1, text: "what", stable_characters: 0 }],
    ["user_partial", { turn: 1, text: "what time is", stable_characters: 5 }],
  ]);
  assert.deepEqual(toned(transcript.lines[0]), ["sure:what ", "soft:time is"]);
  assert.deepEqual(texts(reduceTranscript(transcript, "user_utterance", { turn: 1, text: "What time is it?", typed: false })), ["What time is it?"]);
});

test("a cough leaves no line, and its turn's number may come again", () => {
  const gone = after([["user_partial", { turn: 1, text: "uh", stable_characters: 0 }], ["user_discarded", { turn: 1 }]]);
  assert.deepEqual(texts(gone), []);
  assert.deepEqual(texts(after([["user_partial", { turn: 1, text: "hello", stable_characters: 0 }]], gone)), ["hello"]);
});

test("typed words are a line of their own, even while somebody speaks", () => {
  const transcript = after([
    ["user_partial", { turn: 1, text: "what", stable_characters: 0 }],
    ["user_utterance", { turn: 1, text: "typed", typed: true }],
    ["user_utterance", { turn: 1, text: "typed again", typed: true }],
    ["user_utterance", { turn: 1, text: "What now?", typed: false }],
  ]);
  assert.deepEqual(texts(transcript), ["What now?", "typed", "typed again"]);
});

test("words are lit as they are heard", () => {
  const transcript = after(REPLY);
  assert.deepEqual(toned(transcript.lines[0]), ["coming:It is late, dear."]);
  assert.deepEqual(toned(markHeard(transcript, 1, 60).lines[0]), ["now:It", "coming: is late, dear."]);
  assert.deepEqual(toned(markHeard(transcript, 1, 250).lines[0]), ["heard:It is ", "now:late", "coming:, dear."]);
});

test("what was heard is not taken back", () => {
  const transcript = markHeard(after(REPLY), 1, 250);
  assert.equal(markHeard(transcript, 1, 100), transcript);
});

test("the unheard rest of an interrupted reply is struck", () => {
  const cut = after([["reply_finished", { reply: 1, outcome: "REPLY_OUTCOME_INTERRUPTED", heard: "It is", unheard: "late, dear." }]], after(REPLY));
  assert.deepEqual(toned(cut.lines[0]), ["heard:It is ", "unheard:late, dear."]);
});

test("of a reply that was interrupted before its first word all is struck", () => {
  const cut = after([["reply_finished", { reply: 1, outcome: "REPLY_OUTCOME_INTERRUPTED", heard: "", unheard: "It is late, dear." }]], after(REPLY));
  assert.deepEqual(toned(cut.lines[0]), ["unheard:It is late, dear."]);
});

test("what could not be spoken can be read", () => {
  const cut = after([["reply_finished", { reply: 1, outcome: "REPLY_OUTCOME_FAILED", heard: "It is", unheard: "late, dear." }]], after(REPLY));
  assert.deepEqual(toned(cut.lines[0]), ["heard:It is ", "unspoken:late, dear."]);
});

test("a reply without a word leaves no line", () => {
  const transcript = after([["reply_started", { reply: 1, turn: 1 }], ["reply_finished", { reply: 1, outcome: "REPLY_OUTCOME_FAILED", heard: "" }]]);
  assert.deepEqual(texts(transcript), []);
});

test("words are counted in characters, not in the units of strings", () => {
  const transcript = after([
    ["reply_started", { reply: 1, turn: 1 }],
    ["reply_text", { reply: 1, text: "🌙🌙 moon now" }],
    ["reply_word", { reply: 1, first_character: 3, end_character: 7, first_sample: 0 }],
  ]);
  assert.deepEqual(toned(markHeard(transcript, 1, 10).lines[0]), ["heard:🌙🌙 ", "now:moon", "coming: now"]);
});

test("who goes on before the answer keeps both utterances, and gets one answer", () => {
  const transcript = after([
    ["user_utterance", { turn: 1, text: "What is", typed: false }],
    ["turn_report", { turn: 1, reply: 0, outcome: "REPLY_OUTCOME_MERGED" }],
    ["user_utterance", { turn: 2, text: "two plus two?", typed: false }],
    ["reply_started", { reply: 1, turn: 2 }],
    ["reply_text", { reply: 1, text: "Four." }],
    ["reply_finished", { reply: 1, outcome: "REPLY_OUTCOME_COMPLETED", heard: "Four.", unheard: "" }],
  ]);
  assert.deepEqual(transcript.lines.map(toned), [["sure:What is"], ["sure:two plus two?"], ["heard:Four."]]);
});

test("a reply that cannot be spoken can be read like any other", () => {
  const transcript = after([
    ["reply_started", { reply: 1, turn: 1 }],
    ["reply_text", { reply: 1, text: "🎉🎉" }],
    ["reply_finished", { reply: 1, outcome: "REPLY_OUTCOME_COMPLETED", heard: "", unheard: "🎉🎉" }],
    ["turn_report", { turn: 1, reply: 1, outcome: "REPLY_OUTCOME_COMPLETED" }],
  ]);
  assert.deepEqual(transcript.lines.map(toned), [["heard:🎉🎉"]]);
  assert.equal(transcript.lines[0].state, "over");
});

test("the time of a turn stands at its reply", () => {
  const transcript = after([["turn_report", { reply: 1, mic_to_speaker_ms: 412 }]], after(REPLY));
  assert.equal(transcript.lines[0].latencyMs, 412);
});

test("a lost connection leaves nothing open, and keeps what was heard", () => {
  const transcript = closeOpenLines(markHeard(after([["user_partial", { turn: 2, text: "but", stable_characters: 0 }]], after(REPLY)), 1, 150));
  assert.deepEqual(transcript.lines.map(toned), [["heard:It is ", "unheard:late, dear."]]);
});

test("another session is told apart, and its replies have the old numbers", () => {
  const transcript = after(REPLY, closeOpenLines(after(REPLY)));
  assert.deepEqual(texts(transcript), ["It is late, dear.", "What stands above is an earlier conversation, which Parley does not remember.", "It is late, dear."]);
  assert.equal(markHeard(transcript, 1, 150).lines[0].position, 0);
  assert.equal(markHeard(transcript, 1, 150).lines[2].position, 150);
});

test("lines that do not change stay the same objects", () => {
  const before = after([["user_utterance", { turn: 1, text: "Hello", typed: false }]], after(REPLY));
  const now = markHeard(before, 1, 50);
  assert.notEqual(now.lines[0], before.lines[0]);
  assert.equal(now.lines[1], before.lines[1]);
});

test("what this page does not know changes nothing", () => {
  const transcript = after(REPLY);
  assert.equal(reduceTranscript(transcript, "weather", {}), transcript);
});
