/** Questions to begin with, in the language of the conversation: a press of one asks it. */

import { inLanguage } from "./locale.js";
import { make, part } from "./dom.js";

const KEYS = ["example.1", "example.2", "example.3"];

export class ExamplesView {
  /** @param {(question: string) => void} ask */
  constructor(ask) {
    this.ask = ask;
    this.box = part("examples", HTMLElement);
    this.language = "";
  }

  /** @param {string} language of the conversation, BCP 47 */
  async show(language) {
    if (language === this.language) return;
    this.language = language;
    const questions = await inLanguage(language, KEYS);
    // Another language may have been chosen while the texts were on their way.
    if (language === this.language) this.box.replaceChildren(...questions.map((question) => this.button(question, language)));
  }

  /** @param {string} question @param {string} language */
  button(question, language) {
    const button = make("button", "pill", question);
    button.type = "button";
    button.lang = language === "auto" ? "" : language;
    button.addEventListener("click", () => this.ask(question));
    return button;
  }
}
