/** The page of figures: what is at a glance, the servers, the stages; turns are turn-list.js's. */

import { endings, health, measures, most, stages } from "../model/figures.js";
import { ago, milliseconds, number, text } from "../model/text.js";
import { draw, make, part } from "./dom.js";
import { TurnListView } from "./turn-list.js";

/** @typedef {import("../model/figures.js").Figures} Figures */
/** @typedef {import("../model/figures.js").Server} Server */
/** @typedef {import("../model/figures.js").Stage} Stage */

export class StatusView {
  /** @param {(paused: boolean) => void} onPause */
  constructor(onPause) {
    /** @type {Figures | undefined} */
    this.figures = undefined;
    this.list = new TurnListView();
    this.trouble = part("trouble", HTMLElement);
    const pause = part("pause", HTMLButtonElement);
    pause.addEventListener("click", () => {
      const paused = pause.getAttribute("aria-pressed") !== "true";
      pause.setAttribute("aria-pressed", String(paused));
      part("pause-label", HTMLElement).textContent = text(paused ? "stats.resume" : "stats.pause");
      onPause(paused);
    });
  }

  /** Where one trace is shown. @param {string} template with {trace_id} in it, or "" */
  linkTraces(template) {
    this.list.traceUrl = template;
    if (this.figures) this.list.show(this.figures);
  }

  /** @param {Figures} figures */
  show(figures) {
    this.figures = figures;
    this.trouble.hidden = true;
    this.glance(figures);
    part("servers", HTMLElement).replaceChildren(...figures.servers.map(server));
    const rows = stages(figures);
    part("stages", HTMLElement).replaceChildren(...rows.map(stage));
    part("stages-section", HTMLElement).hidden = rows.length === 0;
    part("empty", HTMLElement).hidden = figures.turns.length > 0;
    part("measured", HTMLElement).hidden = figures.turns.length === 0;
    this.list.show(figures);
    const since = ago((figures.now_unix_ms - figures.started_unix_ms) / 1000);
    say("about", figures.version ? text("stats.about", { version: figures.version, since }) : text("stats.aboutUnversioned", { since }));
    document.body.setAttribute("data-shown", "");
  }

  /** The gateway gave no figures: those that stand here are old. */
  fails() {
    const words = this.trouble.querySelector("span");
    const time = this.figures && new Date(this.figures.now_unix_ms).toLocaleTimeString(document.documentElement.lang);
    const told = time ? text("stats.lost", { time }) : text("stats.never");
    if (words && words.textContent !== told) words.textContent = told;
    this.trouble.hidden = false;
  }

  /** @param {Figures} figures */
  glance(figures) {
    const { sessions, percentiles, turns } = figures;
    const spoken = percentiles["mic_to_speaker_ms"];
    say("sessions", number(sessions.active));
    say("sessions-of", most(figures));
    say("p50", spoken ? text("timing.ms", { ms: Math.round(spoken.p50) }) : "–");
    say("p95", spoken ? text("timing.ms", { ms: Math.round(spoken.p95) }) : "–");
    say("p99", spoken ? text("stats.p99", { ms: Math.round(spoken.p99) }) : "");
    say("turns", number(turns.length));
    say("outcomes", turns.length ? endings(turns) || text("stats.allAnswered") : "");
  }
}

/** @param {string} id @param {string} words */
function say(id, words) {
  part(id, HTMLElement).textContent = words;
}

/** @param {Server} found */
function server(found) {
  const { word, tone, told } = health(found);
  const state = make("span", `state is-${tone}`, word);
  const head = make("div", "head", make("h3", "", text(`engine.${found.name}`)), state);
  const engine = [found.engine, found.model].filter(Boolean).join(" · ");
  const figures = make("dl", "measures", ...measures(found).map(({ key, label, value, more }) => {
    const row = make("div", value === "–" ? "is-unknown" : "", make("dt", "", label), make("dd", "", value), ...(more ? [make("dd", "more", more)] : []));
    row.dataset.key = key;
    return row;
  }));
  const where = [found.address, found.version && text("stats.version", { version: found.version })].filter(Boolean).join(" · ");
  const item = make("li", "server", head, ...(engine ? [make("p", "engine", engine)] : []), ...(told ? [make("p", `told is-${tone}`, told)] : []), ...(figures.children.length ? [figures] : []), make("p", "where", where));
  item.dataset.name = found.name;
  item.dataset.state = found.state;
  return item;
}

/** @param {Stage} found */
function stage({ name, label, hint, group, half, most, figures }) {
  const picture = draw("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  picture.append(draw("rect", { width: most.toFixed(2), height: 10, class: `${group} faint` }), draw("rect", { width: half.toFixed(2), height: 10, class: group }));
  const head = make("th", "", make("span", "", label), picture);
  head.scope = "row";
  head.title = hint ? `${name}: ${hint}` : name;
  const row = make("tr", "", head, ...[figures.p50, figures.p95, figures.p99].map((value) => make("td", "", milliseconds(value))));
  row.dataset.name = name;
  return row;
}
