/** Gathers the microphone's sound into blocks of 10 ms and hands each over with the time of its first sample. */

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.round(sampleRate / 100));
    this.filled = 0;
    this.muted = false;
    /** @type {MessagePort | undefined} */
    this.out = undefined;
    this.port.onmessage = ({ data }) => {
      if (data.port) this.out = data.port;
      if (data.muted !== undefined) this.muted = data.muted;
    };
  }

  /** @param {Float32Array[][]} inputs */
  process([[sound]]) {
    if (!sound || !this.out) return true;
    for (let place = 0; place < sound.length; ) {
      const count = Math.min(sound.length - place, this.block.length - this.filled);
      if (!this.muted) this.block.set(sound.subarray(place, place + count), this.filled);
      place += count;
      this.filled += count;
      if (this.filled === this.block.length) this.hand(currentTime + (place - this.filled) / sampleRate, this.out);
    }
    return true;
  }

  /** @param {number} at context seconds @param {MessagePort} out */
  hand(at, out) {
    out.postMessage({ samples: this.block, at }, [this.block.buffer]);
    this.block = new Float32Array(Math.round(sampleRate / 100));
    this.filled = 0;
  }
}

registerProcessor("capture", Capture);
