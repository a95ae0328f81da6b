/**
 * The gateway's figures as its `/stats` gives them, and what is to be seen of them: servers, stages and turns in an order.
 * Pure: knows nothing of the page.
 */

import { ago, list, milliseconds, number, text } from "./text.js";
import { GROUPS } from "./waterfall.js";

/** @typedef {{p50: number, p95: number, p99: number, count: number}} Percentiles */
/** @typedef {{count: number, mean: number, p50: number, p95: number}} Distribution */

/**
 * A server; what it does not tell is null or empty.
 * @typedef {object} Server
 * @property {string} name
 * @property {string} address
 * @property {string} state
 * @property {string} reason
 * @property {string} health what the gateway takes it to be
 * @property {number} in_flight calls of the gateway that run there
 * @property {string} engine
 * @property {string} model
 * @property {string} problem
 * @property {string} version
 * @property {string} instance
 * @property {number | null} started_unix_ms
 * @property {number | null} calls
 * @property {number | null} queue_depth
 * @property {Distribution | null} batch_size
 * @property {Distribution | null} real_time_factor
 * @property {Distribution | null} loop_lag_ms
 * @property {Distribution | null} cancel_to_idle_ms
 */

/**
 * A turn that is over.
 * @typedef {object} LoggedTurn
 * @property {string} session
 * @property {number} turn
 * @property {string} trace_id
 * @property {boolean} sampled
 * @property {number} ended_unix_ms
 * @property {string} kind
 * @property {string} outcome
 * @property {string} failed_hop
 * @property {number | null} mic_to_speaker_ms
 * @property {boolean} head_start
 * @property {number} explained
 * @property {number} clock_uncertainty_ms
 * @property {string} model
 * @property {import("./waterfall.js").Slice[]} waterfall
 */

/**
 * @typedef {object} Figures
 * @property {string} version
 * @property {number} started_unix_ms
 * @property {number} now_unix_ms
 * @property {{active: number, max: number}} sessions
 * @property {{port: number, active: number, max: number}[]} gateways all on its port, where it shares one
 * @property {Server[]} servers
 * @property {LoggedTurn[]} turns newest first
 * @property {Record<string, Percentiles>} percentiles
 */

/** A stage of the wait. Ends of bars are in percent of the longest. @typedef {{name: string, label: string, hint: string, group: string, half: number, most: number, figures: Percentiles}} Stage */

/** How a server is: `tone` is well, waiting or wrong. @typedef {{word: string, tone: string, told: string}} Health */

const SHOWN = 10;
/** Ends of turns that are more than an answer. */
const WORTH_TELLING = ["failed", "interrupted", "cancelled", "merged", "listener_left"];

/** @param {Server} server @returns {Health} */
export function health({ state, reason, problem, health }) {
  if (health === "draining") return { word: text("stats.state.draining"), tone: "waiting", told: text("stats.drainingHint") };
  if (state === "away") return { word: text("stats.state.away"), tone: "wrong", told: reason };
  if (state === "starting") return { word: text("stats.state.starting"), tone: "waiting", told: text("stats.startingHint") };
  if (state !== "serving") return { word: text("stats.state.unknown"), tone: "waiting", told: reason };
  return problem ? { word: text("stats.state.troubled"), tone: "wrong", told: problem } : { word: text("stats.state.serving"), tone: "well", told: "" };
}

/** How many sessions there may be, and of how many gateways on its port this is one. @param {Figures} figures */
export function most({ sessions, gateways }) {
  return text(gateways.length > 1 ? "stats.sessionsOfOne" : "stats.sessionsOf", { most: sessions.max, count: gateways.length });
}

