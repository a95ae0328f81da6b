import assert from "node:assert/strict";
import { test } from "node:test";

import { Session } from "../../../edge_gateway/web/worker/session.js";

const RATE = 16_000;

/** A connection that keeps what is sent over it. */
class Connection {
  static OPEN = 1;
  /** @type {Connection | undefined} */
  static last = undefined;

  constructor() {
    this.readyState = Connection.OPEN;
    this.bufferedAmount = 0;
    /** @type {(string | ArrayBuffer)[]} */
    this.sent = [];
    this.onopen = this.onclose = () => {};
    this.onmessage = (/** @type {{data: string}} */ _message) => {};
    Connection.last = this;
  }

  /** @param {string | ArrayBuffer} data */
  send(data) {
    this.sent.push(data);
  }

  close() {}

  /** The gateway says something. @param {object} event */
  say(event) {
    this.onmessage({ data: JSON.stringify(event) });
  }

  /** How many packets each frame holds that came since this was asked last. */
  packets() {
    return this.sent.splice(0).flatMap((each) => (typeof each === "string" ? [] : [(new DataView(each).getUint8(1) >> 4) + 1]));
  }
}

/** A session over a connection, and what its microphone brings. @param {import("node:test").TestContext} context */
async function open(context) {
  Object.assign(globalThis, { WebSocket: Connection });
  /** @type {any} */
  const capture = {};
  /** @type {any} */
  const play = { postMessage: () => {} };
  const session = await Session.open({ do: "start", url: "ws://nowhere", config: {}, rate: RATE, pushToTalk: false, tap: false, capture, play }, () => {});
  context.after(() => session.close());
  return { session, capture };
}

test("an older gateway is asked again without what it does not know, and another one anew", async (context) => {
  const { session } = await open(context);
  for (const connected of [1, 2]) {
    if (connected === 2) session.socket.open();
    const connection = /** @type {Connection} */ (Connection.last);
    connection.onopen();
    connection.say({ error: { code: "ERROR_CODE_INVALID_INPUT", message: 'no field named "adaptive_ptime"', field: "request" } });
    const asked = connection.sent.map((each) => JSON.parse(String(each)).configure.adaptive_ptime);
    assert.deepEqual(asked, [true, undefined]);
  }
});

test("the gateway is told that packets can be joined, and says from when on, in each session anew", async (context) => {
  const { session, capture } = await open(context);
  let blocks = 0;
  context.mock.method(performance, "now", () => 10 * blocks);
  /** @param {number} packets */
  const speak = (packets) => {
    for (const end = blocks + 2 * packets; blocks < end; blocks++) capture.onmessage({ data: { samples: new Float32Array(RATE / 100).fill(0.1), at: blocks / 100 } });
  };
  for (const connected of [1, 2]) {
    if (connected === 2) session.socket.open();
    const connection = /** @type {Connection} */ (Connection.last);
    connection.onopen();
    assert.equal(JSON.parse(String(connection.sent[0])).configure.adaptive_ptime, true);
    connection.say({ ready: { lead_ms: 400 } });
    speak(2);
    assert.deepEqual(connection.packets(), [1, 1]);
    connection.say({ packet_time: { sound_ms: 80, silence_ms: 80 } });
    speak(10);
    assert.deepEqual(connection.packets(), [4, 4]);
    connection.say({ packet_time: { sound_ms: 20, silence_ms: 80 } });
    assert.deepEqual(connection.packets(), [2]);
    connection.say({ packet_time: {} });
    speak(1);
    assert.deepEqual(connection.packets(), [1]);
  }
});
