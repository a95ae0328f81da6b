/** Turns with their waterfalls, one below the other; what somebody has opened, or stands at, stays so while new ones come. */

import { chosen, described, reportOf } from "../model/figures.js";
import { number, text } from "../model/text.js";
import { layout, traceAddress } from "../model/waterfall.js";
import { draw, make, part } from "./dom.js";
import { accuracy, axis, bar, slice } from "./timing.js";

/** @typedef {import("../model/figures.js").Figures} Figures */
/** @typedef {import("../model/figures.js").LoggedTurn} LoggedTurn */
/** @typedef {import("../model/waterfall.js").Layout} Layout */

export class TurnListView {
  constructor() {
    this.traceUrl = "";
    this.order = "slowest";
    /** @type {Figures | undefined} */
    this.figures = undefined;
    /** The items that are shown, by their turn. @type {Map<string, HTMLLIElement>} */
    this.items = new Map();
    this.list = part("list", HTMLOListElement);
    for (const radio of document.querySelectorAll("input[name=order]")) {
      radio.addEventListener("change", () => {
        this.order = /** @type {HTMLInputElement} */ (radio).value;
        if (this.figures) this.show(this.figures);
      });
    }
  }

  /** @param {Figures} figures */
  show(figures) {
    this.figures = figures;
    const turns = chosen(figures, this.order);
    const before = this.items;
    this.items = new Map(turns.map((turn) => [keyOf(turn), before.get(keyOf(turn)) ?? this.item(turn)]));
    const most = Math.max(...turns.map((turn) => turn.mic_to_speaker_ms ?? 0));
    for (const turn of turns) this.refresh(turn, figures.now_unix_ms, most);
    const items = [...this.items.values()];
    if (items.length === this.list.children.length && items.every((each, at) => each === this.list.children[at])) return;
    // What is moved loses the focus.
    const focused = document.activeElement;
    this.list.replaceChildren(...items);
    if (focused instanceof HTMLElement && focused.isConnected) focused.focus({ preventScroll: true });
  }

  /** @param {LoggedTurn} turn */
  item(turn) {
    const report = reportOf(turn);
    const picture = layout(report);
    const strip = draw("svg", { preserveAspectRatio: "none", class: "strip", "aria-hidden": "true" });
    if (picture) strip.append(...picture.rows.map((row) => bar(row, 8)));
    const time = make("span", picture ? "time" : "time is-silent", picture ? text("timing.ms", { ms: Math.round(picture.totalMs) }) : text("stats.silent"));
    const chevron = draw("svg", { class: "chevron", "aria-hidden": "true" });
    chevron.append(draw("use", { href: "#i-chevron" }));
    const summary = make("summary", "", time, make("span", "caption", make("span", "what"), make("span", "ending")), ...(picture ? [strip] : []), chevron);
    const details = make("details", "", summary, ...(picture ? waterfall(picture) : []), make("p", "fine"));
    const facts = [picture && accuracy(report), text("stats.where", { turn: number(turn.turn), session: turn.session }), turn.model];
    details.querySelector(".fine")?.append(facts.filter(Boolean).join(" "));
    return make("li", "", details);
  }

  /**
   * What changes with time: how long ago it was, how long beside the others, and whether its trace can be opened.
   * @param {LoggedTurn} turn
   * @param {number} nowMs
   * @param {number} mostMs of all that are shown
   */
  refresh(turn, nowMs, mostMs) {
    const item = this.items.get(keyOf(turn));
    const scale = (100 * mostMs) / (turn.mic_to_speaker_ms || mostMs || 1);
    item?.querySelector(".strip")?.setAttribute("viewBox", `0 0 ${scale.toFixed(1)} 8`);
    const [what, ending, fine] = [".what", ".ending", ".fine"].map((each) => item?.querySelector(each));
    const words = described(turn, nowMs);
    if (what && what.textContent !== words.what) what.textContent = words.what;
    if (ending) ending.textContent = words.ending;
    ending?.classList.toggle("is-wrong", words.wrong);
    const address = turn.sampled ? traceAddress(this.traceUrl, turn.trace_id) : "";
    if (!address || !fine || fine.querySelector("a")) return;
    const icon = draw("svg", { "aria-hidden": "true" });
    icon.append(draw("use", { href: "#i-link" }));
    fine.append(" ", Object.assign(make("a", "", text("timing.trace"), icon), { href: address, target: "_blank", rel: "noopener" }));
  }
}

/** @param {LoggedTurn} turn */
function keyOf({ session, turn, trace_id: trace }) {
  return `${session} ${turn} ${trace}`;
}

/** @param {Layout} picture */
function waterfall(picture) {
  const scale = make("div", "axis", axis(picture));
  scale.setAttribute("aria-hidden", "true");
  return [make("p", "verdict", picture.verdict), make("div", "waterfall", make("ol", "slices", ...picture.rows.map(slice)), scale)];
}
