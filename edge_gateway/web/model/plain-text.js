/** The conversation as plain text, to copy or to save. Pure. */

import { text } from "./text.js";
import { pieces, wasWritten } from "./transcript.js";

/** @typedef {import("./transcript.js").Line} Line */

/** How a reply ended, as a line says it; "" when it needs no word. @param {Line} line */
export function endingOf(line) {
  if (line.who !== "assistant" || line.state !== "over") return "";
  if (wasWritten(line)) return text("ending.written");
  switch (line.outcome) {
    case "REPLY_OUTCOME_INTERRUPTED":
      return text("ending.interrupted");
    case "REPLY_OUTCOME_CANCELLED":
      return text("ending.stopped");
    case "REPLY_OUTCOME_FAILED":
      return text("ending.failed");
    default:
      return "";
  }
}

/** Who says a line; "" for a note. @param {Line} line */
export function speakerOf(line) {
  return line.who === "note" ? "" : text(`speaker.${line.who}`);
}

/** @param {Line[]} lines those that are still being said are left out */
export function plainText(lines) {
  return lines.filter((line) => line.state !== "partial" && line.state !== "coming").map(sentence).join("\n");
}

/** @param {Line} line */
function sentence(line) {
  const words = pieces(line).map((piece) => piece.text).join("").trim();
  if (line.who === "note") return `– ${words} –`;
  const ending = endingOf(line);
  return `${speakerOf(line)}: ${words}${ending && ` [${ending}]`}`;
}