/** What a server measures of itself, in an order; unknown: "–". One that tells nothing has none. @param {Server} server @returns {{key: string, label: string, value: string, more: string}[]} */
export function measures(server) {
  if (!server.engine) return server.in_flight ? [inFlight(server)] : [];
  return [
    inFlight(server),
    { key: "calls", label: text("stats.calls"), value: counted(server.calls), more: "" },
    { key: "queue", label: text("stats.queue"), value: counted(server.queue_depth), more: "" },
    { key: "batch", label: text("stats.batch"), ...spread(server.batch_size, (value) => number(value, { maximumFractionDigits: 1 })) },
    { key: "real-time", label: text("stats.realTime"), ...spread(server.real_time_factor, (value) => number(value, { maximumSignificantDigits: 2 })) },
    { key: "lag", label: text("stats.lag"), ...spread(server.loop_lag_ms, (value) => text("timing.ms", { ms: milliseconds(value) })) },
  ];
}

/** @param {Server} server */
function inFlight({ in_flight: count }) {
  return { key: "in-flight", label: text("stats.inFlight"), value: number(count), more: "" };
}

/** Stages in the order in which a turn comes to them, those that are not known here at the end. @param {Figures} figures @returns {Stage[]} */
export function stages({ percentiles }) {
  const order = Object.keys(GROUPS);
  const names = Object.keys(percentiles).filter((name) => name.includes("."));
  const place = (/** @type {string} */ name) => (order.includes(name) ? order.indexOf(name) : order.length);
  const longest = Math.max(0.001, ...names.map((name) => percentiles[name]?.p95 ?? 0));
  return names.sort((a, b) => place(a) - place(b)).flatMap((name) => {
    const figures = percentiles[name];
    if (!figures) return [];
    const group = GROUPS[name];
    const [label, hint] = group ? [text(`slice.${name}`), text(`slice.${name}.hint`)] : [name, ""];
    return [{ name, label, hint, group: group ?? "server", half: (100 * figures.p50) / longest, most: (100 * figures.p95) / longest, figures }];
  });
}

/** The turns with the longest wait first, or the newest first. @param {Figures} figures @param {string} order slowest or latest */
export function chosen({ turns }, order) {
  if (order !== "slowest") return turns.slice(0, SHOWN);
  const heard = turns.filter((turn) => turn.mic_to_speaker_ms !== null);
  return heard.sort((a, b) => (b.mic_to_speaker_ms ?? 0) - (a.mic_to_speaker_ms ?? 0)).slice(0, SHOWN);
}

/** A turn as the voice page has its own. @param {LoggedTurn} turn @returns {import("./waterfall.js").Report} */
export function reportOf(turn) {
  return { ...turn, transcript: "", reply: 0, mic_to_speaker_ms: turn.mic_to_speaker_ms ?? undefined };
}

/** What a turn was and how it ended. @param {LoggedTurn} turn @param {number} now_unix_ms @returns {{what: string, ending: string, wrong: boolean}} */
export function described({ kind, outcome, failed_hop: hop, ended_unix_ms: ended }, now_unix_ms) {
  const what = [text(`stats.kind.${kind}`), ago((now_unix_ms - ended) / 1000)].join(" · ");
  if (outcome === "completed") return { what, ending: "", wrong: false };
  const where = hop ? text("stats.failedAt", { hop: text(`engine.${hop}`) }) : text("stats.outcome.failed");
  return outcome === "failed" ? { what, ending: where, wrong: true } : { what, ending: text(`stats.outcome.${outcome}`), wrong: false };
}

/** How the turns ended that were not simply answered; "" where all were. @param {LoggedTurn[]} turns */
export function endings(turns) {
  const counts = WORTH_TELLING.map((outcome) => ({ outcome, count: turns.filter((turn) => turn.outcome === outcome).length }));
  return list(counts.filter(({ count }) => count).map(({ outcome, count }) => text("stats.count", { count, what: text(`stats.outcome.${outcome}`) })));
}

/** @param {number | null} value */
function counted(value) {
  return value === null ? "–" : number(value);
}

/** @param {Distribution | null} measured @param {(value: number) => string} written */
function spread(measured, written) {
  return measured ? { value: written(measured.mean), more: text("stats.p95", { value: written(measured.p95) }) } : { value: "–", more: "" };
}
