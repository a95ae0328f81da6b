import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULTS, read, sessionConfig, write } from "../../../edge_gateway/web/model/settings.js";

test("what was chosen comes back", () => {
  const chosen = {
    ...DEFAULTS, language: "de", voice: "de+f3", speed: 1.4, volume: 0.3, pushToTalk: true, theme: /** @type {const} */ ("dark"),
    processing: { echoCancellation: false, noiseSuppression: true, autoGainControl: false },
  };
  assert.deepEqual(read(write(chosen)), chosen);
});

for (const text of [null, "", "no json", "null", "[]", "3", '"x"', "{}"]) {
  test(`there are defaults for ${text}`, () => assert.deepEqual(read(text), { ...DEFAULTS, processing: { ...DEFAULTS.processing } }));
}

for (const [name, value] of /** @type {[string, unknown][]} */ ([
  ["language", ""], ["language", 7], ["voice", {}], ["speed", 0.4], ["speed", "1"], ["volume", 1.01], ["volume", null], ["pushToTalk", "yes"],
  ["processing", null], ["processing", { echoCancellation: 1 }], ["theme", "pink"], ["instructions", "x".repeat(8001)],
])) {
  test(`a damaged value gets its default: ${name} ${JSON.stringify(value)?.slice(0, 20)}`, () => {
    const settings = /** @type {any} */ (read(JSON.stringify({ ...DEFAULTS, [name]: value })));
    assert.deepEqual(settings[name], /** @type {any} */ (DEFAULTS)[name]);
  });
}

test("one damaged value leaves the others alone", () => {
  assert.equal(read('{"speed": 9, "volume": 0.5}').volume, 0.5);
});

test("a session is told what concerns it, and nothing of this machine", () => {
  assert.deepEqual(Object.keys(sessionConfig(read(null))).sort(), ["instructions", "language", "speed", "voice"]);
});
