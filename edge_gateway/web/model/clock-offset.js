/**
 * Puts the times of one clock on another, when all that is known is when news of the first arrived by the second.
 * Pure: reads no clock.
 *
 * News is never early: of all differences "arrived - said" the smallest is the nearest to the truth. The clocks drift,
 * so only the last seconds count; and a clock that stood still for a while, as an audio device's does, starts anew.
 */

const WINDOW_SECONDS = 8;
const STOOD_STILL_SECONDS = 1;

export class ClockOffset {
  /** Smallest difference in this half of the window and in the half before. */
  now = Infinity;
  before = Infinity;
  began = -Infinity;

  /**
   * News has arrived.
   * @param {number} said by the other clock, seconds
   * @param {number} arrived by our clock, seconds
   */
  see(said, arrived) {
    const difference = arrived - said;
    if (difference > this.difference + STOOD_STILL_SECONDS) this.now = this.before = Infinity;
    if (arrived - this.began > WINDOW_SECONDS / 2) {
      this.before = this.now;
      this.now = Infinity;
      this.began = arrived;
    }
    this.now = Math.min(this.now, difference);
  }

  /** Seconds from the other clock to ours; Infinity before the first news. */
  get difference() {
    return Math.min(this.now, this.before);
  }

  /** @param {number} seconds by the other clock @returns {number} by ours */
  toOurs(seconds) {
    return seconds + this.difference;
  }

  /** @param {number} seconds by our clock @returns {number} by the other */
  toTheirs(seconds) {
    return seconds - this.difference;
  }
}
