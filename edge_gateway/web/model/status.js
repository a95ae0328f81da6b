/**
 * What the page shows of the conversation at a glance: one status out of the conversation's state, with its labels.
 * Pure: knows nothing of the page.
 */

import { text } from "./text.js";
import { waiting } from "./wording.js";

/** @typedef {import("./wording.js").Delay} Delay */
/** @typedef {"idle" | "asking" | "connecting" | "listening" | "hearing" | "waiting" | "thinking" | "speaking" | "interrupted" | "muted" | "deaf" | "reconnecting" | "failed"} Status */

/**
 * Everything that is known of a conversation. `connection` is the Conversation's own state; `assistant` and what follows
 * come from the gateway.
 * @typedef {object} ConversationState
 * @property {"idle" | "asking" | "connecting" | "ready" | "reconnecting" | "failed" | "closed"} connection
 * @property {"idle" | "thinking" | "speaking"} assistant
 * @property {Delay | null} delay what the reply that is being made waits for, once it takes long
 * @property {boolean} userSpeaks
 * @property {boolean} ducked
 * @property {boolean} interrupted a reply was cut off a moment ago
 * @property {boolean} muted
 * @property {boolean} microphone false: the conversation is typed
 * @property {boolean} pushToTalk
 * @property {boolean} held
 * @property {boolean} recogniserAway nobody turns speech into words
 * @property {"" | "gone" | "silenced"} microphoneTrouble what keeps an open conversation from hearing: no microphone is there
 *   any more, or the system or a switch at it has silenced it
 */

/** @type {Readonly<ConversationState>} */
export const INITIAL_STATE = Object.freeze({
  connection: "idle", assistant: "idle", delay: null, userSpeaks: false, ducked: false, interrupted: false, muted: false,
  microphone: true, pushToTalk: false, held: false, recogniserAway: false, microphoneTrouble: "",
});

const ASSISTANT = /** @type {const} */ ({
  ASSISTANT_STATE_THINKING: "thinking",
  ASSISTANT_STATE_SPEAKING: "speaking",
});

/**
 * The state after one of the gateway's events.
 * @param {ConversationState} state
 * @param {string} kind
 * @param {any} event
 * @returns {ConversationState}
 */
export function reduceState(state, kind, event) {
  switch (kind) {
    case "ready":
      return { ...state, assistant: "idle", delay: null, userSpeaks: false, ducked: false, interrupted: false };
    case "assistant":
      return assistantChanged(state, ASSISTANT[/** @type {keyof typeof ASSISTANT} */ (event.state)] ?? "idle");
    case "reply_delayed":
      return { ...state, delay: { turn: event.turn, hop: event.hop, model: event.model, kind: event.kind } };
    case "user_speech_started":
    case "user_partial":
      return { ...state, userSpeaks: true };
    case "user_utterance":
      // A new turn: whatever an earlier one waited for is of no interest any more.
      return { ...state, userSpeaks: false, delay: state.delay?.turn === event.turn ? state.delay : null };
    case "user_discarded":
    case "recovered":
      // Who is still speaking is heard anew.
      return { ...state, userSpeaks: false };
    case "reply_started":
      return { ...state, delay: null, ducked: false, interrupted: false };
    case "turn_report":
    case "error":
      return state.delay?.turn === event.turn ? { ...state, delay: null } : state;
    case "duck":
      return { ...state, ducked: event.gain_db < 0 };
    case "flush_playback":
      return { ...state, ducked: false, interrupted: true };
    default:
      return state;
  }
}

/** @param {ConversationState} state @param {ConversationState["assistant"]} assistant @returns {ConversationState} */
function assistantChanged(state, assistant) {
  return { ...state, assistant, delay: assistant === "thinking" ? state.delay : null, ducked: false };
}

/** True when nothing that is said would be heard, though it should be. @param {ConversationState} state */
export function isDeaf(state) {
  return state.connection === "ready" && state.microphone && !state.muted && (state.recogniserAway || state.microphoneTrouble !== "");
}

/**
 * The status that a state is shown as.
 * @param {ConversationState} state
 * @returns {Status}
 */
export function statusOf(state) {
  if (state.connection === "closed" || state.connection === "idle") return "idle";
  if (state.connection !== "ready") return state.connection;
  if (state.interrupted) return "interrupted";
  if (state.assistant === "speaking") return "speaking";
  const deaf = isDeaf(state);
  if (state.userSpeaks && !deaf && !state.muted && (state.held || !state.pushToTalk)) return "hearing";
  // A greeting is waited for while it is the user's turn.
  if (state.assistant === "thinking" || state.delay) return "thinking";
  if (!state.microphone) return "waiting";
  if (deaf) return "deaf";
  if (state.pushToTalk) return state.held ? "listening" : "waiting";
  return state.muted ? "muted" : "listening";
}

/**
 * The status in words: what it is, what can be done, and what the large button does.
 * @param {ConversationState} state
 * @returns {{word: string, hint: string, button: string}}
 */
export function labelsOf(state) {
  const live = state.connection !== "idle" && state.connection !== "closed" && state.connection !== "failed";
  const holds = live && state.pushToTalk && state.microphone;
  const button = text(!live || !state.microphone ? "talk.start" : holds ? "talk.hold" : "talk.end");
  return { ...sentences(state), button };
}

/** @param {ConversationState} state @returns {{word: string, hint: string}} */
function sentences(state) {
  const status = statusOf(state);
  if (status === "thinking" && state.delay) return waiting(state.delay);
  return { word: text(`status.${status}.word`), hint: hint(status, state) };
}

/** @param {Status} status @param {ConversationState} state */
function hint(status, state) {
  switch (status) {
    case "listening":
      return text(state.pushToTalk ? "status.listening.release" : "status.listening.hint");
    case "hearing":
      return state.pushToTalk ? text("status.listening.release") : "";
    case "waiting":
      return text(state.microphone ? "status.waiting.hold" : "status.waiting.type");
    case "speaking":
      return state.microphone && !state.pushToTalk && !state.muted && !isDeaf(state) ? text("status.speaking.hint") : "";
    case "deaf":
      return text(state.microphoneTrouble ? `status.deaf.${state.microphoneTrouble}` : "status.deaf.engine");
    case "asking":
    case "muted":
    case "failed":
    case "idle":
      return text(`status.${status}.hint`);
    default:
      return "";
  }
}
