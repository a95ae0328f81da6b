/** What is wrong, for people: one box for all that is not mended yet. Only what stops people looks and sounds like an alarm. */

import { text } from "../model/text.js";
import { part } from "./dom.js";

/** @typedef {import("../model/problems.js").Problem} Problem */

const PASSING_MS = 12_000;

export class Notice {
  constructor() {
    this.box = part("notice", HTMLElement);
    this.words = part("error", HTMLElement);
    this.details = part("error-details", HTMLDetailsElement);
    /** What is shown, by what it is about. @type {Map<string, Problem>} */
    this.problems = new Map();
    /** @type {Map<string, ReturnType<typeof setTimeout>>} */
    this.timers = new Map();
    part("dismiss", HTMLButtonElement).addEventListener("click", () => this.clear());
  }

  /** @param {Problem} problem */
  show(problem) {
    this.forget(problem.id);
    this.problems.set(problem.id, problem);
    if (problem.tone === "passing") this.timers.set(problem.id, setTimeout(() => this.clear(problem.id), PASSING_MS));
    if (problem.details) console.info(`Parley: ${problem.details}`);
    this.draw();
  }

  /** @param {string} [id] only what is about this; else all */
  clear(id) {
    for (const each of id === undefined ? [...this.problems.keys()] : [id]) this.forget(each);
    this.draw();
  }

  /** @param {string} id */
  forget(id) {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    this.problems.delete(id);
  }

  draw() {
    const shown = [...this.problems.values()];
    const words = shown.map(({ key, values }) => text(key, values)).join(" ");
    const wrong = shown.some(({ tone }) => tone === "wrong");
    this.box.classList.toggle("is-mild", !wrong);
    this.box.setAttribute("role", wrong ? "alert" : "status");
    if (this.words.textContent !== words) this.words.textContent = words;
    const details = shown.map((each) => each.details).filter(Boolean).join("\n");
    this.details.hidden = !details;
    const told = this.details.querySelector("p");
    if (told) told.textContent = details;
    this.box.hidden = shown.length === 0;
  }
}
