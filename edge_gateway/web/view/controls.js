/** The large button and the small ones around it: what they look like for a face, and what a press of them means. */

import { faceOf, wordsOf } from "../model/status.js";
import { part } from "./dom.js";
import { Orb } from "./orb.js";

/** @typedef {import("../model/status.js").Known} Known */

/**
 * What a person can want. `talk` begins or ends; `hold` is push-to-talk going down or up.
 * @typedef {{talk: () => void, hold: (down: boolean) => void, mute: () => void, end: () => void, cancel: () => void, say: (text: string) => void}} Wishes
 */

const TITLES = { interrupted: "Interrupted", reconnecting: "Reconnecting", failed: "Not connected", muted: "Muted" };

export class Controls {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    this.holds = false;
    this.held = false;
    this.talk = part("talk", HTMLButtonElement);
    this.mute = part("mute", HTMLButtonElement);
    this.cancel = part("cancel", HTMLButtonElement);
    this.orb = new Orb(part("orb", HTMLCanvasElement));
    this.mute.addEventListener("click", () => wishes.mute());
    this.cancel.addEventListener("click", () => wishes.cancel());
    part("end", HTMLButtonElement).addEventListener("click", () => wishes.end());
    this.press();
    this.type();
  }

  press() {
    const { talk } = this;
    talk.addEventListener("pointerdown", (event) => {
      if (!this.holds) return;
      talk.setPointerCapture(event.pointerId);
      this.hold(true);
    });
    for (const over of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      talk.addEventListener(over, () => this.hold(false));
    }
    talk.addEventListener("contextmenu", (event) => this.holds && event.preventDefault());
    talk.addEventListener("click", (event) => {
      if (!this.holds) this.wishes.talk();
      // A click without a pointer, as a screen reader makes it, cannot be held: it begins, and the next one ends.
      else if (event.detail === 0) this.hold(!this.held);
    });
  }

  type() {
    const text = part("text", HTMLInputElement);
    const send = part("send", HTMLButtonElement);
    text.addEventListener("input", () => (send.disabled = !text.value.trim()));
    part("composer", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const words = text.value.trim();
      if (!words) return;
      text.value = "";
      send.disabled = true;
      this.wishes.say(words);
    });
  }

  /** @param {boolean} down */
  hold(down) {
    if (down === this.held || (down && !this.holds)) return;
    this.held = down;
    this.wishes.hold(down);
  }

  /** @param {Known} known */
  show(known) {
    const face = faceOf(known);
    const { word, hint, button } = wordsOf(known);
    const live = known.phase !== "idle" && known.phase !== "closed" && known.phase !== "failed";
    const { body } = document;
    body.dataset.face = face;
    body.toggleAttribute("data-live", live && known.microphone);
    body.toggleAttribute("data-muted", known.muted && live);
    this.holds = known.phase === "ready" && known.pushToTalk && known.microphone;
    if (!this.holds) this.hold(false);
    words("state", word);
    words("hint", hint);
    words("talk-label", button);
    this.talk.setAttribute("aria-pressed", String(this.holds ? known.held : live && known.microphone));
    this.talk.title = button;
    this.mute.setAttribute("aria-pressed", String(known.muted));
    this.mute.title = known.muted ? "Unmute (M)" : "Mute (M)";
    this.cancel.hidden = known.phase !== "ready" || known.assistant === "idle" || face === "interrupted";
    document.title = live ? `${TITLES[/** @type {keyof typeof TITLES} */ (face)] ?? word} · Parley` : "Parley";
    this.orb.show(face, known.ducked);
  }
}

/** @param {string} id @param {string} text */
function words(id, text) {
  const element = part(id, HTMLElement);
  if (element.textContent !== text) element.textContent = text;
}
