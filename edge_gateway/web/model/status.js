/**
 * What the page shows of the conversation at a glance: one face out of everything that is known, with its words.
 * Pure: knows nothing of the page.
 */

/** @typedef {"idle" | "asking" | "connecting" | "listening" | "hearing" | "waiting" | "thinking" | "speaking" | "interrupted" | "muted" | "reconnecting" | "failed"} Face */

/**
 * Everything that is known. `phase` is the Conversation's state; `assistant` and what follows come from the gateway.
 * @typedef {object} Known
 * @property {"idle" | "asking" | "connecting" | "ready" | "reconnecting" | "failed" | "closed"} phase
 * @property {"idle" | "thinking" | "speaking"} assistant
 * @property {boolean} userSpeaks
 * @property {boolean} ducked
 * @property {boolean} interrupted a reply was cut off a moment ago
 * @property {boolean} muted
 * @property {boolean} microphone false: the conversation is typed
 * @property {boolean} pushToTalk
 * @property {boolean} held
 */

/** @type {Readonly<Known>} */
export const NOTHING_KNOWN = Object.freeze({
  phase: "idle", assistant: "idle", userSpeaks: false, ducked: false, interrupted: false, muted: false, microphone: true,
  pushToTalk: false, held: false,
});

const ASSISTANT = /** @type {const} */ ({
  ASSISTANT_STATE_THINKING: "thinking",
  ASSISTANT_STATE_SPEAKING: "speaking",
});

/**
 * What is known after one of the gateway's events.
 * @param {Known} known
 * @param {string} kind
 * @param {any} event
 * @returns {Known}
 */
export function learn(known, kind, event) {
  switch (kind) {
    case "ready":
      return { ...known, assistant: "idle", userSpeaks: false, ducked: false, interrupted: false };
    case "assistant":
      return { ...known, assistant: ASSISTANT[/** @type {keyof typeof ASSISTANT} */ (event.state)] ?? "idle", ducked: false };
    case "user_speech_started":
    case "user_partial":
      return { ...known, userSpeaks: true };
    case "user_utterance":
    case "user_discarded":
      return { ...known, userSpeaks: false };
    case "reply_started":
      return { ...known, ducked: false, interrupted: false };
    case "duck":
      return { ...known, ducked: event.gain_db < 0 };
    case "flush_playback":
      return { ...known, ducked: false, interrupted: true };
    default:
      return known;
  }
}

/**
 * The face of what is known.
 * @param {Known} known
 * @returns {Face}
 */
export function faceOf(known) {
  if (known.phase === "closed" || known.phase === "idle") return "idle";
  if (known.phase !== "ready") return known.phase;
  if (known.interrupted) return "interrupted";
  if (known.assistant === "speaking") return "speaking";
  if (known.userSpeaks && !known.muted && (known.held || !known.pushToTalk)) return "hearing";
  if (known.assistant === "thinking") return "thinking";
  if (!known.microphone) return "waiting";
  if (known.pushToTalk) return known.held ? "listening" : "waiting";
  return known.muted ? "muted" : "listening";
}

/**
 * The face in words: its name, what can be done, and what the large button does.
 * @param {Known} known
 * @returns {{word: string, hint: string, button: string}}
 */
export function wordsOf(known) {
  const live = known.phase !== "idle" && known.phase !== "closed" && known.phase !== "failed";
  const holds = live && known.pushToTalk && known.microphone;
  const button = !live || !known.microphone ? "Start talking" : holds ? "Hold to talk" : "End the conversation";
  return { ...sentences(known), button };
}

/** @param {Known} known @returns {{word: string, hint: string}} */
function sentences(known) {
  switch (faceOf(known)) {
    case "asking":
      return { word: "Microphone?", hint: "Allow it in the question of your browser" };
    case "connecting":
      return { word: "Connecting", hint: "" };
    case "listening":
      return { word: "Listening", hint: known.pushToTalk ? "Let go to send" : "Just speak" };
    case "hearing":
      return { word: "Listening", hint: known.pushToTalk ? "Let go to send" : "" };
    case "waiting":
      return known.microphone
        ? { word: "Ready", hint: "Hold the button while you speak" }
        : { word: "Ready", hint: "Type, or press the button to speak" };
    case "thinking":
      return { word: "Thinking", hint: "" };
    case "speaking":
      return { word: "Speaking", hint: known.microphone && !known.pushToTalk && !known.muted ? "Speak to interrupt" : "" };
    case "interrupted":
      return { word: "Interrupted", hint: "" };
    case "muted":
      return { word: "Muted", hint: "Parley does not hear you" };
    case "reconnecting":
      return { word: "Reconnecting", hint: "" };
    case "failed":
      return { word: "Not connected", hint: "Press the button to try again" };
    case "idle":
      return { word: "Press the button and speak.", hint: "or press the space bar" };
  }
}
