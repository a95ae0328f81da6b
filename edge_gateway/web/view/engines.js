/** The three engines behind a conversation: what they are called, and whether they work. */

import { HOPS } from "../model/problems.js";
import { text } from "../model/text.js";
import { make, part } from "./dom.js";

/** @typedef {import("../model/engines.js").Engine} Engine */
/** @typedef {import("../model/engines.js").Engines} Engines */

export class EnginesView {
  constructor() {
    this.list = part("engines", HTMLElement);
  }

  /** @param {Engines} engines */
  show(engines) {
    this.list.replaceChildren(...HOPS.map((hop) => row(hop, engines[hop])));
  }

  /** The page of figures is linked where this one's reader may see it. @param {boolean} allowed */
  linkStatus(allowed) {
    part("status-link", HTMLElement).hidden = !allowed;
  }
}

/** @param {string} hop @param {Engine} engine */
function row(hop, { name, works }) {
  const state = works === null ? "unknown" : works ? "works" : "away";
  const found = make("div", `is-${state}`, make("dt", "", text(`engine.${hop}`)), make("dd", "name", name || "–"), make("dd", "works", text(`engine.${state}`)));
  found.dataset.hop = hop;
  return found;
}
