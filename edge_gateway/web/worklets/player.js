/** Plays what the worker sends, and tells it what was played. */

import { Playback } from "../model/playback.js";

const STATUS_SECONDS = 0.05;

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.playback = new Playback(sampleRate);
    this.told = 0;
    this.power = 0;
    /** @type {MessagePort | undefined} */
    this.worker = undefined;
    this.port.onmessage = ({ data }) => {
      const worker = /** @type {MessagePort} */ (data.port);
      this.worker = worker;
      worker.onmessage = (event) => this.take(event.data);
    };
  }

  /** @param {import("../model/messages.js").PlayerCommand} command */
  take(command) {
    const { playback } = this;
    if (command.do === "samples") playback.push(command.reply, command.samples);
    else if (command.do === "begin") playback.begin(command.reply);
    else if (command.do === "end") playback.end(command.reply);
    else if (command.do === "gain") playback.duck(command.gain);
    else if (command.do === "flush") playback.flush(command.reply);
    else playback.jitter.lead = command.seconds;
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, [[block]]) {
    const happened = this.playback.render(block);
    for (const sample of block) this.power += sample * sample;
    for (const { kind, offset, silent } of happened) this.tell(kind, currentTime + offset / sampleRate, silent);
    if (currentTime - this.told >= STATUS_SECONDS) this.tell("status", currentTime + block.length / sampleRate);
    return true;
  }

  /** @param {import("../model/messages.js").PlayerReport["kind"]} kind @param {number} at @param {boolean} [silent] */
  tell(kind, at, silent = false) {
    const { reply, played, underruns, over, playing, ring } = this.playback;
    const level = kind === "status" ? Math.sqrt(this.power / (sampleRate * Math.max(1e-3, currentTime - this.told))) : 0;
    if (kind === "status") {
      this.told = currentTime;
      this.power = 0;
    }
    /** @type {import("../model/messages.js").PlayerReport} */
    const report = { kind, at, reply, played, underruns, level, playing, waiting: ring.length, over, silent };
    this.worker?.postMessage(report);
  }
}

registerProcessor("player", Player);
