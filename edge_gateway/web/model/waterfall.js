/**
 * Where the time of a turn went, laid out for the eye: rows of bars on one scale, a verdict, and figures of a session.
 * Pure: knows nothing of the page.
 */

import { percent, text } from "./text.js";

/**
 * One slice of a turn's report, as the gateway sends it.
 * @typedef {{name: string, start_ms: number, duration_ms: number}} Slice
 */

/**
 * A turn's report, as the gateway sends it. `mic_to_speaker_ms` is absent when nothing could be heard; what is known
 * only at the end of the reply is absent while it plays.
 * @typedef {object} Report
 * @property {number} turn
 * @property {string} transcript
 * @property {string} [reply_text]
 * @property {string} [heard]
 * @property {number} [mic_to_speaker_ms]
 * @property {Slice[]} waterfall
 * @property {string} trace_id
 * @property {string} [outcome]
 * @property {number} clock_uncertainty_ms
 * @property {number} reply
 * @property {boolean} head_start
 * @property {number} explained
 */

/**
 * One bar. `x` and `width` are in percent of the scale; `spills` is true when the work went on after the first sound.
 * @typedef {object} Row
 * @property {string} name
 * @property {string} label
 * @property {string} hint
 * @property {string} group
 * @property {number} startMs
 * @property {number} durationMs
 * @property {number} x
 * @property {number} width
 * @property {boolean} spills
 * @property {boolean} slowest
 */

/** @typedef {{totalMs: number, ticks: {ms: number, x: number}[], rows: Row[], verdict: string}} Layout */

/** The group of each slice, which gives its colour; its label and what it is are in locales/. */
export const GROUPS = /** @type {Record<string, string>} */ ({
  "client.capture": "you",
  "client.uplink": "network",
  "gateway.decode": "server",
  "asr.endpoint": "wait",
  "asr.transcribe": "words",
  "gateway.decide": "server",
  "llm.chat": "model",
  "tts.synthesize": "voice",
  "gateway.encode": "server",
  "client.downlink": "network",
  "client.jitter_buffer": "you",
  "client.playout": "you",
});

const TICK_STEPS_MS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000];
const MOST_TICKS = 4;
const LEAST_WIDTH_PERCENT = 0.8;

/**
 * The picture of one turn; null when nothing of its reply could be heard.
 * @param {Report} report
 * @returns {Layout | null}
 */
export function layout(report) {
  const totalMs = report.mic_to_speaker_ms;
  if (totalMs === undefined || !(totalMs > 0)) return null;
  const spoken = wasSpoken(report);
  const within = report.waterfall.filter(
    ({ name, start_ms, duration_ms }) => start_ms < totalMs && start_ms + duration_ms >= 0 && (spoken || name !== "client.capture"),
  );
  const lengths = within.map((slice) => inside(slice, totalMs));
  const longest = Math.max(...lengths);
  const slowest = lengths.indexOf(longest);
  const rows = within.map((slice, place) => row(slice, totalMs, place === slowest));
  return { totalMs, ticks: ticks(totalMs), rows, verdict: rows.length ? verdict(rows[slowest], longest, totalMs) : "" };
}

/**
 * @param {Slice} slice
 * @param {number} totalMs
 * @param {boolean} slowest
 * @returns {Row}
 */
function row(slice, totalMs, slowest) {
  const group = GROUPS[slice.name];
  const [label, hint] = group ? [text(`slice.${slice.name}`), text(`slice.${slice.name}.hint`)] : [slice.name, ""];
  const end = slice.start_ms + slice.duration_ms;
  const width = Math.max(LEAST_WIDTH_PERCENT, (100 * inside(slice, totalMs)) / totalMs);
  const x = Math.min(100 - width, (100 * Math.max(0, slice.start_ms)) / totalMs);
  const spills = end > totalMs + 0.5;
  return { name: slice.name, label, hint, group: group ?? "server", startMs: slice.start_ms, durationMs: slice.duration_ms, x, width, spills, slowest };
}

/**
 * How much of a slice lies between the end of speech and the first sound.
 * @param {Slice} slice
 * @param {number} totalMs
 */
function inside(slice, totalMs) {
  return Math.max(0, Math.min(totalMs, slice.start_ms + slice.duration_ms) - Math.max(0, slice.start_ms));
}

/**
 * @param {Row} slowest
 * @param {number} longestMs
 * @param {number} totalMs
 */
function verdict(slowest, longestMs, totalMs) {
  return text("timing.verdict", { share: percent(longestMs / totalMs), what: slowest.hint || slowest.name });
}

/**
 * @param {number} totalMs
 * @returns {{ms: number, x: number}[]}
 */
function ticks(totalMs) {
  const step = TICK_STEPS_MS.find((each) => totalMs / each <= MOST_TICKS) ?? totalMs;
  const count = Math.floor(totalMs / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, place) => ({ ms: place * step, x: (100 * place * step) / totalMs }));
}

/**
 * A percentile with linear interpolation between the two nearest values; NaN of nothing.
 * @param {number[]} values in any order
 * @param {number} percent 0 to 100
 */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = ((sorted.length - 1) * percent) / 100;
  const low = sorted[Math.floor(place)] ?? NaN;
  const high = sorted[Math.ceil(place)] ?? NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/**
 * True when the turn was spoken; of a typed one, and of a greeting, the times begin when its text came.
 * @param {Report} report
 */
export function wasSpoken(report) {
  return report.waterfall.some((slice) => slice.name === "asr.endpoint");
}

/**
 * Figures of a session: spoken turns that were answered with sound, and how long they took.
 * @param {Report[]} reports
 */
export function summary(reports) {
  const times = reports.filter(wasSpoken).flatMap((report) => report.mic_to_speaker_ms ?? []);
  return { turns: times.length, p50: percentile(times, 50), p95: percentile(times, 95) };
}

/**
 * The address of one trace, or "" where none is configured.
 * @param {string} template with {trace_id} in it
 * @param {string} traceId 32 hexadecimal digits
 */
export function traceAddress(template, traceId) {
  if (!/^[0-9a-f]{32}$/.test(traceId) || !/^https?:\/\//.test(template)) return "";
  return template.replaceAll("{trace_id}", traceId);
}
