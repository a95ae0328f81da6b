/**
 * What a reply has changed or begun in its session: the timers and reminders that run, and how that is put into words.
 * Pure: knows nothing of the page, and reads no clock.
 */

import { clock, number, text } from "./text.js";

/** One that runs; `dueMs` is a time of the caller's clock, in milliseconds. @typedef {{id: string, label: string, dueMs: number}} Reminder */

/**
 * The reminders after one of the gateway's events, the next one first.
 * @param {Reminder[]} reminders
 * @param {string} kind
 * @param {any} event
 * @param {number} nowMs
 * @returns {Reminder[]}
 */
export function reduceReminders(reminders, kind, event, nowMs) {
  if (kind === "ready") return reminders.length ? [] : reminders;
  if (kind !== "reminder_changed") return reminders;
  const others = reminders.filter((each) => each.id !== event.id);
  if (event.state !== "REMINDER_STATE_SET") return others;
  const label = event.label || text("reminder.unnamed");
  return [...others, { id: event.id, label, dueMs: nowMs + event.due_in_ms }].sort((one, other) => one.dueMs - other.dueMs);
}

/** The time that is left, as a clock shows it: "9:59", or "1:02:03". @param {Reminder} reminder @param {number} nowMs */
export function left({ dueMs }, nowMs) {
  const seconds = Math.max(0, Math.ceil((dueMs - nowMs) / 1000));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** A change in words; empty for one that shows itself, or that is not known. @param {string} kind @param {any} event */
export function changeNote(kind, event) {
  if (kind === "speech_changed") {
    const now = number(event.now, { maximumFractionDigits: 2 });
    if (event.setting === "SPEECH_SETTING_SPEED") return text("speech.speed", { now });
    return event.setting === "SPEECH_SETTING_GAIN_DB" ? text("speech.gain", { now: number(event.now, { signDisplay: "exceptZero" }) }) : "";
  }
  const label = event.label || text("reminder.unnamed");
  if (event.state === "REMINDER_STATE_SET") return text("reminder.set", { label, time: clock(Number(event.due_unix_ms)) });
  return event.state === "REMINDER_STATE_CANCELLED" ? text("reminder.cancelled", { label }) : "";
}
