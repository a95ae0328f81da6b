/** Plays a reply's sound from a queue: waits for a little of it, ducks, flushes, and says what it has played. */
const PREBUFFER_SECONDS = 0.06;
const REPORT_SECONDS = 0.1;
const RAMP_SECONDS = 0.005;

class Play extends AudioWorkletProcessor {
  constructor() {
    super();
    this.begin(0);
    this.port.onmessage = ({ data }) => this.take(data);
  }

  begin(reply) {
    this.reply = reply;
    /** @type {Float32Array[]} */
    this.queue = [];
    this.queued = 0;
    this.offset = 0;
    this.played = 0;
    this.underruns = 0;
    this.started = false;
    this.ended = false;
    this.told = true;
    this.reported = 0;
    this.gain = this.wanted = 1;
  }

  take(message) {
    if (message.begin) {
      this.begin(message.begin);
      this.told = false;
    } else if (message.samples && message.reply === this.reply) {
      this.queue.push(message.samples);
      this.queued += message.samples.length;
    } else if (message.gain !== undefined) {
      this.wanted = message.gain;
    } else if (message.flush) {
      this.queue = [];
      this.queued = this.offset = 0;
      this.ended = true;
    } else if (message.end) {
      this.ended = true;
    }
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, outputs) {
    const out = outputs[0][0];
    if (!this.started && (this.queued >= PREBUFFER_SECONDS * sampleRate || (this.ended && this.queued))) {
      this.started = true;
      if (!this.played) this.port.postMessage({ rendered: this.reply, at: currentTime });
    }
    const step = 1 / (RAMP_SECONDS * sampleRate);
    for (let place = 0; place < out.length; place++) {
      if (!this.started || !this.queued) break;
      const difference = this.wanted - this.gain;
      this.gain += Math.sign(difference) * Math.min(step, Math.abs(difference));
      out[place] = this.queue[0][this.offset++] * this.gain;
      this.played++;
      this.queued--;
      if (this.offset === this.queue[0].length) {
        this.queue.shift();
        this.offset = 0;
      }
    }
    if (this.started && !this.queued && !this.ended) {
      this.started = false;
      this.underruns++;
    }
    this.report();
    return true;
  }

  report() {
    const final = this.ended && !this.queued;
    if (this.told || (!final && currentTime - this.reported < REPORT_SECONDS)) return;
    this.reported = currentTime;
    this.told = final;
    this.port.postMessage({ reply: this.reply, played: this.played, underruns: this.underruns, at: currentTime, final });
  }
}

registerProcessor("play", Play);
