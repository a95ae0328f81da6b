/**
 * What went wrong, for people: which part of Parley it is, what still works, and what happens next. What programmers want
 * to know of it goes along as details. Pure: the words are in locales/, under the keys that stand here.
 */

/**
 * `id` is what it is about: a later problem with the same id takes its place. `tone` says how it is shown: "passing" goes by
 * itself, "lasting" stays until it is mended, "wrong" stops people until they do something.
 * @typedef {object} Problem
 * @property {string} id
 * @property {string} key of its text
 * @property {Record<string, string | number>} values for its text
 * @property {"passing" | "lasting" | "wrong"} tone
 * @property {string} details for programmers, or ""
 */

/** @typedef {"asr" | "llm" | "tts"} Hop */

export const HOPS = /** @type {const} */ (["asr", "llm", "tts"]);

/** What an engine's failure means, by its code; for any other it is away. */
const BUSY = "ERROR_CODE_OVERLOADED";
/** Codes that are about what was asked, and not about who was asked. */
const REFUSALS = new Set(["ERROR_CODE_INVALID_INPUT", "ERROR_CODE_WRONG_STATE", "ERROR_CODE_TOO_LARGE", "ERROR_CODE_NOT_FOUND"]);

/** An Error that carries a problem to whoever shows it. */
export class Trouble extends Error {
  /** @param {Problem} problem @param {ErrorOptions} [options] */
  constructor(problem, options) {
    super(problem.key, options);
    this.problem = problem;
  }
}

/**
 * @param {string} id
 * @param {string} key
 * @param {Partial<Problem>} [more]
 * @returns {Problem}
 */
export function problem(id, key, more = {}) {
  return { id, key, values: {}, tone: "passing", details: "", ...more };
}

/** A failure of any kind as a problem. @param {unknown} error @returns {Problem} */
export function problemOf(error) {
  if (error instanceof Trouble) return error.problem;
  return problem("page", "problem.page", { tone: "wrong", details: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
}

/** @param {string} hop @returns {hop is Hop} */
export function isEngine(hop) {
  return HOPS.some((each) => each === hop);
}

/**
 * The engine that an ErrorEvent says is away or too busy, or null: it is about something else.
 * @param {Record<string, any>} error the fields of an ErrorEvent
 * @returns {Hop | null}
 */
export function engineAway({ hop, code }) {
  return isEngine(hop) && !REFUSALS.has(code) && code !== "ERROR_CODE_AUDIO_LOST" ? hop : null;
}

/**
 * What an engine's being away means for people.
 * @param {Hop} hop
 * @param {string} [code] of the ErrorEvent that told
 * @param {string} [details]
 */
export function awayProblem(hop, code = "", details = "") {
  return problem(hop, `problem.${hop}.${code === BUSY ? "busy" : "away"}`, { tone: "lasting", details });
}

/**
 * The gateway's ErrorEvent as a problem.
 * @param {Record<string, any>} error its fields
 * @returns {Problem}
 */
export function errorProblem(error) {
  const { hop, code, field, message } = error;
  const details = [hop, String(code).replace("ERROR_CODE_", ""), field, message].filter(Boolean).join(" · ");
  const away = engineAway(error);
  if (away) return awayProblem(away, code, details);
  const [id, key] = meaning(error);
  const tone = code === "ERROR_CODE_SHUTTING_DOWN" || code === BUSY ? "lasting" : error.ends_session ? "wrong" : "passing";
  return problem(id, key, { tone, details });
}

/** What an error is about, and the key of its text. @param {Record<string, any>} error @returns {[string, string]} */
function meaning({ hop, code, field }) {
  if (code === "ERROR_CODE_SHUTTING_DOWN") return ["gateway", "problem.restarting"];
  if (code === "ERROR_CODE_AUDIO_LOST") return ["words", "problem.wordsLost"];
  if (code === BUSY) return ["gateway", "problem.full"];
  if (/voice$/.test(field ?? "")) return ["voice", "problem.voice"];
  if (/language$/.test(field ?? "")) return ["language", "problem.language"];
  if (code === "ERROR_CODE_TOO_LARGE") return ["input", "problem.tooLong"];
  if (REFUSALS.has(code)) return ["input", hop === "llm" ? "problem.llm.refused" : "problem.refused"];
  return ["gateway", "problem.gateway"];
}

/** The connection is gone, and is tried again. @param {boolean} online */
export function connectionLost(online) {
  return problem("gateway", online ? "problem.lost" : "problem.offline", { tone: "lasting" });
}
