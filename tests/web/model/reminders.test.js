import assert from "node:assert/strict";
import { test } from "node:test";

import "../english.js";

import { changeNote, left, reduceReminders } from "../../../edge_gateway/web/model/reminders.js";
import { EMPTY, reduceTranscript } from "../../../edge_gateway/web/model/transcript.js";

/** @param {string} id @param {number} seconds @param {string} [state] */
const changed = (id, seconds, state = "REMINDER_STATE_SET") => ({ id, state, label: id === "3" ? "" : `timer ${id}`, due_in_ms: seconds * 1000, due_unix_ms: "0", reply: 1 });
/** @param {any[]} events */
const after = (events) => events.reduce((reminders, event) => reduceReminders(reminders, "reminder_changed", event, 5_000), []);

test("the next reminder comes first, and one that is due or cancelled is gone", () => {
  const running = after([changed("1", 60), changed("2", 30), changed("3", 90)]);
  assert.deepEqual(running.map((/** @type {any} */ each) => each.label), ["timer 2", "timer 1", "reminder"]);
  assert.equal(running[0].dueMs, 35_000);
  const rest = [changed("2", 0, "REMINDER_STATE_DUE"), changed("1", 10, "REMINDER_STATE_CANCELLED"), changed("9", 0, "REMINDER_STATE_OF_TOMORROW")];
  assert.deepEqual(rest.reduce((reminders, event) => reduceReminders(reminders, "reminder_changed", event, 5_000), running).map((/** @type {any} */ each) => each.id), ["3"]);
});

test("another session has none of them, and other events leave them alone", () => {
  const running = after([changed("1", 60)]);
  assert.equal(reduceReminders(running, "reply_text", {}, 0), running);
  assert.deepEqual(reduceReminders(running, "ready", {}, 0), []);
});

test("the time that is left is shown as a clock shows it, and never below nothing", () => {
  const at = (/** @type {number} */ seconds) => left({ id: "1", label: "", dueMs: 1_000 * seconds }, 0);
  assert.deepEqual([-5, 0, 0.4, 59, 60, 605, 3_723].map(at), ["0:00", "0:00", "0:01", "0:59", "1:00", "10:05", "1:02:03"]);
});

test("a change is told in a note before the words of its reply", () => {
  const speed = { turn: 1, reply: 1, setting: "SPEECH_SETTING_SPEED", before: 1, now: 0.800000011920929 };
  const started = reduceTranscript(EMPTY, "reply_started", { reply: 1, turn: 1 });
  const lines = reduceTranscript(started, "speech_changed", speed).lines;
  assert.deepEqual(lines.map((line) => [line.who, line.text, line.called]), [["note", "Speaking rate: 0.8×", true], ["assistant", "", false]]);
  assert.equal(changeNote("speech_changed", { ...speed, setting: "SPEECH_SETTING_GAIN_DB", now: 6 }), "Volume: +6 dB");
  assert.match(changeNote("reminder_changed", changed("1", 60)), /^Set for \d+:\d\d.*: timer 1$/);
  assert.equal(changeNote("reminder_changed", changed("3", 60, "REMINDER_STATE_CANCELLED")), "Cancelled: reminder");
});

test("what tells itself, or is of another version, leaves no note", () => {
  assert.equal(reduceTranscript(EMPTY, "reminder_changed", changed("1", 0, "REMINDER_STATE_DUE")), EMPTY);
  assert.equal(reduceTranscript(EMPTY, "speech_changed", { setting: "SPEECH_SETTING_OF_TOMORROW", now: 1, reply: 1 }), EMPTY);
});
