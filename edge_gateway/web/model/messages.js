/**
 * What is said between page, worker, worklets and gateway: the shapes of it, and the gateway's text frames read and
 * written. Pure.
 */

/** What the gateway is told of a session, as in conversation.proto; what is left out is the server's choice. @typedef {Record<string, unknown>} SessionConfig */

/** A form of sound, as in conversation.proto. @typedef {{encoding: string, sample_rate_hz: number}} Format */

/** @typedef {"idle" | "asking" | "connecting" | "ready" | "reconnecting" | "failed" | "closed"} ConnectionState */

/** @typedef {{state: ConnectionState, problem: import("./problems.js").Problem | null, retrySeconds: number}} StateDetail */

/** One of the gateway's events: `kind` is its name in the oneof; it may have a field of that name itself.
 * @typedef {{kind: string, fields: Record<string, any>}} ServerEvent
 */

/** Page to worker. `input` and `output` are latencies of the devices in seconds.
 * @typedef {{do: "start", url: string, config: SessionConfig, rate: number, pushToTalk: boolean, tap: boolean, capture: MessagePort, play: MessagePort}
 *   | {do: "configure", config: SessionConfig} | {do: "say", text: string} | {do: "cancel"} | {do: "pushToTalk", on: boolean}
 *   | {do: "hold", down: boolean} | {do: "latency", input: number, output: number} | {do: "again"} | {do: "close"}} Command
 */

/** Worker to page: an event of the Conversation. `context` is when it came, in seconds of the audio context, for tests.
 * @typedef {{name: "state" | "server" | "levels" | "position", detail: any, context?: number}} WorkerMessage
 */

/** Capture worklet to worker: 10 ms of sound, and the context's time of its first sample. @typedef {{samples: Float32Array<ArrayBuffer>, at: number}} CapturedBlock */

/** Worker to player worklet.
 * @typedef {{do: "begin", reply: number} | {do: "end", reply: number} | {do: "flush", reply: number} | {do: "samples", reply: number, samples: Float32Array<ArrayBuffer>}
 *   | {do: "gain", gain: number} | {do: "lead", seconds: number}} PlayerCommand
 */

/** Player worklet to worker. `at` is the context's time; `played` and `waiting` are samples at the context's rate.
 * @typedef {object} PlayerReport
 * @property {"status" | import("./playback.js").PlaybackEvent["kind"]} kind
 * @property {number} at
 * @property {number} reply
 * @property {number} played
 * @property {number} waiting
 * @property {number} underruns
 * @property {number} level RMS since the status before
 * @property {boolean} playing
 * @property {boolean} over
 * @property {boolean} silent it is over because the rest was thrown away
 */

/**
 * A text frame of the gateway as an event; null for what this page does not know how to read.
 * @param {string} text
 * @returns {ServerEvent | null}
 */
export function readEvent(text) {
  const found = parse(text);
  const kind = found === null ? undefined : Object.keys(found).find((each) => isObject(found[each]));
  return found && kind ? { kind, fields: found[kind] } : null;
}

/** @param {string} text @returns {Record<string, any> | null} */
function parse(text) {
  try {
    const found = JSON.parse(text);
    return isObject(found) ? found : null;
  } catch {
    return null;
  }
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Seconds as microseconds in the form that JSON has for 64-bit numbers. @param {number} seconds */
export function microseconds(seconds) {
  return String(Math.round(seconds * 1e6));
}

/**
 * What is to be done about an error: nothing, since it passes or the next try follows by itself; ask for the session
 * once more without the voice that is not there, or without what an older gateway does not know; or give up.
 * @param {Record<string, any>} error the fields of an ErrorEvent
 * @param {boolean} ready it came when the session was ready
 * @returns {"nothing" | "without voice" | "without ptime" | "give up"}
 */
export function remedy(error, ready) {
  // Whoever restarts will be back.
  if (error.code === "ERROR_CODE_SHUTTING_DOWN") return "nothing";
  if (error.retryable || (ready && !error.ends_session)) return "nothing";
  // Some gateways may be older than the page while new ones take their place.
  if (error.message.includes("adaptive_ptime")) return "without ptime";
  return error.field === "configure.voice" ? "without voice" : "give up";
}
