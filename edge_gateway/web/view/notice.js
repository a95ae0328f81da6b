/** One message for people when something is wrong; a passing one goes by itself. */

import { part } from "./dom.js";

const PASSING_MS = 12_000;

export class Notice {
  constructor() {
    this.box = part("notice", HTMLElement);
    this.text = part("error", HTMLElement);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    part("dismiss", HTMLButtonElement).addEventListener("click", () => this.clear());
  }

  /** @param {string} words @param {{passing?: boolean}} [how] */
  show(words, { passing = false } = {}) {
    clearTimeout(this.timer);
    this.text.textContent = words;
    this.box.hidden = false;
    if (passing) this.timer = setTimeout(() => this.clear(), PASSING_MS);
  }

  clear() {
    clearTimeout(this.timer);
    this.box.hidden = true;
    this.text.textContent = "";
  }
}
