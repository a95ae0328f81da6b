import assert from "node:assert/strict";
import { test } from "node:test";

import "../english.js";

import { about, waiting } from "../../../edge_gateway/web/model/wording.js";

const READY = { engines: ["moonshine tiny-en", "ctranslate2 llama3.2", "espeak-ng"], voice: "en-us", language: "en", session_id: "a1" };

test("a session names its voice, its language and itself, and no more than it knows", () => {
  assert.equal(about(READY), "Voice: en-us\nLanguage: English\nSession: a1");
  assert.equal(about({ ...READY, voice: "", language: "" }), "Session: a1");
});

for (const [hop, model, kind, word, hint] of [
  ["llm", "llama3.2", "PROGRESS_KIND_WAITING", "Waiting for llama3.2…", "It may still be loading"],
  ["llm", "llama3.2", "PROGRESS_KIND_QUEUED", "Waiting for llama3.2…", "It is busy with others"],
  ["llm", "llama3.2", "PROGRESS_KIND_UNSPECIFIED", "Waiting for llama3.2…", ""],
  ["llm", "llama3.2", "PROGRESS_KIND_REASONING", "llama3.2 is thinking…", ""],
  ["llm", "hf.co/org/Llama-3.2-1B:Q4", "PROGRESS_KIND_WAITING", "Waiting for Llama-3.2-1B:Q4…", "It may still be loading"],
  ["llm", "", "PROGRESS_KIND_WAITING", "Waiting for the language model…", "It may still be loading"],
  ["llm", "", "PROGRESS_KIND_REASONING", "The language model is thinking…", ""],
  ["tts", "espeak-ng", "PROGRESS_KIND_UNSPECIFIED", "Waiting for the voice…", ""],
]) {
  test(`${hop} ${model || "of no name"} ${kind}: ${word} ${hint}`, () => {
    assert.deepEqual(waiting({ turn: 1, hop, model, kind }), { word, hint });
  });
}
