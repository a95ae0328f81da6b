/** A queue of samples in one array that grows when it must. Pure. */

const FIRST_CAPACITY = 1 << 16;
const LAST_CAPACITY = 1 << 22;

export class RingBuffer {
  constructor() {
    this.samples = new Float32Array(FIRST_CAPACITY);
    this.first = 0;
    /** Samples that wait. */
    this.length = 0;
  }

  /**
   * Adds samples at the end.
   * @param {Float32Array} samples
   * @returns {number} how many were taken; fewer only when a minute and more waits already
   */
  write(samples) {
    while (this.length + samples.length > this.samples.length && this.samples.length < LAST_CAPACITY) this.grow();
    const count = Math.min(samples.length, this.samples.length - this.length);
    const place = (this.first + this.length) % this.samples.length;
    const straight = Math.min(count, this.samples.length - place);
    this.samples.set(samples.subarray(0, straight), place);
    this.samples.set(samples.subarray(straight, count), 0);
    this.length += count;
    return count;
  }

  /**
   * Copies samples from the front and leaves them there.
   * @param {Float32Array} into filled as far as there are samples
   * @param {number} [skip] samples at the front to pass over
   * @returns {number} how many there were
   */
  peek(into, skip = 0) {
    const count = Math.max(0, Math.min(into.length, this.length - skip));
    const place = (this.first + skip) % this.samples.length;
    const straight = Math.min(count, this.samples.length - place);
    into.set(this.samples.subarray(place, place + straight));
    into.set(this.samples.subarray(0, count - straight), straight);
    return count;
  }

  /** Puts other samples in the place of those at the front. @param {Float32Array} samples at most `length` */
  overwrite(samples) {
    const straight = Math.min(samples.length, this.samples.length - this.first);
    this.samples.set(samples.subarray(0, straight), this.first);
    this.samples.set(samples.subarray(straight), 0);
  }

  /**
   * Takes samples from the front.
   * @param {number} count at most `length`
   */
  drop(count) {
    const gone = Math.min(count, this.length);
    this.first = (this.first + gone) % this.samples.length;
    this.length -= gone;
  }

  clear() {
    this.first = this.length = 0;
  }

  grow() {
    const larger = new Float32Array(2 * this.samples.length);
    this.peek(larger);
    this.samples = larger;
    this.first = 0;
  }
}
