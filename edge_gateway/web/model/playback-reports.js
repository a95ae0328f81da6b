/**
 * What the play worklet says, made known: to the gateway as marks and reports on the Unix clock, to the page as the
 * place that was heard. Reads no clock itself; knows nothing of sockets.
 */

import { microseconds } from "./messages.js";

/** @typedef {import("./messages.js").PlayerNews} PlayerNews */

/**
 * @typedef {object} Ways
 * @property {(seconds: number) => number} unix turns the context's time into seconds since the Unix epoch
 * @property {(request: object) => void} send to the gateway
 * @property {(position: {reply: number, samples: number, seconds: number}) => void} tell to the page
 */

const STATUSES_A_REPORT = 2;
const LEVELS_KEPT = 8;

export class Speaker {
  /**
   * @param {number} contextRate
   * @param {number} rate in which the session counts a reply's samples
   * @param {Ways} ways
   */
  constructor(contextRate, rate, ways) {
    this.contextRate = contextRate;
    this.rate = rate;
    this.ways = ways;
    /** Latency of the loudspeaker, seconds. */
    this.latency = 0;
    this.statuses = 0;
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
  }

  /** @param {PlayerNews} news */
  hear(news) {
    if (news.kind === "status") this.levels = [...this.levels.slice(1 - LEVELS_KEPT), news.level];
    if (!this.reply || news.reply !== this.reply) return;
    const audible = this.ways.unix(news.at + this.latency);
    if (news.kind === "rendered") {
      this.mark("CLIENT_MARK_KIND_FIRST_RENDERED", this.ways.unix(news.at));
      this.mark("CLIENT_MARK_KIND_FIRST_AUDIBLE", audible);
    } else if (news.kind === "ducked") this.mark("CLIENT_MARK_KIND_DUCKED", audible);
    else if (news.kind === "over") this.over(news, audible);
    else if (news.kind === "status" && news.played > 0 && !news.over) this.status(news);
  }

  /** @param {string} kind @param {number} at seconds since the Unix epoch */
  mark(kind, at) {
    this.ways.send({ mark: { kind, reply: this.reply, unix_us: microseconds(at) } });
  }

  /** @param {PlayerNews} news */
  status(news) {
    const samples = this.count(news.played - this.latency * this.contextRate);
    this.ways.tell({ reply: this.reply, samples, seconds: samples / this.rate });
    if (this.statuses++ % STATUSES_A_REPORT === 0) this.played(samples, news, this.ways.unix(news.at), false);
  }

  /**
   * What was rendered has been heard one latency later, and nothing after it will be.
   * @param {PlayerNews} news
   * @param {number} audible when, seconds since the Unix epoch
   */
  over(news, audible) {
    const samples = this.count(news.played);
    if (news.silent) this.mark("CLIENT_MARK_KIND_SILENT", audible);
    this.played(samples, news, audible, true);
    this.ways.tell({ reply: this.reply, samples, seconds: samples / this.rate });
    this.reply = 0;
  }

  /** @param {number} samples @param {PlayerNews} news @param {number} at Unix seconds @param {boolean} final */
  played(samples, { reply, underruns }, at, final) {
    this.ways.send({ played: { reply, samples, unix_us: microseconds(at), underruns, final } });
  }

  /** Samples of the context as the session counts them. @param {number} samples */
  count(samples) {
    return Math.max(0, Math.round((samples * this.rate) / this.contextRate));
  }
}
