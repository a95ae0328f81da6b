/** For tests: keeps every sample of a conversation in `window.__parleyTap`, and when the gateway's events came. */

/**
 * @typedef {object} Tap
 * @property {AudioContext} context
 * @property {number} rate
 * @property {{frame: number, microphone?: Float32Array, speaker?: Float32Array}[]} blocks
 * @property {{kind: string, at: number, detail: object}[]} events `at`: seconds of the audio context
 */

/** @param {import("./audio-graph.js").AudioGraph} audio @returns {Promise<Tap>} */
export async function tap(audio) {
  const { context, source, loudness } = audio;
  /** @type {Tap} */
  const kept = { context, rate: context.sampleRate, blocks: [], events: [] };
  await context.audioWorklet.addModule(new URL("../worklets/tap.js", import.meta.url));
  const node = new AudioWorkletNode(context, "tap", { numberOfInputs: 2, numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  source?.connect(node, 0, 0);
  loudness?.connect(node, 0, 1);
  node.port.onmessage = ({ data }) => kept.blocks.push(data);
  Object.assign(window, { __parleyTap: kept });
  return kept;
}
