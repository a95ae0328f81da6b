/**
 * One conversation: microphone and loudspeaker on one side, the gateway's WebSocket on the other.
 * Shows nothing; whoever wants to see what happens listens to "parley" events.
 */

import { packMic, unpackReply } from "./frames.js";

const OPUS = { codec: "opus", sampleRate: 48000, numberOfChannels: 1 };

/** Microseconds since the Unix epoch, on this page's clock. */
const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

/** What a page must be able to do; the first thing that is missing, in words, or "". */
export function missing() {
  if (!window.isSecureContext) return "The microphone works only over https, or at http://localhost. Open the page there.";
  if (!navigator.mediaDevices?.getUserMedia) return "This browser gives pages no microphone.";
  if (!window.AudioEncoder || !window.AudioDecoder) return "This browser cannot encode Opus. Use a current Chrome, Edge, Firefox or Safari.";
  return "";
}

export class Conversation extends EventTarget {
  /** Ask for the microphone and connect. Rejects with a sentence for people. */
  async open() {
    const stream = await microphone();
    this.context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
    await this.context.resume();
    await this.context.audioWorklet.addModule("/web/capture-worklet.js");
    await this.context.audioWorklet.addModule("/web/play-worklet.js");
    this.stream = stream;
    this.sequence = 0;
    this.reply = 0;
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}/v1/conversation`, "parley.v1");
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () =>
      this.send({ configure: { reports_playback: true, output: { encoding: "AUDIO_ENCODING_OPUS", sample_rate_hz: 48000 } } });
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.event(JSON.parse(data)) : this.sound(data));
    this.socket.onclose = () => this.tell("closed", {});
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.encoder?.close();
    this.socket?.close();
    this.context?.close();
  }

  /** @param {object} request one ConverseRequest as JSON */
  send(request) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request));
  }

  /** @param {string} kind @param {object} detail */
  tell(kind, detail) {
    this.dispatchEvent(new CustomEvent("parley", { detail: { kind, ...detail } }));
  }

  /** @param {Record<string, any>} event one ConverseResponse as JSON */
  event(event) {
    const [kind] = Object.keys(event);
    const detail = event[kind];
    if (kind === "ready") this.listen();
    else if (kind === "ping") this.pong(detail);
    else if (kind === "reply_started") this.begin(detail.reply);
    else if (kind === "reply_audio_end") this.decoder?.flush().then(() => this.player.port.postMessage({ end: true }), () => {});
    else if (kind === "duck") this.player?.port.postMessage({ gain: 10 ** (detail.gain_db / 20) });
    else if (kind === "flush_playback") this.player?.port.postMessage({ flush: true });
    this.tell(kind, detail);
  }

  pong(ping) {
    const at = nowUs();
    this.send({ pong: { id: ping.id, received_unix_us: String(at), sent_unix_us: String(nowUs()) } });
  }

  /** The session is ready: send what the microphone hears, and be ready to play. */
  listen() {
    if (this.encoder) return;
    this.encoder = new AudioEncoder({
      output: (chunk) => this.packet(chunk),
      error: (error) => this.tell("failed", { message: `The microphone's sound cannot be encoded: ${error.message}` }),
    });
    this.encoder.configure({ ...OPUS, bitrate: 24000, opus: { application: "voip", frameDuration: 20000, usedtx: false } });
    const capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => this.captured(data);
    this.context.createMediaStreamSource(this.stream).connect(capture);
    this.player = new AudioWorkletNode(this.context, "play", { numberOfInputs: 0, outputChannelCount: [1] });
    this.player.port.onmessage = ({ data }) => this.heard(data);
    this.player.connect(this.context.destination);
  }

  captured({ samples, at }) {
    if (this.encoder.state !== "configured") return;
    const timestamp = this.unixUs(at);
    this.encoder.encode(
      new AudioData({ format: "f32-planar", sampleRate: 48000, numberOfFrames: samples.length, numberOfChannels: 1, timestamp, data: samples }),
    );
  }

  packet(chunk) {
    const payload = new Uint8Array(chunk.byteLength);
    chunk.copyTo(payload);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(packMic(this.sequence++, chunk.timestamp, payload));
  }

  /** A time of the audio context, in microseconds since the Unix epoch. */
  unixUs(contextSeconds) {
    return Math.round(nowUs() - (this.context.currentTime - contextSeconds) * 1e6);
  }

  begin(reply) {
    this.reply = reply;
    this.decoder?.close();
    this.decoder = new AudioDecoder({
      output: (data) => {
        const samples = new Float32Array(data.numberOfFrames);
        data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        data.close();
        this.player.port.postMessage({ reply, samples }, [samples.buffer]);
      },
      error: (error) => this.tell("failed", { message: `The reply cannot be decoded: ${error.message}` }),
    });
    this.decoder.configure(OPUS);
    this.player.port.postMessage({ begin: reply });
    this.firstPacket = true;
  }

  sound(frame) {
    const packet = unpackReply(frame);
    if (!packet || !this.decoder || packet.reply !== this.reply % 65536) return;
    if (this.firstPacket) this.mark("CLIENT_MARK_KIND_FIRST_PACKET", nowUs());
    this.firstPacket = false;
    const timestamp = Math.round((packet.firstSample / 48000) * 1e6);
    this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: packet.payload }));
  }

  mark(kind, unixUs) {
    this.send({ mark: { kind, reply: this.reply, unix_us: String(unixUs) } });
  }

  heard(report) {
    const latency = this.context.outputLatency || this.context.baseLatency || 0;
    const at = this.unixUs(report.at);
    if (report.rendered) {
      this.mark("CLIENT_MARK_KIND_FIRST_RENDERED", at);
      this.mark("CLIENT_MARK_KIND_FIRST_AUDIBLE", at + Math.round(latency * 1e6));
      return;
    }
    // What was rendered is heard one output latency later.
    const samples = report.final ? report.played : Math.max(0, report.played - Math.round(latency * 48000));
    this.send({ played: { reply: report.reply, samples, unix_us: String(at), underruns: report.underruns, final: report.final } });
  }
}

/** The microphone's stream. Rejects with a sentence that names the remedy. */
async function microphone() {
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError") throw new Error("The microphone is not allowed. Allow it beside the page's address, and try again.");
    if (name === "NotFoundError") throw new Error("No microphone was found. Plug one in, and try again.");
    throw new Error(`The microphone cannot be used: ${error instanceof Error ? error.message : error}`);
  }
}
