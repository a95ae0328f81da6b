/** The large button and the small ones around it: what they look like for a status, and what a press of them means. */

import { labelsOf, statusOf } from "../model/status.js";
import { text } from "../model/text.js";
import { part } from "./dom.js";
import { Orb } from "./orb.js";

/** @typedef {import("../model/status.js").ConversationState} ConversationState */

/**
 * What a person can want. `talk` begins or ends; `hold` is push-to-talk going down or up.
 * @typedef {{talk: () => void, hold: (down: boolean) => void, mute: () => void, end: () => void, cancel: () => void, say: (text: string) => void}} Actions
 */

export class Controls {
  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.holds = false;
    this.held = false;
    this.talk = part("talk", HTMLButtonElement);
    this.mute = part("mute", HTMLButtonElement);
    this.cancel = part("cancel", HTMLButtonElement);
    this.orb = new Orb(part("orb", HTMLCanvasElement));
    this.mute.addEventListener("click", () => actions.mute());
    this.cancel.addEventListener("click", () => actions.cancel());
    part("end", HTMLButtonElement).addEventListener("click", () => actions.end());
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
      if (!this.holds) this.actions.talk();
      // A click without a pointer, as a screen reader makes it, cannot be held: it begins, and the next one ends.
      else if (event.detail === 0) this.hold(!this.held);
    });
  }

  type() {
    const field = part("text", HTMLInputElement);
    const send = part("send", HTMLButtonElement);
    field.addEventListener("input", () => (send.disabled = !field.value.trim()));
    part("composer", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const words = field.value.trim();
      if (!words) return;
      field.value = "";
      send.disabled = true;
      this.actions.say(words);
    });
  }

  /** @param {boolean} down */
  hold(down) {
    if (down === this.held || (down && !this.holds)) return;
    this.held = down;
    this.actions.hold(down);
  }

  /** @param {ConversationState} state */
  show(state) {
    const status = statusOf(state);
    const { word, hint, button } = labelsOf(state);
    const live = state.connection !== "idle" && state.connection !== "closed" && state.connection !== "failed";
    const { body } = document;
    body.dataset.status = status;
    body.toggleAttribute("data-live", live && state.microphone);
    body.toggleAttribute("data-muted", state.muted && live);
    this.holds = state.connection === "ready" && state.pushToTalk && state.microphone;
    if (!this.holds) this.hold(false);
    words("state", word);
    words("hint", hint);
    words("talk-label", button);
    this.talk.setAttribute("aria-pressed", String(this.holds ? state.held : live && state.microphone));
    this.talk.title = button;
    this.mute.setAttribute("aria-pressed", String(state.muted));
    this.mute.title = text(state.muted ? "mute.off" : "mute.on");
    this.cancel.hidden = state.connection !== "ready" || state.assistant === "idle" || status === "interrupted";
    document.title = live ? `${word} · Parley` : "Parley";
    this.orb.show(status, state.ducked);
  }
}

/** @param {string} id @param {string} said */
function words(id, said) {
  const element = part(id, HTMLElement);
  if (element.textContent !== said) element.textContent = said;
}
