import assert from "node:assert/strict";
import { test } from "node:test";

import { fileName, addEvent, exportSessions, reportsOf } from "../../../edge_gateway/web/model/session-export.js";

const NOW = "2026-11-20T14:32:10.000Z";
const READY = { kind: "ready", session_id: "a1", voice: "en-us", language: "en", engines: ["moonshine tiny-en"] };

test("a session keeps its turns and failures as they came", () => {
  const turn = { turn: 1, reply: 1, transcript: "hello", mic_to_speaker_ms: 412, waterfall: [{ name: "asr.endpoint", start_ms: 0, duration_ms: 9 }] };
  let sessions = addEvent([], "ready", READY, NOW);
  sessions = addEvent(sessions, "turn_report", turn, NOW);
  sessions = addEvent(sessions, "error", { hop: "tts", code: "ERROR_CODE_UNAVAILABLE", message: "away" }, NOW);
  sessions = addEvent(sessions, "ready", { ...READY, session_id: "a2" }, NOW);
  const kept = exportSessions(sessions, NOW);
  assert.deepEqual(kept.sessions.map((each) => each.session_id), ["a1", "a2"]);
  assert.equal(kept.sessions[0]?.turns[0], turn);
  assert.equal(kept.sessions[0]?.failures[0]?.hop, "tts");
  assert.deepEqual(kept.mic_to_speaker_ms, { turns: 1, p50: 412, p95: 412 });
  assert.deepEqual(reportsOf(sessions), [turn]);
});

test("a turn that can be heard is kept at once, and replaced when it is over", () => {
  const times = { turn: 1, reply: 1, transcript: "hello", mic_to_speaker_ms: 412, waterfall: [] };
  const report = { ...times, outcome: "REPLY_OUTCOME_COMPLETED" };
  let sessions = addEvent(addEvent([], "ready", READY, NOW), "turn_times", times, NOW);
  assert.deepEqual(reportsOf(sessions), [times]);
  sessions = addEvent(sessions, "turn_report", report, NOW);
  assert.deepEqual(reportsOf(sessions), [report]);
});

test("turns that got no reply of their own are kept beside one another", () => {
  const merged = { turn: 1, reply: 0, transcript: "What is", waterfall: [], outcome: "REPLY_OUTCOME_MERGED" };
  const cancelled = { turn: 2, reply: 0, transcript: "two plus two", waterfall: [], outcome: "REPLY_OUTCOME_CANCELLED" };
  const sessions = [merged, cancelled].reduce((kept, turn) => addEvent(kept, "turn_report", turn, NOW), addEvent([], "ready", READY, NOW));
  assert.deepEqual(reportsOf(sessions), [merged, cancelled]);
  assert.deepEqual(exportSessions(sessions, NOW).mic_to_speaker_ms, { turns: 0, p50: null, p95: null });
});

test("an empty record has no figures that JSON could not hold", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(exportSessions([], NOW))).mic_to_speaker_ms, { turns: 0, p50: null, p95: null });
});

test("other events are not kept", () => {
  const sessions = addEvent([], "ready", READY, NOW);
  assert.equal(addEvent(sessions, "user_partial", { text: "he" }, NOW), sessions);
  assert.deepEqual(addEvent([], "turn_report", {}, NOW), []);
});

test("a file's name tells when it was made", () => {
  assert.equal(fileName(NOW, "json"), "parley-2026-11-20-1432.json");
  assert.equal(fileName(NOW, "txt"), "parley-2026-11-20-1432.txt");
});

test("functions that were called are kept with what they gave", () => {
  const use = { name: "time", arguments_json: "{}", content: "12:04", failed: false };
  const sessions = addEvent(addEvent([], "ready", READY, NOW), "tool_used", { reply: 1, use }, NOW);
  assert.deepEqual(exportSessions(sessions, NOW).sessions[0]?.functions, [{ at: NOW, reply: 1, ...use }]);
});
