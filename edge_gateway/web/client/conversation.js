/**
 * One conversation by voice or keyboard, as the page sees it: opens microphone, sound and worker, and passes on what
 * they say. Shows nothing.
 */

import { problem, problemOf } from "../model/problems.js";
import { Devices, listDevices } from "./devices.js";
import { latencyOf, microphone, missing } from "./microphone.js";
import { AudioGraph } from "./audio-graph.js";

export { missing };

/** @typedef {import("./microphone.js").Processing} Processing */
/** @typedef {import("../model/problems.js").Problem} Problem */
/** @typedef {import("../model/messages.js").ConnectionState} ConnectionState */

/**
 * @typedef {object} Options
 * @property {import("../model/messages.js").SessionConfig} config
 * @property {string} inputDeviceId "": the system's
 * @property {string} outputDeviceId "": the system's
 * @property {number} volume 0 to 1
 * @property {Processing} processing
 * @property {boolean} pushToTalk
 * @property {boolean} microphone false: text only
 * @property {Promise<boolean>} admitted false: it is not to begin after all
 * @property {boolean} [tap] keep every sample, for tests
 */

const LATENCY_MS = 500;

/**
 * Events (CustomEvent, payload in `detail`):
 * "state" {state, problem, retrySeconds}.
 * "server" {kind, fields}: every ConverseResponse but audio, by its name in the oneof.
 * "levels" {input, output}: RMS 0 to 1, about 20 a second.
 * "position" {reply, samples, seconds}: what has been heard of a reply, in samples as reply_word counts them.
 * "microphone" {label, deviceId, settings, trouble}: whenever it changes; trouble: "gone", "silenced" or "".
 * "devices" {inputs, outputs}: each a list of {deviceId, label}.
 */
export class Conversation extends EventTarget {
  /** @param {Options} options */
  constructor(options) {
    super();
    this.options = { ...options };
    /** @type {ConnectionState} */
    this.state = "idle";
    this.muted = false;
    /** Commands from before there was a worker. @type {import("../model/messages.js").Command[]} */
    this.early = [];
    this.timer = 0;
    this.woken = () => this.wake();
  }

  /** To be called from a user's click. Failures become the state "failed". */
  async open() {
    if (this.state !== "idle") return;
    const lacking = this.options.microphone ? missing() : null;
    if (lacking) return this.fail(lacking);
    this.state = "connecting";
    try {
      // Before anything is waited for: only a click allows sound.
      this.audio = new AudioGraph(this.options.volume);
      if (!(await this.options.admitted)) return this.close();
      const stream = this.options.microphone ? await this.ask() : undefined;
      if (this.over) return stream?.getTracks().forEach((track) => track.stop());
      this.tellState("connecting");
      await this.connect(this.audio, stream);
    } catch (error) {
      this.fail(problemOf(error));
    }
  }

  /** True when nothing will happen any more. */
  get over() {
    return this.state === "closed" || this.state === "failed";
  }

  ask() {
    this.tellState("asking");
    return microphone(this.options.inputDeviceId, this.options.processing);
  }

