/** The three engines behind a conversation: what they are called, and whether they work. */

import { HOPS } from "../model/problems.js";
import { text } from "../model/text.js";
import { make, part } from "./dom.js";

/** @typedef {import("../model/engines.js").Engine} Engine */
/** @typedef {import("../model/engines.js").Note} Note */
/** @typedef {import("../model/engines.js").Engines} Engines */

export class EnginesView {
  constructor() {
    this.list = part("engines", HTMLElement);
    this.note = "";
    this.wrote = "";
  }

  /** Whether it is another model than before that has written, which has a reason. @param {string | undefined} model */
  isNew(model) {
    const isNew = Boolean(model) && model !== this.wrote;
    this.wrote = model || this.wrote;
    return isNew;
  }

  /** What there is to say of who writes, below its name, from now on. @param {Note | null} found */
  remark(found) {
    this.note = found ? text(found.key, found.values) : "";
  }

  /** @param {Engines} engines */
  show(engines) {
    this.list.replaceChildren(...HOPS.map((hop) => row(hop, engines[hop], hop === "llm" ? this.note : "")));
  }

  /** The page of figures is linked where this one's reader may see it. @param {boolean} allowed */
  linkStatus(allowed) {
    part("status-link", HTMLElement).hidden = !allowed;
  }
}

/** @param {string} hop @param {Engine} engine @param {string} note */
function row(hop, { name, works }, note) {
  const state = works === null ? "unknown" : works ? "works" : "away";
  const found = make("div", `is-${state}`, make("dt", "", text(`engine.${hop}`)), make("dd", "name", name || "–"), make("dd", "works", text(`engine.${state}`)));
  if (note) found.append(make("dd", "note", note));
  found.dataset.hop = hop;
  return found;
}
