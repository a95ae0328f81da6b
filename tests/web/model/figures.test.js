import assert from "node:assert/strict";
import { test } from "node:test";

import "../english.js";

import { chosen, described, endings, health, measures, most, reportOf, stages } from "../../../edge_gateway/web/model/figures.js";
import { ago } from "../../../edge_gateway/web/model/text.js";
import { layout } from "../../../edge_gateway/web/model/waterfall.js";

/** @param {Record<string, unknown>} more @returns {any} */
const server = (more) => ({
  name: "asr", address: "a:1", state: "serving", reason: "", health: "serving", in_flight: 2, engine: "moonshine", model: "tiny-en", problem: "", version: "1", instance: "i", started_unix_ms: 1,
  calls: null, queue_depth: null, batch_size: null, real_time_factor: null, loop_lag_ms: null, cancel_to_idle_ms: null, ...more,
});

/** @param {Record<string, unknown>} more @returns {any} */
const turn = (more) => ({
  session: "s", turn: 1, trace_id: "0".repeat(32), sampled: true, ended_unix_ms: 0, kind: "spoken", outcome: "completed", failed_hop: "",
  mic_to_speaker_ms: 400, head_start: false, explained: 1, clock_uncertainty_ms: 1, model: "", waterfall: [], ...more,
});

/** @param {any[]} turns @param {any} [percentiles] @returns {any} */
const figures = (turns, percentiles = {}) => ({ turns, percentiles, servers: [], gateways: [], sessions: { active: 0, max: 1 } });

/** @param {number} p50 @param {number} p95 */
const share = (p50, p95) => ({ p50, p95, p99: p95, count: 3 });

for (const [state, more, word, tone, told] of /** @type {[string, object, string, string, string][]} */ ([
  ["serving", {}, "Works", "well", ""],
  ["serving", { problem: "the endpoint does not answer" }, "In trouble", "wrong", "the endpoint does not answer"],
  ["away", { health: "draining", reason: "connection refused" }, "Finishing", "waiting", "It takes no new calls, and finishes those that it has."],
  ["starting", {}, "Starting", "waiting", "Its engine is still being loaded."],
  ["away", { reason: "no answer within 1 s" }, "Away", "wrong", "no answer within 1 s"],
  ["unknown", { reason: "an older version" }, "Not known", "waiting", "an older version"],
  ["levitating", {}, "Not known", "waiting", ""],
])) {
  test(`a server that is ${state}${JSON.stringify(more)} is told of as ${word}`, () => {
    assert.deepEqual(health(server({ state, ...more })), { word, tone, told });
  });
}

test("a figure that a server does not tell is a dash, and zero is zero", () => {
  const values = Object.fromEntries(measures(server({ calls: 0, queue_depth: 3 })).map(({ key, value, more }) => [key, value + more]));
  assert.deepEqual(values, { "in-flight": "2", calls: "0", queue: "3", batch: "–", "real-time": "–", lag: "–" });
  assert.deepEqual(measures(server({ state: "away", engine: "", in_flight: 0 })), []);
  assert.deepEqual(measures(server({ state: "away", engine: "" })).map(({ key, value }) => [key, value]), [["in-flight", "2"]]);
});

test("what a server measures many times is told as its mean, and what most do not exceed", () => {
  const measured = server({
    batch_size: { count: 9, mean: 1.26, p50: 1, p95: 4 },
    real_time_factor: { count: 9, mean: 0.051, p50: 0.05, p95: 0.3 }, loop_lag_ms: { count: 9, mean: 0.42, p50: 0.3, p95: 12.4 },
  });
  const values = Object.fromEntries(measures(measured).map(({ key, value, more }) => [key, [value, more]]));
  assert.deepEqual(values["batch"], ["1.3", "p95 4"]);
  assert.deepEqual(values["real-time"], ["0.051", "p95 0.3"]);
  assert.deepEqual(values["lag"], ["0.4 ms", "p95 12 ms"]);
});

