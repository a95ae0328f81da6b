/** One conversation away from the page's thread: joins microphone, gateway and loudspeaker. Knows nothing of the page. */

import { ClockOffset } from "../model/clock-offset.js";
import { Downlink, outputFormat } from "./downlink.js";
import { Ducker } from "../model/ducker.js";
import { unpackReply } from "./frames.js";
import { Link } from "./reconnecting-socket.js";
import { microseconds, readEvent, remedy } from "../model/messages.js";
import { Speaker } from "../model/playback-reports.js";
import { Uplink, inputFormat } from "./uplink.js";

/** @typedef {import("../model/messages.js").Order} Order */
/** @typedef {import("../model/messages.js").ServerEvent} ServerEvent */

/** Seconds since the Unix epoch; a worker's own clock has another origin than the page's. */
const now = () => (performance.timeOrigin + performance.now()) / 1000;

export class Talk {
  /**
   * @param {Extract<Order, {do: "start"}>} start
   * @param {(news: import("../model/messages.js").News) => void} tell
   */
  static async open(start, tell) {
    const talk = new Talk(start, { input: await inputFormat(), output: await outputFormat() }, tell);
    talk.link.open();
    return talk;
  }

  /**
   * @param {Extract<Order, {do: "start"}>} start
   * @param {{input: import("../model/messages.js").Format, output: import("../model/messages.js").Format}} formats
   * @param {(news: import("../model/messages.js").News) => void} tell
   */
  constructor(start, formats, tell) {
    this.start = start;
    this.formats = formats;
    this.tellPage = tell;
    this.config = start.config;
    this.clock = new ClockOffset();
    this.ducker = new Ducker();
    this.ready = false;
    this.inputLatency = 0;
    this.inputLevel = 0;
    this.gain = 1;
    /** Words typed before the session was ready. @type {string[]} */
    this.unsaid = [];
    this.link = new Link(start.url, {
      opened: () => this.configure(),
      text: (text) => this.event(readEvent(text)),
      frame: (frame) => this.frame(frame),
      lost: (seconds) => this.lost(seconds),
    });
    this.speaker = new Speaker(start.rate, formats.output.sample_rate_hz, {
      unix: (seconds) => this.clock.toOurs(seconds),
      send: (request) => this.send(request),
      tell: (position) => this.tell("position", position),
    });
    this.uplink = new Uplink(start.rate, formats.input, this.link, () => this.send({ end_utterance: {} }));
    this.uplink.push(start.pushToTalk);
    this.downlink = new Downlink(start.rate, formats.output, (order) => this.order(order));
    start.capture.onmessage = ({ data }) => this.captured(data);
    start.play.onmessage = ({ data }) => this.played(data);
  }

  close() {
    this.link.close();
    this.uplink.close();
    this.downlink.close();
  }

  /** @param {import("../model/messages.js").News["name"]} name @param {object} detail */
  tell(name, detail) {
    this.tellPage({ name, detail, ...(this.start.tap ? { context: this.clock.toTheirs(now()) } : {}) });
  }

  /** @param {import("../model/messages.js").State} state @param {string} [message] @param {number} [retrySeconds] */
  state(state, message = "", retrySeconds = 0) {
    this.tell("state", { state, message, retrySeconds });
  }

  /** @param {object} request one ConverseRequest as JSON */
  send(request) {
    this.link.send(JSON.stringify(request));
  }

  configure() {
    this.send({ configure: { ...this.config, ...this.formats, reports_playback: true } });
  }

  /** @param {number} seconds until the next try */
  lost(seconds) {
    this.ready = false;
    this.uplink.close();
    this.downlink.flush();
    this.speaker.begin(0);
    const what = navigator.onLine === false ? "This device is offline." : "The connection to Parley was lost.";
    this.state("reconnecting", `${what} Trying again…`, seconds);
  }

