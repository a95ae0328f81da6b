import assert from "node:assert/strict";
import { test } from "node:test";

import "../english.js";

import { layout, percentile, summary, traceAddress, wasSpoken } from "../../../edge_gateway/web/model/waterfall.js";

/** @param {[string, number, number][]} slices @param {number} [total] @returns {any} */
const report = (slices, total) => ({
  turn: 1, reply: 1, mic_to_speaker_ms: total,
  waterfall: slices.map(([name, start_ms, duration_ms]) => ({ name, start_ms, duration_ms })),
});

test("a turn that nobody heard has no picture", () => {
  assert.equal(layout(report([["llm.chat", 0, 10]])), null);
  assert.equal(layout(report([["llm.chat", 0, 10]], 0)), null);
});

test("bars lie on the scale of the whole", () => {
  const rows = layout(report([["client.capture", 0, 20], ["asr.endpoint", 20, 160], ["client.playout", 180, 20]], 200))?.rows ?? [];
  assert.deepEqual(rows.map(({ x, width }) => [x, width]), [[0, 10], [10, 80], [90, 10]]);
  assert.deepEqual(rows.map(({ slowest }) => slowest), [false, true, false]);
});

test("what was done before the end of speech is cut at its beginning, and keeps its length in words", () => {
  const [row] = layout(report([["asr.transcribe", -50, 100]], 200))?.rows ?? [];
  assert.deepEqual([row.x, row.width, row.startMs, row.durationMs], [0, 25, -50, 100]);
});

test("what goes on after the first sound ends at the edge and says so; what begins later is left out", () => {
  const rows = layout(report([["tts.synthesize", 150, 100], ["tts.synthesize", 250, 40]], 200))?.rows ?? [];
  assert.deepEqual(rows.map(({ x, width, spills }) => [x, width, spills]), [[75, 25, true]]);
});

test("what is over before the end of speech is left out", () => {
  assert.deepEqual(layout(report([["asr.transcribe", -90, 40]], 200))?.rows, []);
});

test("the shortest slice can be seen, and no bar leaves the scale", () => {
  const rows = layout(report([["gateway.encode", 399.9, 0.05], ["client.uplink", 0, 0]], 400))?.rows ?? [];
  for (const { x, width } of rows) assert.ok(width >= 0.5 && x >= 0 && x + width <= 100.0001);
});

test("the verdict names the slowest slice by what it is, within the time that was waited for", () => {
  const verdict = layout(report([["llm.chat", 0, 60], ["tts.synthesize", 60, 900]], 100))?.verdict;
  assert.equal(verdict, "60% of it went into the language model writing its answer.");
});

test("a slice that this page does not know keeps its name", () => {
  const [row] = layout(report([["gateway.dream", 0, 100]], 100))?.rows ?? [];
  assert.equal(row.label, "gateway.dream");
});

test("ticks are round, few, and on the scale", () => {
  for (const total of [7, 40, 99, 412, 3_000, 45_000]) {
    const { ticks = [] } = layout(report([["llm.chat", 0, total]], total)) ?? {};
    assert.ok(ticks.length >= 1 && ticks.length <= 6, `${ticks.length} for ${total}`);
    assert.ok(ticks.every(({ ms, x }) => ms <= total && Math.abs(x - (100 * ms) / total) < 1e-9));
  }
});

test("percentiles lie between the two nearest values", () => {
  assert.equal(percentile([4, 1, 3, 2], 50), 2.5);
  assert.equal(percentile([10], 95), 10);
  assert.ok(Math.abs(percentile([1, 2, 3, 4, 5], 95) - 4.8) < 1e-9);
  assert.ok(Number.isNaN(percentile([], 50)));
});

test("turns without sound, or without a voice, are not in the figures", () => {
  /** @type {[string, number, number][]} */
  const voice = [["asr.endpoint", 0, 90]];
  assert.deepEqual(summary([report(voice, 100), report(voice), report(voice, 300), report([], 20)]), { turns: 2, p50: 200, p95: 290 });
});

test("a typed turn has no microphone in its picture", () => {
  const typed = report([["client.capture", 0, 0], ["llm.chat", 0, 10]], 40);
  assert.equal(wasSpoken(typed), false);
  assert.deepEqual(layout(typed)?.rows.map(({ name }) => name), ["llm.chat"]);
});

test("a trace's address comes from the template, and only for what can be a trace on a web site", () => {
  const id = "501cd33d00efec648b34c288f48a5519";
  assert.equal(traceAddress("https://g.example/t/{trace_id}?a={trace_id}", id), `https://g.example/t/${id}?a=${id}`);
  const explore = "http://localhost:3000/explore?schemaVersion=1&panes=%7B%22a%22%3A%22{trace_id}%22%7D&orgId=1";
  const panes = new URL(traceAddress(explore, id)).searchParams.get("panes");
  assert.deepEqual(JSON.parse(panes ?? ""), { a: id });
  assert.equal(traceAddress("", id), "");
  assert.equal(traceAddress("javascript:alert('{trace_id}')", id), "");
  assert.equal(traceAddress("https://g.example/{trace_id}", "../admin"), "");
});
