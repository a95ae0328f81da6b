import assert from "node:assert/strict";
import { test } from "node:test";

import { PlaybackReports } from "../../../edge_gateway/web/model/playback-reports.js";

const STATUS = { kind: /** @type {const} */ ("status"), at: 10, reply: 1, played: 48_000, waiting: 0, underruns: 0, level: 0.1, playing: true, over: false, silent: false };

function listening() {
  /** @type {any[]} */
  const sent = [];
  /** @type {any[]} */
  const told = [];
  const reports = new PlaybackReports(48_000, 24_000, {
    unix: (seconds) => seconds + 1000, send: (request) => sent.push(request), tell: (position) => told.push(position),
  });
  reports.latency = 0.05;
  reports.begin(1);
  return { reports, sent, told };
}

test("what has been heard is what was played less the loudspeaker's latency, at the session's rate", () => {
  const { reports, sent, told } = listening();
  reports.hear(STATUS);
  assert.deepEqual(told, [{ reply: 1, samples: 22_800, seconds: 0.95 }]);
  assert.deepEqual(sent, [{ played: { reply: 1, samples: 22_800, unix_us: "1010000000", underruns: 0, final: false } }]);
});

test("the page is told of each place, the gateway of the first and then four a second", () => {
  const { reports, sent, told } = listening();
  for (let place = 0; place < 20; place++) reports.hear({ ...STATUS, at: 10 + place / 20 });
  const times = sent.map(({ played }) => (Number(played.unix_us) - 1010e6) / 1000);
  assert.deepEqual([told.length, times], [20, [0, 250, 500, 750]]);
});

test("an underrun is told at once, and the next report comes when it is due after that", () => {
  const { reports, sent } = listening();
  for (let place = 0; place < 10; place++) reports.hear({ ...STATUS, at: 10 + place / 20, underruns: place < 3 ? 0 : 1 });
  assert.deepEqual(sent.map(({ played }) => [Math.round(Number(played.unix_us) / 1000) - 1010e3, played.underruns]), [[0, 0], [150, 1], [400, 1]]);
});

test("the first sample is marked when it is rendered and when it is heard", () => {
  const { reports, sent } = listening();
  reports.hear({ ...STATUS, kind: "rendered" });
  assert.deepEqual(sent.map(({ mark }) => [mark.kind, mark.unix_us]), [
    ["CLIENT_MARK_KIND_FIRST_RENDERED", "1010000000"], ["CLIENT_MARK_KIND_FIRST_AUDIBLE", "1010050000"],
  ]);
});

test("the moment in which a reply was made quieter is told as it was heard", () => {
  const { reports, sent } = listening();
  reports.hear({ ...STATUS, kind: "ducked" });
  assert.deepEqual(sent, [{ mark: { kind: "CLIENT_MARK_KIND_DUCKED", reply: 1, unix_us: "1010050000" } }]);
});

test("a reply that was cut off before it sounded did not fall silent, and is over", () => {
  const { reports, sent } = listening();
  reports.hear({ ...STATUS, kind: "over", played: 0, over: true, silent: true });
  assert.deepEqual(sent, [{ played: { reply: 1, samples: 0, unix_us: "1010050000", underruns: 0, final: true } }]);
});

test("a reply that was heard to its end did not fall silent", () => {
  const { reports, sent } = listening();
  reports.hear({ ...STATUS, kind: "over", over: true });
  assert.deepEqual(sent, [{ played: { reply: 1, samples: 24_000, unix_us: "1010050000", underruns: 0, final: true } }]);
});

test("a reply that was cut off says at once what will have been heard, once", () => {
  const { reports, sent } = listening();
  reports.hear({ ...STATUS, kind: "over", over: true, silent: true });
  reports.hear({ ...STATUS, over: true });
  assert.deepEqual(sent, [
    { mark: { kind: "CLIENT_MARK_KIND_SILENT", reply: 1, unix_us: "1010050000" } },
    { played: { reply: 1, samples: 24_000, unix_us: "1010050000", underruns: 0, final: true } },
  ]);
});

test("news of another reply is old", () => {
  const { reports, sent, told } = listening();
  reports.begin(2);
  reports.hear(STATUS);
  assert.deepEqual([sent, told], [[], []]);
});

test("nothing has been heard before the latency has passed", () => {
  const { reports, told } = listening();
  reports.hear({ ...STATUS, played: 100 });
  assert.equal(told[0].samples, 0);
});
