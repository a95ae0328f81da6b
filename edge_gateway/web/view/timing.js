/** The waterfall of a turn with its large figure, and the figures and turns of the visit. */

import { milliseconds, number, percent, text } from "../model/text.js";
import { layout, summary, traceAddress, wasSpoken } from "../model/waterfall.js";
import { draw, make, part } from "./dom.js";

/** @typedef {import("../model/waterfall.js").Report} Report */
/** @typedef {import("../model/waterfall.js").Layout} Layout */
/** @typedef {import("../model/waterfall.js").Row} Row */

const HISTORY = 50;

export class TimingView {
  constructor() {
    this.traceUrl = "";
    /** @type {Report[]} */
    this.reports = [];
    /** @type {Report | undefined} */
    this.selected = undefined;
    /** Reports by the key of their reply's line. @type {Map<number, Report>} */
    this.lines = new Map();
    this.toggle = part("timing-toggle", HTMLButtonElement);
    this.toggle.addEventListener("click", () => this.open(this.toggle.getAttribute("aria-expanded") !== "true"));
  }

  /** On a narrow page the waterfall lies behind one line. @param {boolean} open */
  open(open) {
    this.toggle.setAttribute("aria-expanded", String(open));
  }

  /** @param {Report[]} reports all of the visit, oldest first; the newest with a time is shown */
  show(reports) {
    this.reports = reports.filter((report) => layout(report));
    this.waits(false);
    const newest = this.reports.at(-1);
    if (!newest) return;
    document.body.removeAttribute("data-untimed");
    this.select(newest);
  }

  /** Nothing was measured yet. */
  forget() {
    this.reports = [];
    this.selected = undefined;
    this.lines.clear();
    this.open(false);
    this.figures();
    document.body.setAttribute("data-untimed", "");
  }

  /** The line with this key is the report's reply. @param {Report} report @param {number} key */
  belongs(report, key) {
    this.lines.set(key, report);
  }

  /** @param {number} key of a line */
  showLine(key) {
    const report = this.lines.get(key);
    if (!report) return;
    this.select(report);
    this.open(true);
  }

  /** The shown turn is not the one that is going on. @param {boolean} waiting */
  waits(waiting) {
    part("timing", HTMLElement).toggleAttribute("data-waits", waiting);
    if (waiting && this.selected) part("which", HTMLElement).textContent = text("timing.measuring");
  }

  /** @param {Report} report */
  select(report) {
    const picture = layout(report);
    if (!picture) return;
    this.selected = report;
    const place = this.reports.indexOf(report);
    const total = number(Math.round(picture.totalMs));
    part("total", HTMLElement).textContent = total;
    part("total-brief", HTMLElement).textContent = text("timing.ms", { ms: total });
    part("which", HTMLElement).textContent = text("timing.which", { turn: place + 1, turns: this.reports.length });
    part("what", HTMLElement).textContent = text(wasSpoken(report) ? "timing.micToSpeaker" : "timing.textToSpeaker");
    part("verdict", HTMLElement).textContent = picture.verdict;
    part("slices", HTMLElement).replaceChildren(...picture.rows.map(slice));
    part("strip", SVGElement).replaceChildren(...picture.rows.map((row) => bar(row, 8)));
    part("axis", HTMLElement).replaceChildren(axis(picture));
    part("accuracy", HTMLElement).textContent = accuracy(report);
    this.link(report);
    this.figures();
  }

  /** @param {Report} report */
  link(report) {
    const link = part("trace", HTMLAnchorElement);
    const address = traceAddress(this.traceUrl, report.trace_id);
    link.hidden = !address;
    if (address) link.href = address;
  }

  figures() {
    const { turns, p50, p95 } = summary(this.reports);
    part("p50", HTMLElement).textContent = turns ? text("timing.ms", { ms: Math.round(p50) }) : "–";
    part("p95", HTMLElement).textContent = turns ? text("timing.ms", { ms: Math.round(p95) }) : "–";
    part("turns", HTMLElement).textContent = number(turns);
    const most = Math.max(...this.reports.map((report) => report.mic_to_speaker_ms ?? 0));
    const rows = this.reports.slice(-HISTORY).map((report) => this.past(report, most));
    part("history", HTMLElement).replaceChildren(...rows.reverse());
  }

  /** One turn in the list. @param {Report} report @param {number} mostMs */
  past(report, mostMs) {
    const ms = report.mic_to_speaker_ms ?? 0;
    const picture = draw("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" });
    picture.append(draw("rect", { width: (100 * ms) / mostMs, height: 4, rx: 1 }));
    const said = make("span", "said", report.transcript || text(report.turn ? "timing.reminder" : "timing.greeting"));
    const button = make("button", "", said, make("span", "ms", text("timing.ms", { ms: Math.round(ms) })), picture);
    button.type = "button";
    button.setAttribute("aria-pressed", String(report === this.selected));
    button.addEventListener("click", () => this.select(report));
    const item = make("li", "", button);
    // Until the reply is over, this is what was told when it began.
    item.toggleAttribute("data-live", !report.outcome);
    return item;
  }
}

/** @param {Row} row */
export function slice(row) {
  const picture = draw("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  picture.append(bar(row, 10));
  const label = make("span", "label", row.label);
  const item = make("li", row.slowest ? "slowest" : "", label, picture, make("span", "ms", milliseconds(row.durationMs)));
  const values = { name: row.name, hint: row.hint, ms: milliseconds(row.startMs) };
  item.title = text(row.spills ? "timing.sliceSpills" : "timing.slice", values);
  item.dataset.name = row.name;
  item.dataset.start = row.startMs.toFixed(1);
  item.dataset.duration = row.durationMs.toFixed(1);
  return item;
}

/** @param {Row} row @param {number} height */
export function bar(row, height) {
  return draw("rect", { x: row.x.toFixed(2), width: row.width.toFixed(2), height, class: row.group });
}

/** @param {Layout} picture */
export function axis(picture) {
  const drawing = draw("svg", { viewBox: "0 0 100 12", "aria-hidden": "true" });
  const labels = picture.ticks.map(({ ms, x }) => {
    const label = draw("text", { x: `${x}%`, y: 10, "text-anchor": x < 4 ? "start" : x > 94 ? "end" : "middle" });
    label.textContent = number(ms);
    return label;
  });
  drawing.removeAttribute("viewBox");
  drawing.append(...labels);
  return drawing;
}

/** @param {Report} report */
export function accuracy(report) {
  const values = { share: percent(report.explained), ms: milliseconds(report.clock_uncertainty_ms) };
  return [report.head_start && text("timing.headStart"), text("timing.accuracy", values)].filter(Boolean).join(" ");
}
