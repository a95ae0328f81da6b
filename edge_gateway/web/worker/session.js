/** One session, away from the page's thread: joins microphone, gateway and loudspeaker. Knows nothing of the page. */

import { ClockOffset } from "../model/clock-offset.js";
import { Ducker } from "../model/ducker.js";
import { microseconds, readEvent, remedy } from "../model/messages.js";
import { PlaybackReports } from "../model/playback-reports.js";
import { connectionLost, errorProblem } from "../model/problems.js";
import { Downlink, outputFormat } from "./downlink.js";
import { unpackReply } from "./frames.js";
import { ReconnectingSocket } from "./reconnecting-socket.js";
import { Uplink, inputFormat } from "./uplink.js";

/** @typedef {import("../model/messages.js").Command} Command */
/** @typedef {import("../model/messages.js").ServerEvent} ServerEvent */

/** Seconds since the Unix epoch; a worker's own clock has another origin than the page's. */
const now = () => (performance.timeOrigin + performance.now()) / 1000;

export class Session {
  /**
   * @param {Extract<Command, {do: "start"}>} start
   * @param {(message: import("../model/messages.js").WorkerMessage) => void} tell
   */
  static async open(start, tell) {
    const session = new Session(start, { input: await inputFormat(), output: await outputFormat() }, tell);
    session.socket.open();
    return session;
  }

  /**
   * @param {Extract<Command, {do: "start"}>} start
   * @param {{input: import("../model/messages.js").Format, output: import("../model/messages.js").Format}} formats
   * @param {(message: import("../model/messages.js").WorkerMessage) => void} tell
   */
  constructor(start, formats, tell) {
    this.start = start;
    this.formats = formats;
    this.tellPage = tell;
    this.config = start.config;
    /** Asks to be told how long packets may last. */
    this.adaptive = true;
    this.clock = new ClockOffset();
    this.ducker = new Ducker();
    this.ready = false;
    this.inputLatency = 0;
    this.inputLevel = 0;
    this.gain = 1;
    /** Words typed before the session was ready. @type {string[]} */
    this.unsaid = [];
    this.socket = new ReconnectingSocket(start.url, {
      opened: () => {
        this.adaptive = true;
        this.configure();
      },
      text: (text) => this.event(readEvent(text)),
      frame: (frame) => this.frame(frame),
      lost: (seconds) => this.lost(seconds),
    });
    this.reports = new PlaybackReports(start.rate, formats.output.sample_rate_hz, {
      unix: (seconds) => this.clock.toOurs(seconds),
      send: (request) => this.send(request),
      tell: (position) => this.tell("position", position),
    });
    this.uplink = new Uplink(start.rate, formats.input, this.socket, () => this.send({ end_utterance: {} }));
    this.uplink.push(start.pushToTalk);
    this.downlink = new Downlink(start.rate, formats.output, (command) => this.toPlayer(command));
    start.capture.onmessage = ({ data }) => this.captured(data);
    start.play.onmessage = ({ data }) => this.played(data);
  }

  close() {
    this.socket.close();
    this.uplink.close();
    this.downlink.close();
  }

  /** @param {import("../model/messages.js").WorkerMessage["name"]} name @param {object} detail */
  tell(name, detail) {
    this.tellPage({ name, detail, ...(this.start.tap ? { context: this.clock.toTheirs(now()) } : {}) });
  }

  /** @param {import("../model/messages.js").ConnectionState} state @param {import("../model/problems.js").Problem | null} [problem] @param {number} [retrySeconds] */
  state(state, problem = null, retrySeconds = 0) {
    this.tell("state", { state, problem, retrySeconds });
  }

  /** @param {object} request one ConverseRequest as JSON */
  send(request) {
    this.socket.send(JSON.stringify(request));
  }

  configure() {
    const adaptive = this.adaptive ? { adaptive_ptime: true } : {};
    this.send({ configure: { ...this.config, ...this.formats, reports_playback: true, ...adaptive } });
  }

  /** @param {number} seconds until the next try */
  lost(seconds) {
    this.ready = false;
    this.uplink.close();
    this.downlink.flush();
    this.reports.begin(0);
    this.state("reconnecting", connectionLost(navigator.onLine !== false), seconds);
  }

  /** @param {ServerEvent | null} event */
  event(event) {
    if (!event) return;
    this.react(event);
    this.applyGain();
    this.tell("server", event);
    // What is at work is known before anybody is said to listen.
    if (event.kind === "ready") this.state("ready");
  }

