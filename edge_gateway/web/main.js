/** The page: one button, what was said, and where the milliseconds went. */

import { Conversation, missing } from "./conversation.js";

/** @param {string} id @returns {HTMLElement} */
const part = (id) => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return found;
};

const STATES = {
  ASSISTANT_STATE_IDLE: "Listening.",
  ASSISTANT_STATE_THINKING: "Thinking.",
  ASSISTANT_STATE_SPEAKING: "Speaking.",
};

/** @type {Conversation | null} */
let conversation = null;
/** @type {HTMLElement | null} */
let partial = null;
/** @type {Map<number, HTMLElement>} */
const replies = new Map();

part("talk").addEventListener("click", () => (conversation ? stop("Press the button and speak.") : start()));

async function start() {
  const problem = missing();
  if (problem) return fail(problem);
  part("error").hidden = true;
  show("Connecting.");
  const opening = new Conversation();
  conversation = opening;
  press(true);
  opening.addEventListener("parley", (event) => handle(/** @type {CustomEvent} */ (event).detail));
  try {
    await opening.open();
  } catch (error) {
    stop("Press the button and speak.");
    fail(error instanceof Error ? error.message : String(error));
  }
}

/** @param {string} words */
function stop(words) {
  conversation?.close();
  conversation = null;
  press(false);
  show(words);
}

/** @param {boolean} on */
function press(on) {
  part("talk").setAttribute("aria-pressed", String(on));
  part("talk-label").textContent = on ? "Stop" : "Start talking";
}

/** @param {string} words */
function show(words) {
  part("state").textContent = words;
}

/** @param {string} words */
function fail(words) {
  part("error").textContent = words;
  part("error").hidden = false;
}

/** @param {Record<string, any>} event */
function handle(event) {
  switch (event.kind) {
    case "ready":
      return show("Listening.");
    case "assistant":
      return show(STATES[/** @type {keyof typeof STATES} */ (event.state)] ?? "Listening.");
    case "user_partial":
      partial ??= line("user partial");
      partial.textContent = event.text;
      return;
    case "user_utterance":
      (partial ?? line("user")).textContent = event.text;
      partial?.classList.remove("partial");
      partial = null;
      return;
    case "user_discarded":
      partial?.remove();
      partial = null;
      return;
    case "reply_started":
      replies.set(event.reply, line("assistant"));
      return;
    case "reply_text":
      return replies.get(event.reply)?.append(event.text);
    case "reply_finished":
      return settle(event);
    case "turn_report":
      return waterfall(event);
    case "error":
    case "failed":
      return fail(event.message);
    case "closed":
      if (conversation) {
        stop("Press the button and speak.");
        fail("The connection to Parley was lost. Press the button to connect again.");
      }
  }
}

/** @param {string} names */
function line(names) {
  const item = document.createElement("li");
  item.className = names;
  part("transcript").append(item);
  item.scrollIntoView({ block: "nearest" });
  return item;
}

/** The words that were heard, and the others struck through. */
function settle(event) {
  const item = replies.get(event.reply);
  replies.delete(event.reply);
  if (!item || !event.unheard) return;
  const rest = document.createElement("s");
  rest.textContent = event.unheard;
  item.replaceChildren(`${event.heard} `, rest);
}

/** @param {Record<string, any>} report */
function waterfall(report) {
  const total = report.mic_to_speaker_ms;
  if (!total) return;
  part("total").textContent = `${Math.round(total)} ms`;
  part("slices").replaceChildren(...report.waterfall.map((/** @type {any} */ slice) => bar(slice, total)));
  part("waterfall").hidden = false;
}

/** @param {{name: string, start_ms: number, duration_ms: number}} slice @param {number} total */
function bar(slice, total) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = slice.name;
  const length = document.createElement("span");
  length.className = "length";
  length.textContent = `${slice.duration_ms.toFixed(1)} ms`;
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 100 10");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const start = Math.max(0, Math.min(100, (100 * slice.start_ms) / total));
  const end = Math.max(start, Math.min(100, (100 * (slice.start_ms + slice.duration_ms)) / total));
  rect.setAttribute("x", String(start));
  rect.setAttribute("width", String(Math.max(0.5, end - start)));
  rect.setAttribute("height", "10");
  picture.append(rect);
  item.append(name, picture, length);
  return item;
}