  /** @param {AudioGraph} audio @param {MediaStream | undefined} stream */
  async connect(audio, stream) {
    const ports = await audio.open(stream, this.options.outputDeviceId);
    const { tap = false, config, pushToTalk } = this.options;
    this.tap = tap ? await (await import("./tap.js")).tap(audio) : undefined;
    if (this.over) return audio.close();
    this.worker = new Worker(new URL("../worker/worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = () => this.fail(problemOf("worker"));
    const url = new URL("v1/conversation", document.baseURI).href.replace(/^http/, "ws");
    const rate = audio.context.sampleRate;
    this.worker.postMessage({ do: "start", url, config, rate, pushToTalk, tap, ...ports }, [ports.capture, ports.play]);
    for (const command of this.early.splice(0)) this.command(command);
    this.watch(audio);
  }

  /** @param {AudioGraph} audio */
  watch(audio) {
    this.devicesInUse = new Devices(audio, this.options, (name, detail) => this.tell(name, detail), (told) => this.remark(told));
    this.devicesInUse.mute(this.muted);
    void this.devicesInUse.look();
    const latency = () => this.command({ do: "latency", input: latencyOf(audio.stream), output: audio.latency });
    latency();
    this.timer = setInterval(latency, LATENCY_MS);
    audio.context.onstatechange = () => this.wake();
    document.addEventListener("visibilitychange", this.woken);
  }

  /** The page is looked at again, or the system has taken its sound away: both may be put right by trying. */
  wake() {
    const context = this.audio?.context;
    if (!context || context.state === "closed") return;
    if (context.state !== "running") {
      this.remark(problem("sound", "sound.paused"));
      void context.resume().catch(() => {});
    }
    if (!document.hidden) this.command({ do: "again" });
  }

  close() {
    if (this.over) return;
    this.release();
    this.tellState("closed");
  }

  /** @param {Problem} why */
  fail(why) {
    if (this.over) return;
    this.release();
    this.tellState("failed", why);
  }

  release() {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.woken);
    this.devicesInUse?.close();
    this.worker?.postMessage({ do: "close" });
    this.worker = undefined;
    if (this.audio) this.audio.context.onstatechange = null;
    this.audio?.close();
    this.audio = undefined;
  }

  /** @param {import("../model/messages.js").SessionConfig} part new values within the session */
  configure(part) {
    this.options.config = { ...this.options.config, ...part };
    this.command({ do: "configure", config: part });
  }

  /** @param {boolean} muted the microphone sends silence, nothing else changes */
  setMuted(muted) {
    this.muted = muted;
    this.devicesInUse?.mute(muted);
  }

  /** @param {boolean} on */
  setPushToTalk(on) {
    this.options.pushToTalk = on;
    this.command({ do: "pushToTalk", on });
  }

  /** @param {boolean} down push-to-talk: sound goes only while it is down */
  hold(down) {
    this.command({ do: "hold", down });
  }

  /** @param {string} deviceId "": the system's */
  async setInput(deviceId) {
    this.options.inputDeviceId = deviceId;
    await this.devicesInUse?.reopen(null);
  }

  /** @param {Processing} processing */
  async setProcessing(processing) {
    this.options.processing = processing;
    await this.devicesInUse?.reopen(null);
  }

  /** @param {string} deviceId "": the system's */
  async setOutput(deviceId) {
    this.options.outputDeviceId = deviceId;
    try {
      await this.audio?.setOutput(deviceId);
    } catch {
      this.remark(problem("sound", "sound.loudspeaker"));
    }
  }

  /** @param {number} volume 0 to 1 */
  setVolume(volume) {
    this.options.volume = volume;
    this.audio?.setVolume(volume);
  }

  /** @param {string} text what the user typed */
  say(text) {
    this.command({ do: "say", text });
    if (this.state !== "idle") return;
    this.options.microphone = false;
    void this.open();
  }

  cancelReply() {
    this.command({ do: "cancel" });
  }

  devices() {
    return listDevices();
  }

  /** @param {import("../model/messages.js").Command} command */
  command(command) {
    if (this.worker) this.worker.postMessage(command);
    else if (!this.over && (command.do === "say" || command.do === "pushToTalk" || command.do === "configure")) this.early.push(command);
  }

  /** @param {import("../model/messages.js").WorkerMessage} message */
  receive({ name, detail, context = 0 }) {
    if (this.over) return;
    if (name === "server") this.tap?.events.push({ kind: detail.kind, at: context, detail: detail.fields });
    if (name !== "state") this.tell(name, detail);
    else if (detail.state === "failed") this.fail(detail.problem);
    else this.tellState(detail.state, detail.problem, detail.retrySeconds);
  }

  /** Something that people should know, and nothing else changes. @param {Problem} what */
  remark(what) {
    if (!this.over) this.tellState(this.state, what);
  }

  /** @param {ConnectionState} state @param {Problem | null} [why] @param {number} [retrySeconds] */
  tellState(state, why = null, retrySeconds = 0) {
    this.state = state;
    this.tell("state", { state, problem: why, retrySeconds });
  }

  /** @param {string} name @param {object} detail */
  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
