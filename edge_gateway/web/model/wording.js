/** Small sentences of the page. Pure. */

import { languageName, text } from "./text.js";

/** What is waited for, from the gateway's ReplyDelayed. @typedef {{turn: number, hop: string, model: string, kind: string}} Delay */

/**
 * What there is to say of a session beside its engines, from the gateway's SessionReady.
 * @param {Record<string, any>} ready
 */
export function about({ voice, language, session_id: session }) {
  const lines = [
    voice && text("about.voice", { voice }), language && text("about.language", { language: languageName(language) }), text("about.session", { session }),
  ];
  return lines.filter(Boolean).join("\n");
}

/**
 * Who is waited for, and what is known of why.
 * @param {Delay} delay
 * @returns {{word: string, hint: string}}
 */
export function waiting({ hop, model, kind }) {
  if (hop === "tts") return { word: text("waiting.voice"), hint: "" };
  const name = shortName(model) || text("waiting.model");
  if (kind === "PROGRESS_KIND_REASONING") return { word: text("waiting.thinking", { name: capital(name) }), hint: "" };
  const hint = kind === "PROGRESS_KIND_WAITING" ? text("waiting.loading") : kind === "PROGRESS_KIND_QUEUED" ? text("waiting.busy") : "";
  return { word: text("waiting.for", { name }), hint };
}

/** A model without the folders or organisations before its name. @param {string} model */
function shortName(model) {
  return model.split("/").filter(Boolean).at(-1) ?? "";
}

/** Our own words begin a sentence large; a model's name stays as it is. @param {string} name */
function capital(name) {
  return name === text("waiting.model") ? name.charAt(0).toUpperCase() + name.slice(1) : name;
}
