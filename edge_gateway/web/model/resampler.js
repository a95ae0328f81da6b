/** Changes the sample rate of a stream of samples by a windowed sinc, in exact fractions. Pure. */

const HALF_WIDTH = 16;
const PASSED = 0.94;

export class Resampler {
  /**
   * @param {number} fromRate samples a second, whole
   * @param {number} toRate samples a second, whole
   */
  constructor(fromRate, toRate) {
    const common = divisor(fromRate, toRate);
    this.up = toRate / common;
    this.down = fromRate / common;
    const cutoff = PASSED * Math.min(1, toRate / fromRate);
    this.half = Math.ceil(HALF_WIDTH / cutoff);
    this.kernels = Array.from({ length: this.up }, (_, phase) => kernel(phase / this.up, this.half, cutoff));
    /** What came before, then what has come: begins with silence so that the first sample has its past. */
    this.kept = new Float32Array(this.half);
    /** The next output, in steps of 1/up of an input sample after the first kept one. */
    this.next = this.half * this.up;
  }

  /**
   * @param {Float32Array} samples
   * @returns {Float32Array<ArrayBuffer>} as many as can be made; the rest comes with the next call
   */
  push(samples) {
    const input = new Float32Array(this.kept.length + samples.length);
    input.set(this.kept);
    input.set(samples, this.kept.length);
    const last = (input.length - this.half) * this.up;
    const output = new Float32Array(Math.max(0, Math.ceil((last - this.next) / this.down)));
    for (let place = 0; place < output.length; place++, this.next += this.down) {
      output[place] = this.at(input, Math.floor(this.next / this.up), this.kernels[this.next % this.up]);
    }
    const gone = Math.min(input.length, Math.floor(this.next / this.up) - this.half + 1);
    this.next -= gone * this.up;
    this.kept = input.slice(gone);
    return output;
  }

  /** @param {Float32Array} input @param {number} centre @param {Float32Array} weights */
  at(input, centre, weights) {
    let sum = 0;
    const first = centre - this.half + 1;
    for (let tap = 0; tap < weights.length; tap++) sum += weights[tap] * (input[first + tap] ?? 0);
    return sum;
  }
}

/** @param {number} offset of the wanted sample after the centre, 0 to 1 @param {number} half @param {number} cutoff */
function kernel(offset, half, cutoff) {
  const weights = Float64Array.from({ length: 2 * half }, (_, tap) => weight(tap - half + 1 - offset, half, cutoff));
  const whole = weights.reduce((sum, each) => sum + each, 0);
  return Float32Array.from(weights, (each) => each / whole);
}

/** @param {number} distance @param {number} half @param {number} cutoff */
function weight(distance, half, cutoff) {
  if (Math.abs(distance) >= half) return 0;
  const angle = Math.PI * cutoff * distance;
  return (angle === 0 ? 1 : Math.sin(angle) / angle) * (0.5 + 0.5 * Math.cos((Math.PI * distance) / half));
}

/** @param {number} a @param {number} b @returns {number} */
function divisor(a, b) {
  return b === 0 ? a : divisor(b, a % b);
}
