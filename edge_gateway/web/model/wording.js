/** Small sentences of the page. Pure. */

/** What is waited for, from the gateway's ReplyDelayed. @typedef {{turn: number, hop: string, model: string, kind: string}} Delay */

/** What the engines of a session do, in the order in which SessionReady names them. */
const ENGINES = ["Speech recognition", "Language model", "Speech synthesis"];

const SAY_AGAIN = "please say them again.";

/** Failures for which there are better words than the server's. */
const FAILURES = /** @type {Record<string, string>} */ ({
  ERROR_CODE_AUDIO_LOST: `Some of your words were lost on the way: ${SAY_AGAIN}`,
  ERROR_CODE_SHUTTING_DOWN: "The server is restarting; reconnecting…",
});

/**
 * What is behind a session, from the gateway's SessionReady: a line for each engine, and one for the session.
 * @param {Record<string, any>} ready
 */
export function about({ engines = [], voice, language, session_id: session }) {
  const lines = ENGINES.map((name, place) => `${name}: ${engines[place] || "away"}`);
  const spoken = [voice && `Voice: ${voice}`, language && `language: ${language}`].filter(Boolean).join(", ");
  return [...lines, spoken, `Session: ${session}`].filter(Boolean).join("\n");
}

/**
 * A message of the gateway as a sentence: its own begin small and end without a stop.
 * @param {string} message
 */
export function sentence(message) {
  const words = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(words) ? words : `${words}.`;
}

/**
 * A failure, from the gateway's ErrorEvent.
 * @param {Record<string, any>} error
 */
export function failure({ code, message }) {
  return FAILURES[code] ?? sentence(message);
}

/**
 * What people should know of a turn that was discarded, or "": a cough is nobody's loss.
 * @param {Record<string, any>} discarded the gateway's UserDiscarded
 */
export function loss({ reason }) {
  return reason === "DISCARD_REASON_ENGINE_FAILED" ? `The last words could not be understood: ${SAY_AGAIN}` : "";
}

/**
 * Who is waited for, and what is known of why.
 * @param {Delay} delay
 * @returns {{word: string, hint: string}}
 */
export function waiting({ hop, model, kind }) {
  if (hop === "tts") return { word: "Waiting for the voice…", hint: "" };
  const name = shortName(model);
  if (kind === "PROGRESS_KIND_REASONING") return { word: `${name || "The language model"} is thinking…`, hint: "" };
  const hint = kind === "PROGRESS_KIND_WAITING" ? "It may still be loading" : kind === "PROGRESS_KIND_QUEUED" ? "It is busy with others" : "";
  return { word: `Waiting for ${name || "the language model"}…`, hint };
}

/** A model without the folders or organisations before its name. @param {string} model */
function shortName(model) {
  return model.split("/").filter(Boolean).at(-1) ?? "";
}
