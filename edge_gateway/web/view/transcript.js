/** Shows the transcript's lines, touching only those that changed, and keeps the newest in sight while nobody reads back. */

import { endingOf, speakerOf } from "../model/plain-text.js";
import { text } from "../model/text.js";
import { pieces } from "../model/transcript.js";
import { make, part } from "./dom.js";

/** @typedef {import("../model/transcript.js").Line} Line */
/** @typedef {import("../model/transcript.js").Transcript} Transcript */

const NEAR_END_PIXELS = 80;

export class TranscriptView {
  /**
   * @param {import("./announcer.js").Announcer} announcer
   * @param {(key: number) => void} onLatency when the time of a line is pressed
   */
  constructor(announcer, onLatency) {
    this.announcer = announcer;
    this.onLatency = onLatency;
    this.list = part("transcript", HTMLOListElement);
    this.scroller = part("scroll", HTMLElement);
    this.latest = part("latest", HTMLButtonElement);
    /** @type {Map<number, {line: Line, item: HTMLLIElement}>} */
    this.shown = new Map();
    this.follows = true;
    this.scroller.addEventListener("scroll", () => this.scrolled());
    this.latest.addEventListener("click", () => {
      // The button goes: who pressed it by key goes on from what it leads to.
      this.scroller.focus({ preventScroll: true });
      this.toEnd();
    });
    new ResizeObserver(() => this.follows && this.toEnd()).observe(this.scroller);
  }

  /** @param {Transcript} transcript @param {{quietly?: boolean}} [how] quietly: nothing of it is news */
  show(transcript, { quietly = false } = {}) {
    const keys = new Set(transcript.lines.map((line) => line.key));
    for (const [key, { item }] of this.shown) {
      if (keys.has(key)) continue;
      item.remove();
      this.shown.delete(key);
    }
    let changed = false;
    let place = 0;
    for (const line of transcript.lines) {
      changed = this.place(line, quietly) || changed;
      // A note of a function goes before the words that came of it.
      const item = this.shown.get(line.key)?.item;
      const there = this.list.children[place++] ?? null;
      if (item && item !== there) this.list.insertBefore(item, there);
    }
    document.body.toggleAttribute("data-empty", transcript.lines.length === 0);
    if (changed && this.follows) this.toEnd();
  }

  /** @param {Line} line @param {boolean} quietly @returns {boolean} true when something was drawn */
  place(line, quietly) {
    const known = this.shown.get(line.key);
    if (known?.line === line) return false;
    const item = known?.item ?? make("li");
    item.className = `line ${line.who} is-${line.state}${line.earlier ? " is-earlier" : ""}${line.called ? " is-call" : ""}`;
    item.replaceChildren(...this.content(line));
    this.shown.set(line.key, { line, item });
    if (!quietly && isFinal(line) && !(known && isFinal(known.line))) this.announce(line);
    return true;
  }

  /** @param {Line} line @returns {Node[]} */
  content(line) {
    const words = make("p", "words", ...pieces(line).map(({ text, tone }) => make(tone === "unheard" ? "s" : "span", tone, text)));
    if (line.who === "note") return [words];
    const content = [make("span", "quiet", `${speakerOf(line)}: `), words];
    const ending = endingOf(line);
    if (ending || line.latencyMs === line.latencyMs) content.push(this.footer(line, ending));
    return content;
  }

  /** @param {Line} line @param {string} ending */
  footer(line, ending) {
    const footer = make("p", "foot", ending);
    if (line.latencyMs === line.latencyMs) {
      const chip = make("button", "chip", text("timing.ms", { ms: Math.round(line.latencyMs) }));
      chip.type = "button";
      chip.title = text("transcript.chip");
      chip.addEventListener("click", () => this.onLatency(line.key));
      footer.prepend(chip);
    }
    return footer;
  }

  /** Only what will not change is read aloud by a screen reader. @param {Line} line */
  announce(line) {
    const words = line.state === "over" && line.outcome !== "REPLY_OUTCOME_COMPLETED" && line.heard ? line.heard : line.text;
    const ending = endingOf(line);
    const said = ending && !line.heard ? `${ending}.` : ending ? `${words} ${ending}.` : words;
    const speaker = speakerOf(line);
    this.announcer.say(speaker ? `${speaker}: ${said}` : said);
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PIXELS;
    this.latest.hidden = this.follows;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.follows = true;
    this.latest.hidden = true;
  }
}

/** @param {Line} line */
function isFinal(line) {
  return line.state === "final" || line.state === "over";
}