test("who shares a port is told to be one of several", () => {
  assert.equal(most(figures([])), "of 1 at most");
  const row = { port: 9104, active: 0, max: 1 };
  assert.equal(most({ ...figures([]), gateways: [row] }), "of 1 at most");
  assert.equal(most({ ...figures([]), gateways: [row, row] }), "of 1 at most, on this one of 2 gateways");
});

test("stages stand in the order of a turn, on one scale, and a new one at the end", () => {
  const found = stages(figures([], { "tts.synthesize": share(50, 100), mic_to_speaker_ms: share(1, 1), "new.stage": share(1, 2), "client.capture": share(10, 20), "asr.endpoint": share(100, 200) }));
  assert.deepEqual(found.map(({ name, half, most }) => [name, half, most]), [["client.capture", 5, 10], ["asr.endpoint", 50, 100], ["tts.synthesize", 25, 50], ["new.stage", 0.5, 1]]);
  assert.deepEqual(found.map(({ label, group }) => [label, group]).at(-1), ["new.stage", "server"]);
  assert.equal(found[0]?.label, "Microphone");
});

test("stages that took no time at all have bars of no length", () => {
  assert.deepEqual(stages(figures([], { "gateway.decode": share(0, 0) })).map(({ half, most }) => [half, most]), [[0, 0]]);
  assert.deepEqual(stages(figures([])), []);
});

test("the slowest turns come first and those that nobody heard not at all; the latest come as they were", () => {
  const turns = [turn({ turn: 3, mic_to_speaker_ms: 300 }), turn({ turn: 2, mic_to_speaker_ms: null }), turn({ turn: 1, mic_to_speaker_ms: 900 })];
  assert.deepEqual(chosen(figures(turns), "slowest").map((each) => each.turn), [1, 3]);
  assert.deepEqual(chosen(figures(turns), "latest").map((each) => each.turn), [3, 2, 1]);
  assert.deepEqual(turns.map((each) => each.turn), [3, 2, 1]);
  const many = Array.from({ length: 200 }, (_, at) => turn({ turn: at, mic_to_speaker_ms: at }));
  assert.equal(chosen(figures(many), "slowest").length, 10);
  assert.equal(chosen(figures(many), "latest").length, 10);
});

test("a turn has the voice page's picture, and none without sound", () => {
  const waterfall = [{ name: "asr.endpoint", start_ms: 0, duration_ms: 300 }];
  assert.equal(layout(reportOf(turn({ waterfall })))?.rows[0]?.width, 75);
  assert.equal(layout(reportOf(turn({ waterfall, mic_to_speaker_ms: null }))), null);
});

for (const [more, what, ending, wrong] of /** @type {[Record<string, unknown>, string, string, boolean][]} */ ([
  [{}, "Spoken · 5 sec. ago", "", false],
  [{ kind: "typed", outcome: "interrupted" }, "Typed · 5 sec. ago", "interrupted", false],
  [{ kind: "greeting", outcome: "listener_left" }, "Greeting · 5 sec. ago", "listener left", false],
  [{ outcome: "failed", failed_hop: "llm" }, "Spoken · 5 sec. ago", "failed: Language model", true],
  [{ outcome: "failed" }, "Spoken · 5 sec. ago", "failed", true],
])) {
  test(`a turn ${JSON.stringify(more)} is described in a line`, () => {
    assert.deepEqual(described(turn(more), 5000), { what, ending, wrong });
  });
}

test("only what did not end well is counted in words", () => {
  assert.equal(endings([turn({}), turn({})]), "");
  assert.equal(endings([turn({}), turn({ outcome: "failed" }), turn({ outcome: "interrupted" }), turn({ outcome: "interrupted" })]), "1 failed and 2 interrupted");
});

test("how long ago it was is told in the largest unit", () => {
  assert.deepEqual([0, 59.9, 60, 3599, 7200, 86_400, 200_000, -5].map(ago), ["now", "59 sec. ago", "1 min. ago", "59 min. ago", "2 hr. ago", "yesterday", "2 days ago", "now"]);
});
