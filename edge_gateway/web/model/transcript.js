/**
 * The conversation as lines of text: takes the gateway's events and the place up to which a reply was heard, and says
 * which words are sure, heard, still to come, or were never heard. Pure: knows nothing of the page.
 */

import { changeNote } from "./reminders.js";
import { text } from "./text.js";

/** Where a word of a reply sounds; characters are code points of the reply's text. @typedef {{first: number, end: number, sample: number}} Word */

/**
 * One line. A line that changes is replaced by another object with the same key, so whoever draws compares objects.
 * `state` of a user's line: "partial" then "final"; of the assistant's: "coming" then "over"; of a note: "final".
 * @typedef {object} Line
 * @property {number} key
 * @property {"user" | "assistant" | "note"} who
 * @property {"partial" | "final" | "coming" | "over"} state
 * @property {number} turn
 * @property {number} reply
 * @property {string} text
 * @property {number} stable characters at the start of `text` that will not change
 * @property {Word[]} words
 * @property {number} position samples of the reply that were heard
 * @property {string} outcome as in the gateway's ReplyFinished, or ""
 * @property {string} heard
 * @property {boolean} typed
 * @property {number} latencyMs mic to speaker; NaN while it is not known
 * @property {boolean} sounded of a reply: something of it was spoken
 * @property {boolean} called of a note: it tells of a function that was called, or of what was changed in the session
 * @property {boolean} earlier it belongs to a conversation that the model does not remember
 */

/** @typedef {{lines: Line[], sessions: number, nextKey: number}} Transcript */

/** @typedef {"sure" | "soft" | "heard" | "now" | "coming" | "unheard" | "unspoken"} Tone */

/** @type {Transcript} */
export const EMPTY = { lines: [], sessions: 0, nextKey: 1 };

/** @type {Line} */
const BLANK = {
  key: 0, who: "note", state: "final", turn: 0, reply: 0, text: "", stable: 0, words: [], position: 0, outcome: "", heard: "",
  typed: false, latencyMs: NaN, sounded: false, called: false, earlier: false,
};

/**
 * The transcript after one of the gateway's events.
 * @param {Transcript} transcript
 * @param {string} kind
 * @param {any} event
 * @returns {Transcript}
 */
export function reduceTranscript(transcript, kind, event) {
  switch (kind) {
    case "ready":
      return begin(transcript);
    case "user_partial":
      return partial(transcript, event);
    case "user_utterance":
      return utterance(transcript, event);
    case "user_discarded":
      return without(transcript, (line) => isOpenUser(line) && line.turn === event.turn);
    case "reply_started":
      return add(transcript, { who: "assistant", state: "coming", reply: event.reply, turn: event.turn });
    case "reply_text":
      return onReply(transcript, event.reply, (line) => ({ text: line.text + event.text }));
    case "reply_word":
      return onReply(transcript, event.reply, (line) => ({
        sounded: true,
        words: [...line.words, { first: event.first_character, end: event.end_character, sample: event.first_sample }],
      }));
    case "reply_audio_end":
      return onReply(transcript, event.reply, () => ({ sounded: true }));
    case "tool_request":
      return called(transcript, event.reply, event.call, "");
    case "tool_used":
      return called(transcript, event.reply, event.use, event.use.content);
    case "speech_changed":
    case "reminder_changed":
      return changed(transcript, event.reply, changeNote(kind, event));
    case "reply_finished":
      return finished(transcript, event);
    case "turn_report":
      return reported(transcript, event);
    default:
      return transcript;
  }
}

/**
 * The transcript when so much of a reply has been heard.
 * @param {Transcript} transcript
 * @param {number} reply
 * @param {number} samples
 */
export function markHeard(transcript, reply, samples) {
  return onReply(transcript, reply, (line) => (line.state === "coming" && samples > line.position ? { position: samples } : null));
}

/**
 * The transcript when the connection is gone: nothing is open any more.
 * @param {Transcript} transcript
 * @returns {Transcript}
 */
export function closeOpenLines(transcript) {
  const kept = without(transcript, (line) => isOpenUser(line) || (line.state === "coming" && !line.text.trim()));
  if (!kept.lines.some((line) => line.state === "coming")) return kept;
  const lines = kept.lines.map((line) =>
    line.state === "coming" ? { ...line, state: /** @type {const} */ ("over"), outcome: "REPLY_OUTCOME_CANCELLED", heard: spoken(line) } : line,
  );
  return { ...kept, lines };
}

/** True of a reply that was written because nobody could speak it. @param {Line} line */
export function wasWritten(line) {
  return line.state === "over" && line.outcome === "REPLY_OUTCOME_FAILED" && !line.sounded && line.heard !== "";
}

/**
 * The text of a line in pieces, each with its tone.
 * @param {Line} line
 * @returns {{text: string, tone: Tone}[]}
 */
export function pieces(line) {
  if (line.who !== "assistant") return split(line, [[line.state === "partial" ? line.stable : Infinity, "sure"]], "soft");
  if (line.state === "coming") {
    const now = line.words.findLastIndex((word) => word.sample <= line.position);
    if (now < 0 || line.position === 0) return split(line, [], "coming");
    return split(line, [[line.words[now].first, "heard"], [line.words[now].end, "now"]], "coming");
  }
  if (line.outcome === "REPLY_OUTCOME_COMPLETED" || line.outcome === "") return split(line, [], "heard");
  const rest = line.outcome === "REPLY_OUTCOME_FAILED" ? "unspoken" : "unheard";
  return split(line, [[heardCharacters(line), "heard"]], rest);
}

/**
 * @param {Line} line
 * @param {[number, Tone][]} cuts ends of pieces, in code points, in order
 * @param {Tone} rest tone of what follows the last one
 */
