/**
 * How much sound must wait before it is played, and when too much of it waits. Pure: counts samples, moves none.
 *
 * A reply starts when the target is there. Every time the sound runs out the target grows, and it shrinks again while all
 * goes well. Whoever sends ahead on purpose says by how much (the lead); what stays above target and lead for long is
 * latency that an underrun left behind, and is given back in small pieces.
 */

export const LEAST_SECONDS = 0.06;
export const MOST_SECONDS = 0.2;
const STEP_SECONDS = 0.02;
const CALM_SECONDS = 10;
const SLACK_SECONDS = 0.06;
const PATIENCE_SECONDS = 2;
const BETWEEN_DRAINS_SECONDS = 0.05;

export class JitterBuffer {
  /** @param {number} rate samples a second */
  constructor(rate) {
    this.rate = rate;
    this.target = LEAST_SECONDS;
    /** How far ahead the sender may be, seconds. */
    this.lead = 0;
    this.calm = 0;
    this.above = 0;
  }

  /**
   * True when playing may begin.
   * @param {number} waiting samples
   * @param {boolean} ended nothing more will come
   */
  enough(waiting, ended) {
    return waiting > 0 && (ended || waiting >= this.target * this.rate);
  }

  /** The sound ran out before its end. */
  ranDry() {
    this.target = Math.min(MOST_SECONDS, this.target + STEP_SECONDS);
    this.calm = 0;
  }

  /**
   * Sound was played.
   * @param {number} samples
   * @param {number} waiting samples that wait now
   */
  played(samples, waiting) {
    this.calm += samples / this.rate;
    if (this.calm >= CALM_SECONDS) {
      this.calm = 0;
      this.target = Math.max(LEAST_SECONDS, this.target - STEP_SECONDS);
    }
    const most = (this.target + this.lead + SLACK_SECONDS) * this.rate;
    this.above = waiting > most ? this.above + samples / this.rate : 0;
  }

  /** True when too much has waited for too long: a little should be left out where it is not missed. */
  get late() {
    return this.above >= PATIENCE_SECONDS;
  }

  /** A little was left out. */
  drained() {
    this.above -= BETWEEN_DRAINS_SECONDS;
  }
}
