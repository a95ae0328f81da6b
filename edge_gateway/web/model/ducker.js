/**
 * Makes a reply softer as soon as somebody seems to speak over it, before the gateway is sure. Pure: counts blocks of
 * the microphone's sound, reads no clock.
 *
 * A guess that the gateway does not confirm is taken back, and the next one waits longer. So that the assistant's own
 * echo is no guess, the microphone must be clearly louder than what it usually gets of the loudspeaker.
 */

export const DUCKED = 10 ** (-18 / 20);

const BLOCK_SECONDS = 0.01;
const LOUD_BLOCKS = 6;
const UNCONFIRMED_BLOCKS = 40;
/** Blocks at the start of a reply in which only the echo is learned. */
const LEARNING_BLOCKS = 50;
const FIRST_PAUSE_SECONDS = 2;
const LONGEST_PAUSE_SECONDS = 32;
/** -42 dB: below this nobody speaks to a microphone. */
const LEAST_LEVEL = 0.008;
const ABOVE_FLOOR = 4;
const ABOVE_ECHO = 2.5;
const FLOOR_RISE = 1.004;
/** Steps of the echo's share; where they balance, six blocks of seven are softer. */
const ECHO_RISE = 1.06;
const ECHO_FALL = 0.99;
const FIRST_ECHO = 0.05;
const SMALLEST_ECHO = 0.001;
/** -60 dB: a pause of the reply says nothing about its echo. */
const AUDIBLE = 0.001;

export class Ducker {
  constructor() {
    this.floor = 1;
    /** What the microphone mostly gets of the loudspeaker, as a share of it. */
    this.echo = FIRST_ECHO;
    this.loud = 0;
    this.learned = 0;
    /** Blocks since an unconfirmed guess; -1: there is none. */
    this.guessed = -1;
    this.pause = 0;
    this.nextPause = FIRST_PAUSE_SECONDS;
    /** What the gateway wants. */
    this.authority = 1;
  }

  /** Loudness that the reply should have. */
  get gain() {
    return this.guessed < 0 ? this.authority : Math.min(DUCKED, this.authority);
  }

  /** A reply begins. */
  begin() {
    this.authority = 1;
    this.guessed = -1;
    this.loud = this.learned = 0;
  }

  /** The gateway decided. @param {number} gain 1: full */
  decide(gain) {
    this.authority = gain;
    if (gain < 1) this.nextPause = FIRST_PAUSE_SECONDS;
    this.guessed = -1;
    this.loud = 0;
  }

  /**
   * A block of the microphone's sound.
   * @param {number} input its level, RMS
   * @param {number} output highest level of the loudspeaker in the last moments, RMS; 0: nothing plays
   */
  hear(input, output) {
    this.pause = Math.max(0, this.pause - BLOCK_SECONDS);
    const loud = input > Math.max(LEAST_LEVEL, ABOVE_FLOOR * this.floor, ABOVE_ECHO * this.echo * output);
    this.learn(input, output);
    if (this.guessed >= 0) this.wait();
    else if (this.mayGuess(output)) {
      this.loud = loud ? this.loud + 1 : 0;
      if (this.loud >= LOUD_BLOCKS) this.guessed = 0;
    } else this.loud = 0;
  }

  /** @param {number} output */
  mayGuess(output) {
    return output > 0 && this.learned > LEARNING_BLOCKS && this.pause === 0 && this.authority === 1;
  }

  /** In steps, whatever their size: a click or a word moves the echo's share only a little. @param {number} input @param {number} output */
  learn(input, output) {
    if (output > AUDIBLE && this.gain === 1) {
      this.learned++;
      this.echo = Math.max(SMALLEST_ECHO, this.echo * (input / output > this.echo ? ECHO_RISE : ECHO_FALL));
    } else if (output === 0) this.floor = Math.min(Math.max(input, 1e-5), this.floor * FLOOR_RISE);
  }

  wait() {
    this.guessed++;
    if (this.guessed < UNCONFIRMED_BLOCKS) return;
    this.guessed = -1;
    this.loud = 0;
    this.pause = this.nextPause;
    this.nextPause = Math.min(LONGEST_PAUSE_SECONDS, 2 * this.nextPause);
  }
}
