/** Microphones and loudspeakers that come, go and are exchanged during a conversation. Knows nothing of the gateway. */

import { problem, problemOf } from "../model/problems.js";
import { microphone } from "./microphone.js";

/** @typedef {import("./microphone.js").Processing} Processing */
/** @typedef {import("../model/problems.js").Problem} Problem */

const LOST = problem("microphone", "microphone.lost", { tone: "lasting" });
const TAKEN_OVER = problem("microphone", "microphone.takenOver");

/**
 * What there is, as far as the browser names it.
 */
export async function listDevices() {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  /** @param {string} kind */
  const of = (kind) => all.filter((each) => each.kind === kind && each.deviceId).map(({ deviceId, label }) => ({ deviceId, label }));
  return { inputs: of("audioinput"), outputs: of("audiooutput") };
}

export class Devices {
  /**
   * @param {import("./audio-graph.js").AudioGraph} audio
   * @param {{inputDeviceId: string, processing: Processing, microphone: boolean}} options may change later
   * @param {(name: "microphone" | "devices", detail: object) => void} tell
   * @param {(problem: Problem) => void} remark something that people should know
   */
  constructor(audio, options, tell, remark) {
    this.audio = audio;
    this.options = options;
    this.tell = tell;
    this.remark = remark;
    this.muted = false;
    this.lost = false;
    this.closed = false;
    this.changed = () => void this.look();
    navigator.mediaDevices?.addEventListener("devicechange", this.changed);
  }

  close() {
    this.closed = true;
    navigator.mediaDevices?.removeEventListener("devicechange", this.changed);
  }

  /** What there is now; a microphone that was lost and is back is used again. */
  async look() {
    this.tell("devices", await listDevices());
    if (this.lost && !this.closed) await this.reopen(null);
  }

  /** The microphone that is in use now. */
  follow() {
    const track = this.audio.stream?.getAudioTracks()[0];
    if (!track) return;
    track.onended = () => void this.reopen(TAKEN_OVER);
    // A switch at the microphone, or the system's own.
    track.onmute = track.onunmute = () => this.follow();
    const settings = track.getSettings();
    this.tell("microphone", { label: track.label, deviceId: settings.deviceId ?? "", settings, trouble: track.muted ? "silenced" : "" });
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.muted = muted;
    this.audio.mute(muted);
    this.follow();
  }

  /** Opens the microphone anew, as the options say now. @param {Problem | null} said to people once it is open */
  async reopen(said) {
    if (!this.options.microphone) return;
    try {
      // Some systems give a microphone only once, so the old one goes first.
      this.audio.releaseMicrophone();
      const stream = await microphone(this.options.inputDeviceId, this.options.processing);
      if (this.closed) return stream.getTracks().forEach((track) => track.stop());
      this.audio.useMicrophone(stream);
      this.lost = false;
      this.follow();
      if (said) this.remark(said);
    } catch (error) {
      if (!this.lost) this.remark(said ? LOST : { ...problemOf(error), tone: "lasting" });
      this.lost = true;
      this.tell("microphone", { label: "", deviceId: "", settings: {}, trouble: "gone" });
    }
  }
}
