/**
 * A conversation as text that outlives a reload, and back. What is read may be old, cut off or somebody else's, so only what
 * has the right form comes back, and no more than a page can show. Pure: knows nothing of where it is kept.
 */

import { EMPTY, closeOpenLines, markEarlier } from "./transcript.js";

/** @typedef {import("./transcript.js").Line} Line */
/** @typedef {import("./transcript.js").Transcript} Transcript */
/** @typedef {import("./session-export.js").Session} Session */
/** @typedef {{transcript: Transcript, sessions: Session[]}} Kept */

export const KEY = "parley.conversation";
const MOST_LINES = 400;
const MOST_TURNS = 200;
const WHO = ["user", "assistant", "note"];

/** @param {Transcript} transcript @param {Session[]} sessions @returns {string} */
export function write(transcript, sessions) {
  const lines = closeOpenLines(transcript).lines.slice(-MOST_LINES).map(({ words, position, latencyMs, ...line }) => line);
  const turns = sessions.map((session) => ({ ...session, turns: session.turns.slice(-MOST_TURNS) }));
  return JSON.stringify({ lines, sessions: turns.slice(-MOST_TURNS) });
}

/**
 * What was kept, marked as earlier; nothing where that cannot be read.
 * @param {string | null} kept
 * @returns {Kept}
 */
export function read(kept) {
  const found = parse(kept);
  const lines = (Array.isArray(found.lines) ? found.lines : []).flatMap(line).slice(-MOST_LINES);
  const sessions = (Array.isArray(found.sessions) ? found.sessions : []).flatMap(session);
  const keyed = lines.map((each, place) => ({ ...each, key: place + 1 }));
  return { transcript: markEarlier({ ...EMPTY, lines: keyed, nextKey: keyed.length + 1 }), sessions };
}

/** @param {any} found @returns {Line[]} none where it is no line */
function line(found) {
  if (typeof found !== "object" || !found || !WHO.includes(found.who) || typeof found.text !== "string") return [];
  const { who, reply, turn } = found;
  const state = who === "assistant" ? "over" : "final";
  return [{
    key: 0, who, state, text: found.text, stable: 0, words: [], position: 0, turn: Number(turn) || 0, reply: Number(reply) || 0,
    outcome: words(found.outcome), heard: words(found.heard), typed: found.typed === true, latencyMs: NaN, sounded: found.sounded === true,
    called: found.called === true, earlier: found.earlier === true,
  }];
}

/** @param {any} found @returns {Session[]} none where it is no session */
function session(found) {
  if (typeof found !== "object" || !found || typeof found.id !== "string" || typeof found.began !== "string") return [];
  const { id, began, voice, language, engines, failures, functions } = found;
  const turns = list(found.turns).filter((each) => typeof each === "object" && each && Array.isArray(each.waterfall));
  return [{ id, began, voice: words(voice), language: words(language), engines: list(engines), turns, failures: list(failures), functions: list(functions) }];
}

/** @param {string | null} kept @returns {Record<string, any>} */
function parse(kept) {
  try {
    const found = JSON.parse(kept ?? "{}");
    return typeof found === "object" && found ? found : {};
  } catch {
    return {};
  }
}

/** @param {unknown} value */
function words(value) {
  return typeof value === "string" ? value : "";
}

/** @param {unknown} value @returns {any[]} */
function list(value) {
  return Array.isArray(value) ? value : [];
}
