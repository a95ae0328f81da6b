/** Records, for tests, what comes from the microphone and what goes to the loudspeaker, both on one clock. */

class Tap extends AudioWorkletProcessor {
  /** @param {Float32Array[][]} inputs */
  process([[microphone], [speaker]]) {
    this.port.postMessage({ frame: currentFrame, microphone: microphone?.slice(), speaker: speaker?.slice() });
    return true;
  }
}

registerProcessor("tap", Tap);
