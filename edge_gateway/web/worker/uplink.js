/**
 * From the microphone to the gateway: blocks of sound become packets of 20 ms, each with its capture time. Opus where
 * the browser has an encoder, else PCM. Silent ones are left out, and as many share a frame as the gateway allows. Knows
 * nothing of sockets.
 */

import { Repacketizer } from "../model/repacketizer.js";
import { Resampler } from "../model/resampler.js";
import { SilenceGate, levelDb } from "../model/silence.js";
import { MIC_OPUS, MIC_PCM, packMic, toS16le } from "./frames.js";

/** Nothing above 8 kHz is listened to, and to decode what is sent of it is two fifths of the work. Otherwise any browser's. */
const OPUS_RATES = [16000, 48000];
const PCM_RATE = 16000;
const PACKETS_A_SECOND = 50;
/** Sound that is still sent after push-to-talk was let go, so that the last word keeps its end. */
const TAIL_PACKETS = 8;
/** What may wait for the network: a few seconds of sound. Older words are of no use to a conversation. */
const MOST_WAITING_BYTES = 128 * 1024;
/** A microphone that has brought nothing for so long has stopped: it was taken away, or the browser has paused. */
const STOPPED_MS = 100;

/** @param {number} sampleRate @returns {AudioEncoderConfig} */
const opusAt = (sampleRate) => ({
  codec: "opus",
  sampleRate,
  numberOfChannels: 1,
  bitrate: 24000,
  // Without silence in the stream the session's clock would stand still (usedtx).
  opus: { application: "voip", signal: "voice", frameDuration: 20000, usedtx: false },
});

/**
 * Where packets go.
 * @typedef {object} Way
 * @property {(frame: ArrayBuffer) => void} send
 * @property {number} waiting bytes that the network has not taken yet
 */

/** The form that this browser can send, as the gateway wants it named. */
export async function inputFormat() {
  for (const rate of typeof AudioEncoder === "undefined" ? [] : OPUS_RATES) {
    const answer = await AudioEncoder.isConfigSupported(opusAt(rate)).catch(() => null);
    if (answer?.supported) return { encoding: "AUDIO_ENCODING_OPUS", sample_rate_hz: rate };
  }
  return { encoding: "AUDIO_ENCODING_PCM_S16LE", sample_rate_hz: PCM_RATE };
}

/** A packet as it is sent. @typedef {{capturedUs: number, level: number, payload: Uint8Array}} Packet */

export class Uplink {
  /**
   * @param {number} contextRate
   * @param {import("../model/messages.js").Format} format from `inputFormat`
   * @param {Way} way
   * @param {() => void} letGo push-to-talk was let go, and its last packet has gone
   */
  constructor(contextRate, format, way, letGo) {
    this.way = way;
    this.letGo = letGo;
    this.opus = format.encoding === "AUDIO_ENCODING_OPUS";
    this.rate = format.sample_rate_hz;
    this.resampler = contextRate === this.rate ? null : new Resampler(contextRate, this.rate);
    this.packet = new Float32Array(this.rate / PACKETS_A_SECOND);
    this.filled = 0;
    this.sequence = 0;
    /** Packets could not be sent before the next one. */
    this.lost = false;
    /** @type {SilenceGate<Packet>} */
    this.gate = new SilenceGate();
    this.repacketizer = new Repacketizer(this.opus);
    /** Sends what waits for packets that do not come. @type {ReturnType<typeof setTimeout> | undefined} */
    this.stopped = undefined;
    this.pushToTalk = false;
    this.held = false;
    /** There is a session that listens. */
    this.open = false;
    /** Packets that may still go; Infinity: as many as come. */
    this.left = Infinity;
    /** Capture times and levels of the packets that the encoder has. @type {{capturedUs: number, level: number}[]} */
    this.encoding = [];
    /** @type {AudioEncoder | undefined} */
    this.encoder = undefined;
  }

  /** A session listens from now on. */
  begin() {
    this.close();
    this.open = true;
    this.sequence = 0;
    this.lost = false;
    this.gate = new SilenceGate();
    this.left = this.pushToTalk && !this.held ? 0 : Infinity;
  }

  /** Nobody listens any more. */
  close() {
    this.open = false;
    this.repacketizer = new Repacketizer(this.opus);
    clearTimeout(this.stopped);
    this.encoding = [];
    if (this.encoder?.state === "configured") this.encoder.close();
  }

  /** @param {boolean} on sound goes only while `hold` says so */
  push(on) {
    this.pushToTalk = on;
    this.gate = new SilenceGate();
    this.left = on && !this.held ? 0 : Infinity;
  }

