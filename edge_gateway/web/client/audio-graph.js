/** The audio graph: microphone to capture worklet, player worklet to loudspeaker. Knows nothing of the gateway. */

const RATE = 48000;

export class AudioGraph {
  /** To be called while a user's click is being handled: only then may a page make sound. @param {number} volume 0 to 1 */
  constructor(volume) {
    this.volume = volume;
    /** @type {MediaStreamAudioSourceNode | undefined} */
    this.source = undefined;
    /** @type {MediaStream | undefined} */
    this.stream = undefined;
    this.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    void this.context.resume();
  }

  /**
   * Builds the graph.
   * @param {MediaStream | undefined} stream of the microphone
   * @param {string} outputDeviceId "": the system's
   * @returns {Promise<{capture: MessagePort, play: MessagePort}>} for the worker
   */
  async open(stream, outputDeviceId) {
    if (stream && !fits(this.context, stream)) await this.useDeviceRate();
    const { context } = this;
    await Promise.all(["../worklets/capture.js", "../worklets/player.js"].map((name) => context.audioWorklet.addModule(new URL(name, import.meta.url))));
    this.capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    this.player = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.loudness = new GainNode(context, { gain: this.volume });
    this.player.connect(this.loudness).connect(context.destination);
    if (stream) this.useMicrophone(stream);
    if (outputDeviceId) await this.setOutput(outputDeviceId).catch(() => {});
    await context.resume();
    return { capture: handOver(this.capture), play: handOver(this.player) };
  }

  /** Firefox takes a microphone only at its own rate; the worker makes up the difference. */
  async useDeviceRate() {
    await this.context.close();
    this.context = new AudioContext({ latencyHint: "interactive" });
    void this.context.resume();
  }

  /** Takes another microphone in the place of the one before. @param {MediaStream} stream */
  useMicrophone(stream) {
    this.releaseMicrophone();
    this.stream = stream;
    this.source = new MediaStreamAudioSourceNode(this.context, { mediaStream: stream });
    if (this.capture) this.source.connect(this.capture);
  }

  /** Lets go of the microphone. */
  releaseMicrophone() {
    this.source?.disconnect();
    this.source = undefined;
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    this.stream = undefined;
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.capture?.port.postMessage({ muted });
  }

  /** @param {number} volume 0 to 1 */
  setVolume(volume) {
    this.volume = volume;
    this.loudness?.gain.setTargetAtTime(volume, this.context.currentTime, 0.02);
  }

  /** @param {string} deviceId "": the system's */
  async setOutput(deviceId) {
    const context = /** @type {AudioContext & {setSinkId?: (id: string) => Promise<void>}} */ (this.context);
    await context.setSinkId?.(deviceId);
  }

  /** Seconds from what is rendered to what is heard. */
  get latency() {
    return this.context.outputLatency || this.context.baseLatency || 0;
  }

  close() {
    this.releaseMicrophone();
    void this.context.close();
  }
}

/** @param {AudioContext} context @param {MediaStream} stream */
function fits(context, stream) {
  try {
    new MediaStreamAudioSourceNode(context, { mediaStream: stream }).disconnect();
    return true;
  } catch {
    return false;
  }
}

/** A direct line to a worklet. @param {AudioWorkletNode} node */
function handOver(node) {
  const { port1, port2 } = new MessageChannel();
  node.port.postMessage({ port: port1 }, [port1]);
  return port2;
}
