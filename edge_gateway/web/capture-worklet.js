/** Gathers the microphone's sound into packets of 20 ms and hands each over with the time of its first sample. */
class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.packet = new Float32Array(Math.round(sampleRate / 50));
    this.filled = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const sound = inputs[0][0];
    if (!sound) return true;
    for (let place = 0; place < sound.length; ) {
      const count = Math.min(sound.length - place, this.packet.length - this.filled);
      this.packet.set(sound.subarray(place, place + count), this.filled);
      place += count;
      this.filled += count;
      if (this.filled === this.packet.length) {
        const end = currentTime + place / sampleRate;
        const samples = this.packet;
        this.packet = new Float32Array(samples.length);
        this.filled = 0;
        this.port.postMessage({ samples, at: end - samples.length / sampleRate }, [samples.buffer]);
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