  /** @param {boolean} down false: what is under way and a little more still goes */
  hold(down) {
    this.held = down;
    if (!this.pushToTalk) return;
    if (down) this.left = Infinity;
    else if (this.left === Infinity) this.left = TAIL_PACKETS;
  }

  /**
   * The gateway has said how long what it gets may last.
   * @param {number} [soundMs] where there is sound in it
   * @param {number} [silenceMs] where all is silent
   */
  setPacketTime(soundMs, silenceMs) {
    this.send(this.repacketizer.setPacketTime(soundMs, silenceMs));
  }

  /** The gateway hears a voice. */
  hearVoice() {
    this.gate.hearVoice();
  }

  /** The gateway has said that a turn is over, or was none. */
  endTurn() {
    this.gate.endTurn();
  }

  /**
   * Sound of the microphone.
   * @param {Float32Array} samples at the context's rate
   * @param {number} capturedUs when the first was captured, microseconds since the Unix epoch
   */
  hear(samples, capturedUs) {
    const sound = this.resampler ? this.resampler.push(samples) : samples;
    for (let place = 0; place < sound.length; ) {
      const count = Math.min(sound.length - place, this.packet.length - this.filled);
      this.packet.set(sound.subarray(place, place + count), this.filled);
      place += count;
      this.filled += count;
      if (this.filled < this.packet.length) return;
      this.whole(capturedUs + ((place - this.filled) / this.rate) * 1e6);
      this.filled = 0;
    }
  }

  /** @param {number} capturedUs */
  whole(capturedUs) {
    if (!this.open || this.left === 0) return;
    const level = levelDb(this.packet);
    if (this.opus) this.encode(capturedUs, level);
    else this.take({ capturedUs, level, payload: toS16le(this.packet) });
    if (--this.left === 0) void this.end();
  }

  async end() {
    await this.encoder?.flush().catch(() => {});
    this.send(this.repacketizer.flush());
    if (this.open && !this.held) this.letGo();
  }

  /** @param {number} capturedUs @param {number} level */
  encode(capturedUs, level) {
    if (this.encoder?.state !== "configured") this.renew();
    this.encoding.push({ capturedUs, level });
    const form = { sampleRate: this.rate, numberOfFrames: this.packet.length, numberOfChannels: 1 };
    const data = new AudioData({ ...form, format: "f32-planar", timestamp: Math.round(capturedUs), data: this.packet });
    this.encoder?.encode(data);
    data.close();
  }

  /** A new encoder: the first, or one in place of one that failed. */
  renew() {
    this.encoding = [];
    this.encoder = new AudioEncoder({ output: (chunk) => this.encoded(chunk), error: () => {} });
    this.encoder.configure(opusAt(this.rate));
  }

  /** @param {EncodedAudioChunk} chunk one of each packet, in their order; its own time takes no account of pauses */
  encoded(chunk) {
    const known = this.encoding.shift();
    if (known === undefined) return;
    const payload = new Uint8Array(chunk.byteLength);
    chunk.copyTo(payload);
    this.take({ ...known, payload });
  }

  /**
   * Whether a packet is silent is asked after it was encoded, so the encoder hears what a decoder misses; what is sent from
   * before a sound sets that right again.
   * @param {Packet} packet
   */
  take(packet) {
    // Who holds a key says when there is something to hear.
    const passed = this.pushToTalk ? [{ packet, silent: false, leftOut: 0 }] : this.gate.pass(packet, packet.level);
    this.send(passed.flatMap(({ packet: { capturedUs, payload }, ...rest }) => this.repacketizer.take({ capturedUs, payload, ...rest })));
  }

  /** @param {import("../model/repacketizer.js").JoinedPacket[]} joined */
  send(joined) {
    for (const each of joined) this.sendFrame(each);
    clearTimeout(this.stopped);
    if (this.repacketizer.waiting.length) this.stopped = setTimeout(() => this.send(this.repacketizer.flush()), STOPPED_MS);
  }

  /** @param {import("../model/repacketizer.js").JoinedPacket} joined */
  sendFrame(joined) {
    const { lost } = this;
    const sequence = this.sequence + joined.leftOut;
    this.sequence = sequence + joined.packets;
    this.lost = this.way.waiting > MOST_WAITING_BYTES;
    if (!this.lost) this.way.send(packMic({ kind: this.opus ? MIC_OPUS : MIC_PCM, sequence, lost, ...joined }));
  }
}
