/**
 * What the player worklet says, made known: to the gateway as marks and reports on the Unix clock, to the page as the
 * place that was heard. Reads no clock itself; knows nothing of sockets.
 */

import { microseconds } from "./messages.js";

/** @typedef {import("./messages.js").PlayerReport} PlayerReport */

/**
 * @typedef {object} Callbacks
 * @property {(seconds: number) => number} unix turns the context's time into seconds since the Unix epoch
 * @property {(request: object) => void} send to the gateway
 * @property {(position: {reply: number, samples: number, seconds: number}) => void} tell to the page
 */

/** Four reports a second: the gateway carries each on by the clock. */
const STATUSES_A_REPORT = 5;
const LEVELS_KEPT = 8;

export class PlaybackReports {
  /**
   * @param {number} contextRate
   * @param {number} rate in which the session counts a reply's samples
   * @param {Callbacks} callbacks
   */
  constructor(contextRate, rate, callbacks) {
    this.contextRate = contextRate;
    this.rate = rate;
    this.callbacks = callbacks;
    /** Latency of the loudspeaker, seconds. */
    this.latency = 0;
    this.statuses = 0;
    this.underruns = 0;
    /** @type {number[]} */
    this.levels = [];
    this.reply = 0;
  }

  /** Highest level in the last moments. */
  get loudest() {
    return Math.max(0, ...this.levels);
  }

  /** A reply begins; news of any other one is old. @param {number} reply 0: there is none */
  begin(reply) {
    this.reply = reply;
    this.statuses = 0;
    this.underruns = 0;
  }

  /** @param {PlayerReport} report */
  hear(report) {
    if (report.kind === "status") this.levels = [...this.levels.slice(1 - LEVELS_KEPT), report.level];
    if (!this.reply || report.reply !== this.reply) return;
    const audible = this.callbacks.unix(report.at + this.latency);
    if (report.kind === "rendered") {
      this.mark("CLIENT_MARK_KIND_FIRST_RENDERED", this.callbacks.unix(report.at));
      this.mark("CLIENT_MARK_KIND_FIRST_AUDIBLE", audible);
    } else if (report.kind === "ducked") this.mark("CLIENT_MARK_KIND_DUCKED", audible);
    else if (report.kind === "over") this.over(report, audible);
    else if (report.kind === "status" && report.played > 0 && !report.over) this.status(report);
  }

  /** @param {string} kind @param {number} at seconds since the Unix epoch */
  mark(kind, at) {
    this.callbacks.send({ mark: { kind, reply: this.reply, unix_us: microseconds(at) } });
  }

  /** @param {PlayerReport} report */
  status(report) {
    const samples = this.count(report.played - this.latency * this.contextRate);
    this.callbacks.tell({ reply: this.reply, samples, seconds: samples / this.rate });
    // The clock carries nothing on where playback runs dry, so that is told at once.
    if (report.underruns > this.underruns) this.statuses = 0;
    this.underruns = report.underruns;
    if (this.statuses++ % STATUSES_A_REPORT === 0) this.played(samples, report, this.callbacks.unix(report.at), false);
  }

  /**
   * What was rendered has been heard one latency later, and nothing after it will be.
   * @param {PlayerReport} report
   * @param {number} audible when, seconds since the Unix epoch
   */
  over(report, audible) {
    const samples = this.count(report.played);
    // What never sounded did not fall silent.
    if (report.silent && report.played > 0) this.mark("CLIENT_MARK_KIND_SILENT", audible);
    this.played(samples, report, audible, true);
    this.callbacks.tell({ reply: this.reply, samples, seconds: samples / this.rate });
    this.reply = 0;
  }

  /** @param {number} samples @param {PlayerReport} report @param {number} at Unix seconds @param {boolean} final */
  played(samples, { reply, underruns }, at, final) {
    this.callbacks.send({ played: { reply, samples, unix_us: microseconds(at), underruns, final } });
  }

  /** Samples of the context as the session counts them. @param {number} samples */
  count(samples) {
    return Math.max(0, Math.round((samples * this.rate) / this.contextRate));
  }
}
