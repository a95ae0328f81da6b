import assert from "node:assert/strict";
import { test } from "node:test";

import { textsOf } from "../english.js";

import { Trouble, awayProblem, connectionLost, engineAway, errorProblem, problemOf } from "../../../edge_gateway/web/model/problems.js";
import { text } from "../../../edge_gateway/web/model/text.js";

const CODES = ["UNSPECIFIED", "INVALID_INPUT", "WRONG_STATE", "TOO_LARGE", "UNAVAILABLE", "DEADLINE", "OVERLOADED", "INTERNAL", "NOT_FOUND", "AUDIO_LOST", "SHUTTING_DOWN"];
const HOPS = ["asr", "llm", "tts", "gateway", ""];
const GRPC = "the asr server: failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:50051: connections to all backends failing";
/** @param {Record<string, any>} error */
const said = (error) => text(errorProblem(error).key, errorProblem(error).values);

test("every failure of every part has words for people, and keeps those of programs apart", () => {
  const english = textsOf("en");
  for (const hop of HOPS) {
    for (const code of CODES) {
      for (const ends_session of [false, true]) {
        const told = errorProblem({ hop, code: `ERROR_CODE_${code}`, message: GRPC, field: "", ends_session });
        assert.ok(english[told.key], `${hop} ${code}: ${told.key}`);
        assert.doesNotMatch(text(told.key), /backend|server:|ipv4|\d{3}|_/, `${hop} ${code}`);
        assert.match(told.details, /connections to all backends failing/);
      }
    }
  }
});

test("the part that is away is named with what still works, and what happens when it is back", () => {
  assert.match(said({ hop: "asr", code: "ERROR_CODE_UNAVAILABLE" }), /speech recognition is away.*can type.*once it is back/);
  assert.match(said({ hop: "llm", code: "ERROR_CODE_DEADLINE" }), /hears you.*language model is away.*again/);
  assert.match(said({ hop: "tts", code: "ERROR_CODE_INTERNAL" }), /voice is away.*written.*until it is back/);
  for (const hop of /** @type {const} */ (["asr", "llm", "tts"])) assert.match(text(`problem.${hop}.back`), /again/);
});

test("one that is busy is not said to be away", () => {
  for (const hop of ["asr", "llm", "tts"]) assert.match(said({ hop, code: "ERROR_CODE_OVERLOADED" }), /busy/);
});

test("what passes is no alarm; what ends a conversation for good is", () => {
  for (const hop of ["asr", "llm", "tts"]) assert.equal(errorProblem({ hop, code: "ERROR_CODE_UNAVAILABLE" }).tone, "lasting");
  assert.equal(errorProblem({ hop: "gateway", code: "ERROR_CODE_SHUTTING_DOWN", ends_session: true }).tone, "lasting");
  assert.equal(errorProblem({ hop: "gateway", code: "ERROR_CODE_OVERLOADED", ends_session: true }).tone, "lasting");
  assert.equal(errorProblem({ hop: "asr", code: "ERROR_CODE_AUDIO_LOST" }).tone, "passing");
  assert.equal(errorProblem({ hop: "gateway", code: "ERROR_CODE_INVALID_INPUT" }).tone, "passing");
  assert.equal(errorProblem({ hop: "gateway", code: "ERROR_CODE_INTERNAL", ends_session: true }).tone, "wrong");
  assert.equal(connectionLost(true).tone, "lasting");
});

test("what was refused says nothing against who refused it", () => {
  for (const code of ["INVALID_INPUT", "WRONG_STATE", "TOO_LARGE", "NOT_FOUND", "AUDIO_LOST"]) {
    assert.equal(engineAway({ hop: "asr", code: `ERROR_CODE_${code}` }), null);
  }
  assert.match(said({ hop: "asr", code: "ERROR_CODE_INVALID_INPUT", field: "config.language" }), /Nobody here understands/);
  assert.match(said({ hop: "gateway", code: "ERROR_CODE_INVALID_INPUT", field: "configure.voice" }), /voice is not there/);
  assert.match(said({ hop: "gateway", code: "ERROR_CODE_TOO_LARGE", field: "user_text.text" }), /too long/);
});

test("a problem of one part takes the place of its earlier one, and of no other's", () => {
  assert.deepEqual(["asr", "llm", "tts", "gateway"].map((hop) => errorProblem({ hop, code: "ERROR_CODE_UNAVAILABLE" }).id), ["asr", "llm", "tts", "gateway"]);
  assert.equal(connectionLost(false).id, "gateway");
});

test("a failure of the page shows no address of a worklet", () => {
  const told = problemOf(new DOMException("Unable to load a worklet's module: http://127.0.0.1:8080/web/worklets/capture.js", "AbortError"));
  assert.doesNotMatch(text(told.key), /worklet|http/);
  assert.match(told.details, /worklets\/capture\.js/);
  assert.equal(problemOf(new Trouble(awayProblem("tts"))).key, "problem.tts.away");
});
