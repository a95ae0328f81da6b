/**
 * The orb: shows who speaks, and how loud, without a word. Each status differs in shape as well as in colour. With reduced
 * motion nothing moves by itself; rings and bars still follow the sound, since that is what they are for.
 */

import { bars, body, dots, halo, ring } from "./orb-shapes.js";

/** @typedef {import("../model/status.js").Status} Status */
/** @typedef {import("./orb-shapes.js").Colour} Colour */

const FRAME_MS = 30;
/** The canvas is this much wider than the button, for what is drawn around it. */
const MARGIN = 1.7;
const PIXELS = 400;
const STILL = new Set(["idle", "failed", "muted", "deaf", "waiting"]);

export class Orb {
  /** @param {HTMLCanvasElement} canvas its CSS `color` and `outline-color` are the orb's two colours, `border-color` that of what stands on it */
  constructor(canvas) {
    this.canvas = canvas;
    canvas.width = canvas.height = PIXELS;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no canvas");
    this.context = context;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    /** @type {Status} */
    this.status = "idle";
    this.ducked = false;
    this.sound = { input: 0, output: 0 };
    this.level = this.echo = 0;
    /** @type {[Colour, Colour, Colour]} */
    this.colours = this.wanted();
    this.last = 0;
    this.running = false;
    for (const each of [this.calm, matchMedia("(prefers-color-scheme: dark)"), matchMedia("(forced-colors: active)")]) {
      each.addEventListener("change", () => this.run());
    }
    new MutationObserver(() => this.run()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.run();
  }

  /** @param {Status} status @param {boolean} ducked */
  show(status, ducked) {
    this.status = status;
    this.ducked = ducked;
    this.run();
  }

  /** @param {number} input RMS 0 to 1 @param {number} output RMS 0 to 1 */
  hear(input, output) {
    this.sound = { input, output };
  }

  /** Draw until nothing moves any more. */
  run() {
    this.moves = 40;
    if (this.running) return;
    this.running = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  /** @param {number} now */
  frame(now) {
    if (now - this.last >= FRAME_MS) {
      this.last = now;
      this.moves = STILL.has(this.status) ? (this.moves ?? 0) - 1 : 40;
      this.follow();
      this.paint(now / 1000);
    }
    this.running = (this.moves ?? 0) > 0;
    if (this.running) requestAnimationFrame((next) => this.frame(next));
  }

  /** Let level and colours go after what they should be. */
  follow() {
    const speaking = this.status === "speaking" || this.status === "interrupted";
    const heard = STILL.has(this.status) ? 0 : loudness(speaking ? this.sound.output : this.sound.input);
    this.level += (heard - this.level) * (heard > this.level ? 0.55 : 0.18);
    this.echo += (this.level - this.echo) * 0.09;
    const wanted = this.wanted();
    this.colours = [blend(this.colours[0], wanted[0]), blend(this.colours[1], wanted[1]), wanted[2]];
  }

  /** The colours that the style sheet gives this status. @returns {[Colour, Colour, Colour]} */
  wanted() {
    const style = getComputedStyle(this.canvas);
    return [colour(style.color), colour(style.outlineColor), colour(style.borderTopColor)];
  }

  /** @param {number} seconds */
  paint(seconds) {
    const { context: canvas, status, level } = this;
    const time = this.calm.matches ? 0 : seconds;
    const [deep, bright, ink] = this.colours;
    const radius = PIXELS / 2 / MARGIN;
    const size = status === "interrupted" || this.ducked ? 0.84 : status === "speaking" ? 0.94 + 0.06 * level : 0.94;
    canvas.setTransform(1, 0, 0, 1, 0, 0);
    canvas.clearRect(0, 0, PIXELS, PIXELS);
    canvas.setTransform(1, 0, 0, 1, PIXELS / 2, PIXELS / 2);
    if (status !== "idle" && status !== "failed" && status !== "muted" && status !== "deaf") halo(canvas, radius, bright, level);
    this.around(radius, time);
    const swells = status === "speaking" || status === "hearing" || status === "listening" || status === "thinking";
    body(canvas, radius * size, [deep, bright], this.calm.matches || !swells ? 0 : 0.25 + 0.75 * level, time);
    if (status === "speaking") bars(canvas, radius, ink, this.ducked ? level * 0.3 : level, time);
    if (status === "thinking") dots(canvas, radius, ink, time);
  }

  /** What is drawn around the body. @param {number} radius @param {number} time */
  around(radius, time) {
    const { context: canvas, status, level, echo } = this;
    const bright = this.colours[0];
    if (status === "listening" || status === "hearing") {
      ring(canvas, radius * (1.02 + 0.5 * echo), bright, { alpha: 0.22, width: 4 });
      ring(canvas, radius * (1.02 + 0.34 * level), bright, { alpha: 0.5, width: 4 });
    } else if (status === "thinking") {
      ring(canvas, radius * 1.12, bright, { alpha: 0.75, width: 5, dashes: [0.2, 0.8], turn: time * 3.2 });
      ring(canvas, radius * 1.12, bright, { alpha: 0.15, width: 5 });
    } else if (status === "asking" || status === "connecting" || status === "reconnecting") {
      ring(canvas, radius * 1.12, bright, { alpha: 0.8, width: 5, dashes: [0.06, 0.065], turn: time * 0.9 });
    } else if (status === "interrupted") {
      ring(canvas, radius * 1.12, bright, { alpha: 0.85, width: 6, dashes: [0.17, 0.08], turn: 0.4 });
    } else if (status === "waiting") {
      ring(canvas, radius * 1.1, bright, { alpha: 0.6, width: 3 });
    } else if (status === "muted" || status === "deaf" || status === "failed") {
      ring(canvas, radius * 1.1, bright, { alpha: 0.6, width: 3, dashes: [0.02, 0.02] });
    }
  }
}

/** How loud a person finds it: 0 at -55 dB and below, 1 at -10 dB. @param {number} rms */
function loudness(rms) {
  return Math.min(1, Math.max(0, (20 * Math.log10(rms + 1e-9) + 55) / 45));
}

/** @param {string} text as getComputedStyle gives it @returns {Colour} */
function colour(text) {
  const [red = 0, green = 0, blue = 0] = (text.match(/[\d.]+/g) ?? []).map(Number);
  return [red, green, blue];
}

/** @param {Colour} from @param {Colour} to @returns {Colour} */
function blend(from, to) {
  const step = (/** @type {0 | 1 | 2} */ place) => from[place] + (to[place] - from[place]) * 0.16;
  return [step(0), step(1), step(2)];
}
