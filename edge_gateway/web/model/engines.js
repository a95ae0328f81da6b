/**
 * The three engines behind a conversation: what they are called, and whether they work, as far as a page can tell from the
 * gateway's events and from what it answers when it is asked. Pure.
 */

import { HOPS, engineAway } from "./problems.js";

/** @typedef {import("./problems.js").Hop} Hop */

/**
 * One engine. `works` is null while nothing is known; `code` is that of the error which told of its being away; `absent` is
 * true when the gateway, asked, did not find it.
 * @typedef {{name: string, works: boolean | null, code: string, absent: boolean}} Engine
 */

/** @typedef {Record<Hop, Engine>} Engines */

/** What the gateway answers of an engine when it is asked. @typedef {{name: string, works: boolean}} EngineFacts */

/**
 * What the gateway answers of who writes, beside that: whether it can be instructed, where it was found that nobody has
 * named, and why something else answers in its place.
 * @typedef {EngineFacts & {instructions: boolean, found_at?: string, backup_reason?: string}} WriterFacts
 */

/** A text that there is to say of who writes. @typedef {{key: string, values: Record<string, string>}} Note */

/** @type {Engine} */
const UNKNOWN = { name: "", works: null, code: "", absent: false };
/** @type {Readonly<Engines>} */
export const UNKNOWN_ENGINES = Object.freeze({ asr: UNKNOWN, llm: UNKNOWN, tts: UNKNOWN });

/** Events that only an engine which works can have brought. @type {Record<string, Hop>} */
const SIGNS = { user_speech_started: "asr", user_partial: "asr", reply_text: "llm", reply_word: "tts" };

/**
 * The engines after one of the gateway's events.
 * @param {Engines} engines
 * @param {string} kind
 * @param {any} event
 * @returns {Engines}
 */
export function reduceEngines(engines, kind, event) {
  if (kind === "ready") return named(engines, event.engines ?? []);
  if (kind === "error") return failed(engines, event);
  if (kind === "recovered") return isHop(event.hop) ? works(engines, event.hop, event.engine) : engines;
  const hop = kind === "user_utterance" && !event.typed ? "asr" : SIGNS[kind];
  return hop ? works(engines, hop, "") : engines;
}

/**
 * The engines after the gateway was asked. Of an engine that has failed in a conversation only its having been absent, and
 * being there again, says that it works: the server may answer while its model does not.
 * @param {Engines} engines
 * @param {Partial<Record<Hop, EngineFacts>>} facts
 * @param {boolean} talking a conversation is going on: then only the gateway's own word counts for who listens
 * @returns {Engines}
 */
export function seen(engines, facts, talking) {
  const changed = { ...engines };
  for (const hop of HOPS) {
    const found = facts[hop];
    if (!found) continue;
    const before = engines[hop];
    const name = found.name || before.name;
    const mended = before.works !== false || (before.absent && !(talking && hop === "asr")) || !talking;
    if (!found.works) changed[hop] = { ...before, name, works: false, absent: true };
    else changed[hop] = mended ? { name, works: true, code: "", absent: false } : { ...before, name, absent: false };
  }
  return changed;
}

/**
 * What there is to say of who writes; null: nothing.
 * @param {WriterFacts} writer
 * @param {boolean} mine who looks sits at Parley's own machine, and could change it
 * @returns {Note | null}
 */
export function noteOf(writer, mine) {
  if (writer.backup_reason) return { key: "engine.backup", values: { reason: writer.backup_reason } };
  if (writer.found_at) return { key: "engine.found", values: { address: writer.found_at } };
  return mine && writer.works && !writer.instructions ? { key: "engine.rules", values: {} } : null;
}

/** Those that are not there. @param {Engines} engines */
export function awayOf(engines) {
  return HOPS.filter((hop) => engines[hop].works === false);
}

/** @param {string} hop @returns {hop is Hop} */
function isHop(hop) {
  return HOPS.some((each) => each === hop);
}

/** @param {Engines} engines @param {string[]} names as SessionReady has them; empty: that one is away @returns {Engines} */
function named(engines, names) {
  const changed = { ...engines };
  HOPS.forEach((hop, place) => {
    const name = names[place] ?? "";
    changed[hop] = name ? { name, works: true, code: "", absent: false } : { ...engines[hop], works: false, absent: true };
  });
  return changed;
}

/** @param {Engines} engines @param {any} error @returns {Engines} */
function failed(engines, error) {
  const hop = engineAway(error);
  return hop ? { ...engines, [hop]: { ...engines[hop], works: false, code: error.code } } : engines;
}

/** @param {Engines} engines @param {Hop} hop @param {string} name or "" @returns {Engines} */
function works(engines, hop, name) {
  const before = engines[hop];
  if (before.works && (!name || name === before.name)) return engines;
  return { ...engines, [hop]: { name: name || before.name, works: true, code: "", absent: false } };
}
