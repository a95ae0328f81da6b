/** The microphone: asks for it, and says in words what went wrong. Knows nothing of sound. */

/** @typedef {{echoCancellation: boolean, noiseSuppression: boolean, autoGainControl: boolean}} Processing */

/** What this browser lacks, in words with the remedy, or "". */
export function missing() {
  if (!window.isSecureContext) {
    return `The browser gives the microphone only to safe pages. Open Parley over https, or on its own machine at http://localhost:${location.port || 80}.`;
  }
  if (!window.AudioWorkletNode || !window.WebSocket || !window.Worker) return "This browser is too old for Parley. Use a current Chrome, Edge, Firefox or Safari.";
  if (!navigator.mediaDevices?.getUserMedia) return "This browser gives pages no microphone. You can still type.";
  return "";
}

/**
 * The microphone's stream. Rejects with an Error whose message is for people.
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
    throw new Error(problem(error), { cause: error });
  }
}

/** @param {unknown} error @param {string[]} names */
function named(error, ...names) {
  return error instanceof Error && names.includes(error.name);
}

/** @param {unknown} error */
function problem(error) {
  if (named(error, "NotAllowedError", "SecurityError")) return "The microphone is not allowed. Allow it beside the page’s address, and press the button again.";
  if (named(error, "NotFoundError", "OverconstrainedError")) return "No microphone was found. Plug one in, and press the button again.";
  if (named(error, "NotReadableError", "AbortError")) return "The microphone is in use by another program. Close that one, and press the button again.";
  return `The microphone cannot be used: ${error instanceof Error ? error.message : error}`;
}

/** Latency of a microphone in seconds, as far as the browser knows it. @param {MediaStream | undefined} stream */
export function latencyOf(stream) {
  const known = /** @type {{stats?: {latency?: number}} | undefined} */ (stream?.getAudioTracks()[0])?.stats?.latency ?? 0;
  return Math.min(0.2, Math.max(0, known / 1000));
}