function split(line, cuts, rest) {
  const characters = Array.from(line.text);
  /** @type {{text: string, tone: Tone}[]} */
  const found = [];
  let from = 0;
  for (const [end, tone] of /** @type {[number, Tone][]} */ ([...cuts, [Infinity, rest]])) {
    const text = characters.slice(from, end).join("");
    if (text) found.push({ text, tone });
    from = Math.max(from, end);
  }
  return found;
}

/** Where the heard part ends, in code points. @param {Line} line */
function heardCharacters(line) {
  const place = line.heard ? line.text.indexOf(line.heard) : -1;
  if (place < 0) return 0;
  const end = place + line.heard.length;
  const space = /^\s*/.exec(line.text.slice(end))?.[0].length ?? 0;
  return Array.from(line.text.slice(0, end + space)).length;
}

/** What had been spoken of a reply that was cut off by the loss of the connection. @param {Line} line */
function spoken(line) {
  const now = line.words.findLast((word) => word.sample < line.position);
  return now ? Array.from(line.text).slice(0, now.end).join("").trimStart() : "";
}

/** @param {Transcript} transcript */
function begin(transcript) {
  return { ...markEarlier(closeOpenLines(transcript)), sessions: transcript.sessions + 1 };
}

/**
 * The transcript with all of it marked as what the model does not remember; nothing to do where that stands already.
 * @param {Transcript} transcript
 * @returns {Transcript}
 */
export function markEarlier(transcript) {
  if (transcript.lines.every((line) => line.earlier)) return transcript;
  const lines = transcript.lines.map((line) => (line.earlier ? line : { ...line, earlier: true }));
  return add({ ...transcript, lines }, { text: text("transcript.forgotten"), earlier: true });
}

/**
 * A function was called for a reply: a note before the words that came of it.
 * @param {Transcript} transcript
 * @param {number} reply
 * @param {{name: string, arguments_json: string}} call
 * @param {string} gave
 */
function called(transcript, reply, { name, arguments_json: given }, gave) {
  const values = { name, given: !given || given === "{}" ? "" : given, gave };
  return changed(transcript, reply, text(gave ? "transcript.calledGave" : "transcript.called", values));
}

/**
 * Something was done for a reply: a note before the words that came of it.
 * @param {Transcript} transcript
 * @param {number} reply
 * @param {string} words empty: nothing to tell
 */
function changed(transcript, reply, words) {
  if (!words) return transcript;
  const added = add(transcript, { text: words, called: true, reply });
  const note = /** @type {Line} */ (added.lines.at(-1));
  const place = transcript.lines.findIndex((line) => line.who === "assistant" && line.reply === reply && line.state === "coming" && !line.text);
  return place < 0 ? added : { ...added, lines: transcript.lines.toSpliced(place, 0, note) };
}

/** @param {Transcript} transcript @param {any} event */
function partial(transcript, event) {
  if (!event.text) return transcript;
  const words = { text: event.text, stable: event.stable_characters, turn: event.turn };
  const open = transcript.lines.findLast(isOpenUser);
  return open ? change(transcript, open, words) : add(transcript, { who: "user", state: "partial", ...words });
}

/** @param {Transcript} transcript @param {any} event */
function utterance(transcript, event) {
  const words = { text: event.text, turn: event.turn, typed: event.typed };
  const open = event.typed ? undefined : transcript.lines.findLast(isOpenUser);
  if (open) return change(transcript, open, { ...words, state: "final" });
  return add(transcript, { who: "user", state: "final", ...words });
}

/** @param {Transcript} transcript @param {any} event */
function finished(transcript, event) {
  const changed = onReply(transcript, event.reply, () => ({ state: "over", outcome: event.outcome, heard: event.heard }));
  return without(changed, (line) => line.state === "over" && line.reply === event.reply && !line.text.trim());
}

/** @param {Transcript} transcript @param {any} report */
function reported(transcript, report) {
  const line = transcript.lines.findLast((each) => each.who === "assistant" && each.reply === report.reply);
  return line && report.mic_to_speaker_ms !== undefined ? change(transcript, line, { latencyMs: report.mic_to_speaker_ms }) : transcript;
}

/** @param {Line} line */
function isOpenUser(line) {
  return line.who === "user" && line.state === "partial";
}

/** @param {Transcript} transcript @param {Partial<Line>} part @returns {Transcript} */
function add(transcript, part) {
  const line = { ...BLANK, ...part, key: transcript.nextKey };
  return { ...transcript, lines: [...transcript.lines, line], nextKey: transcript.nextKey + 1 };
}

/** @param {Transcript} transcript @param {Line} line @param {Partial<Line>} part @returns {Transcript} */
function change(transcript, line, part) {
  return { ...transcript, lines: transcript.lines.map((each) => (each === line ? { ...line, ...part } : each)) };
}

/** @param {Transcript} transcript @param {(line: Line) => boolean} unwanted @returns {Transcript} */
function without(transcript, unwanted) {
  return transcript.lines.some(unwanted) ? { ...transcript, lines: transcript.lines.filter((line) => !unwanted(line)) } : transcript;
}

/**
 * Changes the newest line of a reply; replies of earlier sessions had the same numbers.
 * @param {Transcript} transcript
 * @param {number} reply
 * @param {(line: Line) => Partial<Line> | null} how null: not at all
 */
function onReply(transcript, reply, how) {
  const line = transcript.lines.findLast((each) => each.who === "assistant");
  const found = line?.reply === reply ? line : transcript.lines.findLast((each) => each.reply === reply && each.state === "coming");
  const part = found ? how(found) : null;
  return found && part ? change(transcript, found, part) : transcript;
}
