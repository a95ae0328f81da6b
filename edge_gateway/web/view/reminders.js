/** The timers and reminders that run, each with the time that is left. */

import { left, reduceReminders } from "../model/reminders.js";
import { make, part } from "./dom.js";

const TICK_MS = 250;

/** @typedef {import("../model/reminders.js").Reminder} Reminder */

export class RemindersView {
  constructor() {
    this.list = part("reminders", HTMLUListElement);
    /** @type {Reminder[]} */
    this.reminders = [];
    /** @type {number | undefined} */
    this.timer = undefined;
  }

  /** @param {string} kind @param {any} event one of the gateway's events */
  told(kind, event) {
    this.show(reduceReminders(this.reminders, kind, event, performance.now()));
  }

  /** The session is over, and its reminders with it. */
  over() {
    this.show([]);
  }

  /** @param {Reminder[]} reminders */
  show(reminders) {
    if (reminders === this.reminders) return;
    this.reminders = reminders;
    this.list.hidden = reminders.length === 0;
    this.list.replaceChildren(...reminders.map(({ label }) => make("li", "", make("span", "label", label), " ", make("time"))));
    clearInterval(this.timer);
    if (reminders.length) this.timer = setInterval(() => this.tick(), TICK_MS);
    this.tick();
  }

  tick() {
    const now = performance.now();
    for (const [place, time] of this.list.querySelectorAll("time").entries()) {
      const shown = left(/** @type {Reminder} */ (this.reminders[place]), now);
      if (time.textContent !== shown) time.textContent = shown;
    }
  }
}
