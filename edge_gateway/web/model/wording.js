/** Small sentences of the page. Pure. */

/** What is waited for, from the gateway's ReplyDelayed. @typedef {{turn: number, hop: string, model: string, kind: string}} Delay */

/**
 * What is behind a session, from the gateway's SessionReady.
 * @param {Record<string, any>} ready
 */
export function about({ engines = [], voice, language, session_id: session }) {
  return `Connected: ${[...engines, voice, language].filter(Boolean).join(" · ")}. Session ${session}.`;
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
