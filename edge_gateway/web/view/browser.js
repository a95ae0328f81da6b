/** What the page asks of its browser and server beside the conversation: kept settings, facts, a file, the screen's light. */

import { fileName } from "../model/session-export.js";
import { KEY, read, write } from "../model/settings.js";
import { make } from "./dom.js";

/** @typedef {import("../model/settings.js").Settings} Settings */
/** @typedef {{voices: import("./settings.js").Voice[], voices_problem: string, trace_url: string}} Facts */

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

/** What the server tells a page: voices, and where traces are shown. @returns {Promise<Facts>} */
export async function facts() {
  const nothing = { voices: [], trace_url: "" };
  try {
    const response = await fetch(new URL("v1/page", document.baseURI));
    if (!response.ok) return { ...nothing, voices_problem: "The list of voices could not be loaded." };
    return await response.json();
  } catch {
    return { ...nothing, voices_problem: "The list of voices could not be loaded." };
  }
}

/** Saves an object as a JSON file. @param {object} content @param {string} now ISO 8601 */
export function save(content, now) {
  const address = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
  const link = make("a");
  link.href = address;
  link.download = fileName(now);
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
