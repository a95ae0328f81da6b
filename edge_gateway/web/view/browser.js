/** What the page asks of its browser and server beside the conversation: kept settings, facts, a file, the screen's light. */

import { fileName } from "../model/session-export.js";
import * as keeping from "../model/keeping.js";
import { KEY, read, write } from "../model/settings.js";
import { make } from "./dom.js";

/** @typedef {import("../model/settings.js").Settings} Settings */
/**
 * What the server tells a page. `languages` are the recogniser's; `instructions`: the model listens to some.
 * @typedef {object} Facts
 * @property {import("./voices.js").Voice[]} voices
 * @property {string} trace_url
 * @property {boolean} [status] who asks may see how the gateway is doing
 * @property {{asr: EngineFacts & {languages: string[]}, llm: WriterFacts, tts: EngineFacts}} engines
 */
/** @typedef {import("../model/engines.js").EngineFacts} EngineFacts */
/** @typedef {import("../model/engines.js").WriterFacts} WriterFacts */

/** Settings of earlier visits. */
export function loadSettings() {
  try {
    return read(localStorage.getItem(KEY));
  } catch {
    // A browser that forbids storage forgets with the page.
    return read(null);
  }
}

/** @param {Settings} settings */
export function saveSettings(settings) {
  try {
    localStorage.setItem(KEY, write(settings));
  } catch {
    return;
  }
}

/** What the server tells a page; undefined where it cannot be asked. @returns {Promise<Facts | undefined>} */
export async function facts() {
  try {
    const response = await fetch(new URL("v1/page", document.baseURI));
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined;
  }
}

/** The conversation of this tab before it was loaded anew. */
export function loadConversation() {
  try {
    return keeping.read(sessionStorage.getItem(keeping.KEY));
  } catch {
    return keeping.read(null);
  }
}

/** @param {import("../model/transcript.js").Transcript} transcript @param {import("../model/session-export.js").Session[]} sessions */
export function keepConversation(transcript, sessions) {
  try {
    sessionStorage.setItem(keeping.KEY, keeping.write(transcript, sessions));
  } catch {
    // Forbidden, or more than there is room for: then a reload forgets.
    return;
  }
}

/** Saves text as a file. @param {string} content @param {"txt" | "json"} ending @param {string} now ISO 8601 */
export function save(content, ending, now) {
  const type = ending === "json" ? "application/json" : "text/plain;charset=utf-8";
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = make("a");
  link.href = address;
  link.download = fileName(now, ending);
  link.click();
  URL.revokeObjectURL(address);
}

/** @param {Settings["theme"]} theme */
export function showTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Keeps a phone's screen on during a conversation. */
export class ScreenWakeLock {
  /** @type {WakeLockSentinel | undefined} */
  lock = undefined;

  /** @param {boolean} on */
  async keep(on) {
    if (!on) {
      await this.lock?.release();
      this.lock = undefined;
    } else if (!this.lock || this.lock.released) {
      // Refused on a low battery or in a hidden tab: then the screen goes dark, and that is all.
      this.lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
    }
  }
}
