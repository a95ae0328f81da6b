/** The microphone: asks for it, and tells what is wrong with it. Knows nothing of sound. */

import { Trouble, problem } from "../model/problems.js";

/** @typedef {import("../model/problems.js").Problem} Problem */

/** @typedef {{echoCancellation: boolean, noiseSuppression: boolean, autoGainControl: boolean}} Processing */

/** What this browser lacks, or null. @returns {Problem | null} */
export function missing() {
  if (!window.isSecureContext) return refusal("microphone.unsafe", { port: String(location.port || 80) });
  if (!window.AudioWorkletNode || !window.WebSocket || !window.Worker) return refusal("microphone.oldBrowser");
  if (!navigator.mediaDevices?.getUserMedia) return refusal("microphone.none");
  return null;
}

/**
 * The microphone's stream. Rejects with a Trouble.
 * @param {string} deviceId "": the system's
 * @param {Processing} processing
 * @returns {Promise<MediaStream>}
 */
export async function microphone(deviceId, processing) {
  const device = deviceId ? { deviceId: { exact: deviceId } } : {};
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...processing, ...device, channelCount: 1 } });
  } catch (error) {
    // A device of an earlier visit that is not there today: the system's will do.
    if (deviceId && named(error, "OverconstrainedError", "NotFoundError")) return microphone("", processing);
    throw new Trouble(refusalOf(error), { cause: error });
  }
}

/** @param {unknown} error @param {string[]} names */
function named(error, ...names) {
  return error instanceof Error && names.includes(error.name);
}

/** @param {unknown} error */
function refusalOf(error) {
  if (named(error, "NotAllowedError", "SecurityError")) return refusal("microphone.refused");
  if (named(error, "NotFoundError", "OverconstrainedError")) return refusal("microphone.missing");
  if (named(error, "NotReadableError", "AbortError")) return refusal("microphone.busy");
  const details = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return problem("microphone", "microphone.unusable", { tone: "wrong", details });
}

/** @param {string} key @param {Record<string, string | number>} [values] */
function refusal(key, values = {}) {
  return problem("microphone", key, { tone: "wrong", values });
}

/** Latency of a microphone in seconds, as far as the browser knows it. @param {MediaStream | undefined} stream */
export function latencyOf(stream) {
  const known = /** @type {{stats?: {latency?: number}} | undefined} */ (stream?.getAudioTracks()[0])?.stats?.latency ?? 0;
  return Math.min(0.2, Math.max(0, known / 1000));
}
