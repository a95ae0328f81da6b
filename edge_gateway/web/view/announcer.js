/** Says to a screen reader what others see: the page's live region. */

import { make, part } from "./dom.js";

const KEPT = 4;

export class Announcer {
  constructor() {
    this.box = part("announce", HTMLElement);
  }

  /** @param {string} text read aloud when the screen reader has finished what it is reading */
  say(text) {
    this.box.append(make("span", "", `${text} `));
    while (this.box.childElementCount > KEPT) this.box.firstElementChild?.remove();
  }
}
