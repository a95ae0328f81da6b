/**
 * From the gateway to the loudspeaker: packets of a reply are decoded and handed to the player worklet. Knows nothing of
 * when they are played.
 */

import { Resampler } from "../model/resampler.js";
import { REPLY_OPUS, fromS16le } from "./frames.js";

const DECODED_RATE = 48000;
const PCM_RATE = 24000;

/** @type {AudioDecoderConfig} */
const OPUS = { codec: "opus", sampleRate: DECODED_RATE, numberOfChannels: 1 };

/** The form that this browser can play, as the gateway wants it named. */
export async function outputFormat() {
  const opus = typeof AudioDecoder !== "undefined" && (await AudioDecoder.isConfigSupported(OPUS).catch(() => null))?.supported;
  return { encoding: opus ? "AUDIO_ENCODING_OPUS" : "AUDIO_ENCODING_PCM_S16LE", sample_rate_hz: PCM_RATE };
}

export class Downlink {
  /**
   * @param {number} contextRate
   * @param {import("../model/messages.js").Format} format what the session sends
   * @param {(command: import("../model/messages.js").PlayerCommand) => void} toPlayer to the player worklet
   */
  constructor(contextRate, format, toPlayer) {
    this.contextRate = contextRate;
    this.rate = format.sample_rate_hz;
    this.opus = format.encoding === "AUDIO_ENCODING_OPUS";
    this.toPlayer = toPlayer;
    this.reply = 0;
    this.fresh = false;
    /** @type {Resampler | null} */
    this.resampler = null;
    /** @type {AudioDecoder | undefined} */
    this.decoder = undefined;
  }

  /** @param {number} reply */
  begin(reply) {
    this.close();
    this.reply = reply;
    this.fresh = true;
    const from = this.opus ? DECODED_RATE : this.rate;
    this.resampler = from === this.contextRate ? null : new Resampler(from, this.contextRate);
    this.toPlayer({ do: "begin", reply });
    if (!this.opus) return;
    this.decoder = new AudioDecoder({ output: (data) => this.decoded(reply, data), error: () => {} });
    this.decoder.configure(OPUS);
  }

  /**
   * @param {import("./frames.js").ReplyPacket} packet
   * @returns {boolean} true for the first one of its reply
   */
  take(packet) {
    if (!this.reply || packet.reply !== this.reply % 65536 || (packet.kind === REPLY_OPUS) !== this.opus) return false;
    const first = this.fresh;
    this.fresh = false;
    if (!this.opus) this.play(this.reply, fromS16le(packet.payload));
    else if (this.decoder?.state === "configured") {
      const timestamp = Math.round((packet.firstSample / this.rate) * 1e6);
      this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: packet.payload }));
    }
    return first;
  }

  /** No more packets of a reply come, and perhaps none have. @param {number} reply */
  async end(reply) {
    if (reply !== this.reply) return;
    const { decoder } = this;
    await (decoder?.state === "configured" ? decoder.flush() : undefined)?.catch(() => {});
    this.toPlayer({ do: "end", reply });
  }

  /** What has not been played is thrown away, and what still comes too. */
  flush() {
    if (this.reply) this.toPlayer({ do: "flush", reply: this.reply });
    this.close();
    this.reply = 0;
  }

  close() {
    if (this.decoder?.state === "configured") this.decoder.close();
  }

  /** @param {number} reply @param {AudioData} data */
  decoded(reply, data) {
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    data.close();
    this.play(reply, samples);
  }

  /** @param {number} reply @param {Float32Array<ArrayBuffer>} sound */
  play(reply, sound) {
    this.toPlayer({ do: "samples", reply, samples: this.resampler ? this.resampler.push(sound) : sound });
  }
}
