/** The pickers of language and voice: only languages that somebody here understands, and voices that speak them. */

import { baseOf, languageName, text } from "../model/text.js";
import { options, part } from "./dom.js";

/** @typedef {{name: string, language: string, description: string, gender: string}} Voice */
/** @typedef {{language: string, voice: string}} Chosen */

export class VoicesView {
  constructor() {
    /** @type {Voice[]} */
    this.voices = [];
    /** What the recogniser understands, BCP 47; empty while that is not known. @type {string[]} */
    this.languages = [];
  }

  /** @param {Chosen} chosen */
  show({ language, voice }) {
    const known = this.languages.length ? this.languages : [language];
    const named = known.map((code) => ({ value: code, label: nameOf(code) })).sort((a, b) => a.label.localeCompare(b.label));
    options("language", named, this.understood(language) ?? language);
    const speaking = this.voices.filter((each) => language === "auto" || baseOf(each.language) === baseOf(language));
    const choices = speaking.map((each) => ({ value: each.name, label: each.description || each.name }));
    options("voice", [{ value: "", label: text("settings.serversChoice") }, ...choices], voice);
  }

  /** The recogniser's name for a language, or undefined: it does not know it. @param {string} language BCP 47 */
  understood(language) {
    const wanted = language.toLowerCase();
    return this.languages.find((each) => wanted === each.toLowerCase() || wanted.startsWith(`${each.toLowerCase()}-`));
  }

  /** A line under the voices. @param {string} words */
  note(words) {
    const note = part("voice-note", HTMLElement);
    note.textContent = words;
    note.hidden = !words;
  }
}

/** @param {string} code BCP 47 or "auto" */
function nameOf(code) {
  return code === "auto" ? text("settings.foundOut") : languageName(code);
}
