/**
 * Plays replies, one after the other, sample by sample: waits for a little sound, ducks and falls silent along short
 * ramps, fades where the sound runs out, and counts what was played. Pure: the player worklet gives it blocks to fill.
 */

import { JitterBuffer } from "./jitter-buffer.js";
import { RingBuffer } from "./ring-buffer.js";

export const RAMP_SECONDS = 0.005;
const DRAIN_SECONDS = 0.01;
/** -45 dB: what is left out there is not missed. */
const QUIET = 0.0056;

/**
 * Something that happened within a block, `offset` samples after its first one.
 * "rendered": the first sample of a reply; "dry": it ran out; "ducked": the lower loudness is reached; "over": all has
 * been played, or, when `silent`, the rest was thrown away.
 * @typedef {{kind: "rendered" | "dry" | "ducked" | "over", reply: number, offset: number, silent?: boolean}} PlaybackEvent
 */

export class Playback {
  reply = 0;
  /** Samples of the reply that were played, or left out on the way. */
  played = 0;
  underruns = 0;
  playing = false;
  ended = false;
  /** Falling silent: what is left is thrown away. */
  stopping = false;
  over = true;
  /** Loudness now and soon; `fade` is for where sound begins again after it ran out. */
  gain = 1;
  wanted = 1;
  fade = 1;

  /** @param {number} rate samples a second */
  constructor(rate) {
    this.step = 1 / (RAMP_SECONDS * rate);
    this.drain = Math.round(DRAIN_SECONDS * rate);
    this.jitter = new JitterBuffer(rate);
    this.ring = new RingBuffer();
    this.spare = new Float32Array(0);
    /** @type {PlaybackEvent[]} */
    this.happened = [];
  }

  /** A new reply follows; what is left of an old one is gone. @param {number} reply from 1 */
  begin(reply) {
    this.reply = reply;
    this.ring.clear();
    this.played = this.underruns = 0;
    this.playing = this.ended = this.stopping = this.over = false;
    this.gain = this.wanted = this.fade = 1;
  }

  /** @param {number} reply late sound of another one is left out @param {Float32Array} samples */
  push(reply, samples) {
    if (reply === this.reply && !this.stopping && !this.over) this.ring.write(samples);
  }

  /** Nothing more will come. @param {number} reply */
  end(reply) {
    if (reply === this.reply) this.ended = true;
  }

  /** @param {number} gain loudness to reach, 1: full */
  duck(gain) {
    if (!this.stopping) this.wanted = gain;
  }

  /** Throws away what has not been played. @param {number} reply */
  flush(reply) {
    if (reply !== this.reply || this.over) return;
    this.stopping = this.ended = true;
    this.wanted = 0;
    if (!this.playing) this.finish(0);
  }

  /**
   * Fills a block that holds silence.
   * @param {Float32Array} block
   * @returns {PlaybackEvent[]} what happened in it
   */
  render(block) {
    if (!this.playing && !this.over) this.start();
    if (this.playing) this.fill(block);
    const { happened } = this;
    // Most blocks need no new list, and the audio thread should leave no rubbish behind.
    if (happened.length) this.happened = [];
    return happened;
  }

  start() {
    this.playing = this.jitter.enough(this.ring.length, this.ended);
    if (this.playing && this.played === 0) this.tell("rendered", 0);
    if (!this.playing && this.ended) this.finish(0);
  }

  /** @param {Float32Array} block */
  fill(block) {
    if (this.jitter.late && this.quiet(block.length)) this.leaveOut(block);
    const count = this.ring.peek(block);
    this.ring.drop(count);
    const starved = count < block.length && !this.ended;
    if (!this.shape(block, count, starved ? 1 / count : 0)) return;
    this.played += count;
    this.jitter.played(count, this.ring.length);
    if (starved) {
      this.playing = false;
      this.underruns++;
      this.fade = 0;
      this.jitter.ranDry();
      this.tell("dry", count);
    } else if (this.ended && this.ring.length === 0) this.finish(count);
  }

  /**
   * Brings the block to its loudness.
   * @param {Float32Array} block
   * @param {number} count samples that were taken for it
   * @param {number} fading how much softer each sample becomes, where the sound runs out
   * @returns {boolean} false: it fell silent on the way
   */
  shape(block, count, fading) {
    for (let place = 0; place < count; place++) {
      if (this.gain !== this.wanted && this.ramp(place) && this.stopping) {
        block.fill(0, place);
        this.played += place;
        this.finish(place);
        return false;
      }
      this.fade = fading ? Math.max(0, this.fade - fading) : Math.min(1, this.fade + this.step);
      block[place] *= this.gain * this.fade;
    }
    return true;
  }

  /** One step towards the wanted loudness. @param {number} place @returns {boolean} true: it is reached */
  ramp(place) {
    const way = this.wanted - this.gain;
    if (Math.abs(way) > this.step) {
      this.gain += Math.sign(way) * this.step;
      return false;
    }
    this.gain = this.wanted;
    if (this.gain > 0 && this.gain < 1) this.tell("ducked", place);
    return true;
  }

  /** True when nothing much is to be heard in what would be left out. @param {number} length of a block */
  quiet(length) {
    const ahead = this.sound(length + this.drain);
    return ahead.length > 0 && ahead.every((sample) => Math.abs(sample) < QUIET);
  }

  /** Leaves a little out: the block in front fades into the one that is played instead. @param {Float32Array} block */
  leaveOut(block) {
    const ahead = this.sound(block.length + this.drain);
    const last = block.length - 1;
    for (let place = 0; place < block.length; place++) {
      const share = place / last;
      ahead[this.drain + place] = (1 - share) * ahead[place] + share * ahead[this.drain + place];
    }
    this.ring.drop(this.drain);
    this.ring.overwrite(ahead.subarray(this.drain));
    this.played += this.drain;
    this.jitter.drained();
  }

  /** A copy of the next samples; empty when there are fewer. @param {number} count */
  sound(count) {
    if (this.spare.length !== count) this.spare = new Float32Array(count);
    return this.ring.peek(this.spare) === count ? this.spare : this.spare.subarray(0, 0);
  }

  /** @param {number} offset */
  finish(offset) {
    this.tell("over", offset, this.stopping);
    this.ring.clear();
    this.playing = false;
    this.over = true;
  }

  /** @param {PlaybackEvent["kind"]} kind @param {number} offset @param {boolean} [silent] */
  tell(kind, offset, silent) {
    this.happened.push({ kind, reply: this.reply, offset, ...(silent === undefined ? {} : { silent }) });
  }
}