  /** @param {ServerEvent | null} event */
  event(event) {
    if (!event) return;
    if (event.kind === "ready") this.begin(event);
    else if (event.kind === "ping") this.pong(event);
    else if (event.kind === "reply_started") this.reply(event.reply);
    else if (event.kind === "reply_audio_end") void this.downlink.end();
    else if (event.kind === "duck") this.ducker.decide(10 ** (event.gain_db / 20));
    else if (event.kind === "flush_playback") this.downlink.flush();
    else if (event.kind === "error") this.failed(event);
    this.loudness();
    this.tell("server", event);
  }

  /** @param {ServerEvent} ready */
  begin(ready) {
    this.ready = true;
    this.link.settled();
    this.order({ do: "lead", seconds: ready.lead_ms / 1000 });
    this.uplink.begin();
    this.state("ready");
    for (const text of this.unsaid.splice(0)) this.say(text);
  }

  /** @param {ServerEvent} ping */
  pong({ id }) {
    const received = microseconds(now());
    this.send({ pong: { id, received_unix_us: received, sent_unix_us: microseconds(now()) } });
  }

  /** @param {number} reply */
  reply(reply) {
    this.ducker.begin();
    this.gain = 1;
    this.speaker.begin(reply);
    this.downlink.begin(reply);
  }

  /** @param {ServerEvent} error */
  failed(error) {
    if (error.retry_after_ms) this.link.wait(error.retry_after_ms / 1000);
    const what = remedy(error, this.ready);
    if (what === "give up") {
      this.close();
      this.state("failed", error.message);
    } else if (what === "without voice") {
      this.config = { ...this.config, voice: "" };
      this.configure();
    }
  }

  /** @param {ArrayBuffer} frame */
  frame(frame) {
    const packet = unpackReply(frame);
    if (packet && this.downlink.take(packet)) this.speaker.mark("CLIENT_MARK_KIND_FIRST_PACKET", now());
  }

  /** @param {import("../model/messages.js").Captured} captured */
  captured({ samples, at }) {
    this.clock.see(at + samples.length / this.start.rate, now());
    this.inputLevel = Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length);
    this.ducker.hear(this.inputLevel, this.speaker.reply ? this.speaker.loudest : 0);
    this.loudness();
    this.uplink.hear(samples, (this.clock.toOurs(at) - this.inputLatency) * 1e6);
  }

  /** @param {import("../model/messages.js").PlayerNews} news */
  played(news) {
    this.clock.see(news.at, now());
    this.speaker.hear(news);
    if (news.kind === "status") this.tell("levels", { input: this.inputLevel, output: news.level });
  }

  /** @param {import("../model/messages.js").PlayerOrder} order */
  order(order) {
    this.start.play.postMessage(order, order.do === "samples" ? [order.samples.buffer] : []);
  }

  loudness() {
    if (this.ducker.gain === this.gain) return;
    this.gain = this.ducker.gain;
    this.order({ do: "gain", gain: this.gain });
  }

  /** @param {Exclude<Order, {do: "start"}>} order */
  obey(order) {
    switch (order.do) {
      case "configure":
        this.config = { ...this.config, ...order.config };
        return this.ready ? this.configure() : undefined;
      case "say":
        return this.say(order.text);
      case "cancel":
        return this.send({ cancel_reply: {} });
      case "pushToTalk":
        return this.uplink.push(order.on);
      case "hold":
        return this.hold(order.down);
      case "latency":
        this.inputLatency = order.input;
        this.speaker.latency = order.output;
        return;
      case "again":
        return this.link.again();
      case "close":
        return this.close();
    }
  }

  /** @param {string} text */
  say(text) {
    if (this.ready) this.send({ user_text: { text } });
    else this.unsaid.push(text);
  }

  /** @param {boolean} down */
  hold(down) {
    // Who presses the button wants the floor.
    if (down && this.uplink.pushToTalk && this.speaker.reply) this.send({ cancel_reply: {} });
    this.uplink.hold(down);
  }
}