  /** @param {ServerEvent} event */
  react({ kind, fields }) {
    switch (kind) {
      case "ready":
        return this.begin(fields.lead_ms);
      case "ping":
        return this.pong(fields.id);
      case "packet_time":
        return this.uplink.setPacketTime(fields.sound_ms, fields.silence_ms);
      case "user_speech_started":
        return this.uplink.hearVoice();
      case "user_utterance":
        // Who has typed may be speaking.
        return fields.typed ? undefined : this.uplink.endTurn();
      case "user_discarded":
        return this.uplink.endTurn();
      case "reply_started":
        return this.beginReply(fields.reply);
      case "reply_audio_end":
      case "reply_finished":
        // Text that cannot be spoken comes without sound: nothing will be played, and nobody should wait for it.
        return void this.downlink.end(fields.reply);
      case "duck":
        return this.ducker.decide(10 ** (fields.gain_db / 20));
      case "flush_playback":
        return this.downlink.flush();
      case "error":
        return this.failed(fields);
    }
  }

  /** @param {number} leadMs how far ahead of the listener the gateway sends */
  begin(leadMs) {
    this.ready = true;
    this.socket.sessionReady();
    this.toPlayer({ do: "lead", seconds: leadMs / 1000 });
    this.uplink.begin();
    for (const text of this.unsaid.splice(0)) this.say(text);
  }

  /** @param {number} id of the ping */
  pong(id) {
    const received = microseconds(now());
    this.send({ pong: { id, received_unix_us: received, sent_unix_us: microseconds(now()) } });
  }

  /** @param {number} reply */
  beginReply(reply) {
    this.ducker.begin();
    this.gain = 1;
    this.reports.begin(reply);
    this.downlink.begin(reply);
  }

  /** @param {Record<string, any>} error */
  failed(error) {
    if (error.retry_after_ms) this.socket.wait(error.retry_after_ms / 1000);
    const what = remedy(error, this.ready);
    if (what === "give up") {
      this.close();
      this.state("failed", { ...errorProblem(error), tone: "wrong" });
    } else if (what === "without voice") {
      this.config = { ...this.config, voice: "" };
      this.configure();
    } else if (what === "without ptime") {
      this.adaptive = false;
      this.configure();
    }
  }

  /** @param {ArrayBuffer} frame */
  frame(frame) {
    const packet = unpackReply(frame);
    if (packet && this.downlink.take(packet)) this.reports.mark("CLIENT_MARK_KIND_FIRST_PACKET", now());
  }

  /** @param {import("../model/messages.js").CapturedBlock} captured */
  captured({ samples, at }) {
    this.clock.see(at + samples.length / this.start.rate, now());
    this.inputLevel = Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length);
    this.ducker.hear(this.inputLevel, this.reports.reply ? this.reports.loudest : 0);
    this.applyGain();
    this.uplink.hear(samples, (this.clock.toOurs(at) - this.inputLatency) * 1e6);
  }

  /** @param {import("../model/messages.js").PlayerReport} report */
  played(report) {
    this.clock.see(report.at, now());
    this.reports.hear(report);
    if (report.kind === "status") this.tell("levels", { input: this.inputLevel, output: report.level });
  }

  /** @param {import("../model/messages.js").PlayerCommand} command */
  toPlayer(command) {
    this.start.play.postMessage(command, command.do === "samples" ? [command.samples.buffer] : []);
  }

  applyGain() {
    if (this.ducker.gain === this.gain) return;
    this.gain = this.ducker.gain;
    this.toPlayer({ do: "gain", gain: this.gain });
  }

  /** @param {Exclude<Command, {do: "start"}>} command */
  obey(command) {
    switch (command.do) {
      case "configure":
        this.config = { ...this.config, ...command.config };
        return this.ready ? this.configure() : undefined;
      case "say":
        return this.say(command.text);
      case "cancel":
        return this.send({ cancel_reply: {} });
      case "pushToTalk":
        return this.uplink.push(command.on);
      case "hold":
        return this.hold(command.down);
      case "latency":
        this.inputLatency = command.input;
        this.reports.latency = command.output;
        return;
      case "again":
        return this.socket.retryNow();
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
    if (down && this.uplink.pushToTalk && this.reports.reply) this.send({ cancel_reply: {} });
    this.uplink.hold(down);
  }
}
