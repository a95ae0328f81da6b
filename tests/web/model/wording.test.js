import assert from "node:assert/strict";
import { test } from "node:test";

import { about, failure, loss, sentence, waiting } from "../../../edge_gateway/web/model/wording.js";

const READY = { engines: ["moonshine tiny-en", "ctranslate2 llama3.2", "espeak-ng"], voice: "en-us", language: "en", session_id: "a1" };

test("a session names its three engines, its voice and itself", () => {
  assert.deepEqual(about(READY).split("\n"), [
    "Speech recognition: moonshine tiny-en", "Language model: ctranslate2 llama3.2", "Speech synthesis: espeak-ng",
    "Voice: en-us, language: en", "Session: a1",
  ]);
});

test("an engine that is away is missed by its name", () => {
  const lines = about({ ...READY, engines: ["moonshine tiny-en", "", "espeak-ng"] }).split("\n");
  assert.deepEqual(lines.slice(0, 3), ["Speech recognition: moonshine tiny-en", "Language model: away", "Speech synthesis: espeak-ng"]);
});

test("a message becomes a sentence, and a sentence stays one", () => {
  assert.deepEqual(["no words", "Done.", "Trying…"].map(sentence), ["No words.", "Done.", "Trying…"]);
});

test("lost sound and a restart are told with what to do, any other failure as the server says it", () => {
  assert.equal(failure({ code: "ERROR_CODE_AUDIO_LOST", message: "gap of 900 ms" }), "Some of your words were lost on the way: please say them again.");
  assert.equal(failure({ code: "ERROR_CODE_SHUTTING_DOWN", message: "the gateway is stopping" }), "The server is restarting; reconnecting…");
  assert.equal(failure({ code: "ERROR_CODE_OVERLOADED", message: "all 8 sessions are taken" }), "All 8 sessions are taken.");
});

test("of what was discarded only words are a loss", () => {
  assert.equal(loss({ reason: "DISCARD_REASON_ENGINE_FAILED" }), "The last words could not be understood: please say them again.");
  for (const reason of ["DISCARD_REASON_TOO_SHORT", "DISCARD_REASON_NO_WORDS", "DISCARD_REASON_NOISE", undefined]) assert.equal(loss({ reason }), "");
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
