/**
 * What a person can take home: the sessions of this visit with everything said and every time measured, as JSON.
 * Pure: knows nothing of the page, and reads no clock.
 */

import { summary } from "./waterfall.js";

/** @typedef {import("./waterfall.js").Report} Report */
/** @typedef {{at: string, hop: string, code: string, message: string}} Failure */
/** @typedef {{at: string, reply: number, name: string, arguments_json: string, content: string, failed: boolean}} Called */

/**
 * One session.
 * @typedef {object} Session
 * @property {string} id
 * @property {string} began ISO 8601
 * @property {string} voice
 * @property {string} language
 * @property {string[]} engines
 * @property {Report[]} turns
 * @property {Failure[]} failures
 * @property {Called[]} functions that were called for its replies
 */

/**
 * The sessions after one of the gateway's events.
 * @param {Session[]} sessions
 * @param {string} kind
 * @param {any} event
 * @param {string} now ISO 8601
 * @returns {Session[]}
 */
export function addEvent(sessions, kind, event, now) {
  if (kind === "ready") {
    const { session_id: id, voice, language, engines } = event;
    return [...sessions, { id, began: now, voice, language, engines: engines ?? [], turns: [], failures: [], functions: [] }];
  }
  const last = sessions.at(-1);
  if (!last) return sessions;
  if (kind === "turn_times" || kind === "turn_report") {
    // What is told when a reply is over takes the place of what was told when it began.
    // Turns that got no reply of their own all have its number 0.
    const others = last.turns.filter((turn) => turn.reply !== event.reply || turn.turn !== event.turn);
    return [...sessions.slice(0, -1), { ...last, turns: [...others, event] }];
  }
  if (kind === "error") {
    const failure = { at: now, hop: event.hop, code: event.code, message: event.message };
    return [...sessions.slice(0, -1), { ...last, failures: [...last.failures, failure] }];
  }
  if (kind === "tool_used") {
    return [...sessions.slice(0, -1), { ...last, functions: [...last.functions, { at: now, reply: event.reply, ...event.use }] }];
  }
  return sessions;
}

/**
 * The reports of all sessions, oldest first.
 * @param {Session[]} sessions
 */
export function reportsOf(sessions) {
  return sessions.flatMap((session) => session.turns);
}

/**
 * The record as an object that JSON can hold.
 * @param {Session[]} sessions
 * @param {string} now ISO 8601
 */
export function exportSessions(sessions, now) {
  return {
    format: "parley.conversation",
    version: 1,
    exported: now,
    mic_to_speaker_ms: figures(reportsOf(sessions)),
    sessions: sessions.map(({ id, began, ...rest }) => ({ session_id: id, began, ...rest })),
  };
}

/** @param {Report[]} reports */
function figures(reports) {
  const { turns, p50, p95 } = summary(reports);
  return { turns, p50: turns ? p50 : null, p95: turns ? p95 : null };
}

/**
 * A name for the file, from the time: "parley-2026-11-20-1432.json".
 * @param {string} now ISO 8601
 * @param {"json" | "txt"} ending
 */
export function fileName(now, ending) {
  return `parley-${now.slice(0, 16).replace("T", "-").replace(":", "")}.${ending}`;
}
