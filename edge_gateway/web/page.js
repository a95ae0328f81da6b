/** Joins the conversation, what is known of it, and what shows it. Decides nothing that a pure module could. */

import { applySettings } from "./client/live-settings.js";
import { Conversation, missing } from "./client/conversation.js";
import { addEvent, exportSessions, reportsOf } from "./model/session-export.js";
import { DEFAULTS, sessionConfig } from "./model/settings.js";
import { INITIAL_STATE, reduceState } from "./model/status.js";
import { EMPTY, closeOpenLines, markHeard, reduceTranscript } from "./model/transcript.js";
import { about, failure, loss, sentence, waiting } from "./model/wording.js";
import { Announcer } from "./view/announcer.js";
import { ScreenWakeLock, loadSettings, saveSettings, showTheme } from "./view/browser.js";
import { Controls } from "./view/controls.js";
import { Notice } from "./view/notice.js";
import { SettingsView } from "./view/settings.js";
import { TimingView } from "./view/timing.js";
import { TranscriptView } from "./view/transcript.js";

/** @typedef {import("./model/settings.js").Settings} Settings */
/** @typedef {import("./model/waterfall.js").Report} Report */
/** @typedef {import("./model/status.js").ConversationState} ConversationState */
/** @typedef {import("./model/transcript.js").Transcript} Transcript */

const INTERRUPTED_MS = 1400;

export class Page {
  constructor() {
    /** @type {Conversation | null} */
    this.conversation = null;
    this.state = { ...INITIAL_STATE };
    /** True when the server has said why it ends the session. */
    this.explained = false;
    this.transcript = EMPTY;
    /** @type {import("./model/session-export.js").Session[]} */
    this.sessions = [];
    this.settings = loadSettings();
    this.notice = new Notice();
    this.wakeLock = new ScreenWakeLock();
    this.timing = new TimingView();
    this.announcer = new Announcer();
    this.lines = new TranscriptView(this.announcer, (key) => this.timing.showLine(key));
    this.panel = new SettingsView(this.settings, (changed) => this.change(changed));
    this.controls = new Controls({
      talk: () => this.talk(), hold: (down) => this.hold(down), mute: () => this.mute(), end: () => this.end(),
      cancel: () => this.cancel(), say: (text) => this.say(text),
    });
    showTheme(this.settings.theme);
    this.update({ pushToTalk: this.settings.pushToTalk });
  }

  /** True while somebody can be heard. */
  live() {
    return this.conversation !== null && this.state.microphone;
  }

  /** The large button: begin, or end. */
  talk() {
    const live = this.live();
    this.end();
    if (!live) this.start(true);
  }

  /** @param {string} text */
  say(text) {
    if (!this.conversation) this.start(false);
    this.conversation?.say(text);
  }

  end() {
    this.conversation?.close();
    this.over();
  }

  cancel() {
    if (this.state.connection === "ready" && this.state.assistant !== "idle") this.conversation?.cancelReply();
  }

  mute() {
    if (!this.live()) return;
    this.update({ muted: !this.state.muted });
    this.conversation?.setMuted(this.state.muted);
  }

  /** @param {boolean} down */
  hold(down) {
    this.conversation?.hold(down);
    this.update({ held: down });
  }

  /** @param {boolean} microphone */
  start(microphone) {
    const problem = missing();
    if (problem && microphone) return this.notice.show(problem);
    this.notice.clear();
    this.explained = false;
    const { inputDeviceId, outputDeviceId, volume, processing, pushToTalk } = this.settings;
    const tap = new URLSearchParams(location.search).get("tap") === "1";
    const config = sessionConfig(this.settings);
    const opening = new Conversation({ config, inputDeviceId, outputDeviceId, volume, processing, pushToTalk, microphone, tap });
    this.conversation = opening;
    this.update({ connection: "connecting", microphone, muted: false });
    this.follow(opening);
    void opening.open();
    void this.wakeLock.keep(microphone);
  }

  /** @param {Conversation} conversation */
  follow(conversation) {
    /** @param {string} name @param {(detail: any) => void} then */
    const on = (name, then) =>
      conversation.addEventListener(name, (event) => conversation === this.conversation && then(/** @type {CustomEvent} */ (event).detail));
    on("state", (detail) => this.stateChanged(detail));
    on("server", (detail) => this.told(detail));
    on("levels", ({ input, output }) => this.controls.orb.hear(input, output));
    on("position", ({ reply, samples }) => this.rewrite(markHeard(this.transcript, reply, samples)));
    on("microphone", ({ label, settings }) => this.panel.showMicrophone(label, settings));
    on("devices", ({ inputs, outputs }) => this.panel.showDevices(inputs, outputs));
  }

  /** @param {{state: ConversationState["connection"], message: string}} detail */
  stateChanged({ state, message }) {
    // What the server said of it is worth more than that the connection is gone.
    if (message && !this.explained) this.notice.show(sentence(message), { passing: this.state.connection === state });
    else if (state === "ready" && this.state.connection === "reconnecting") this.notice.clear();
    if (state === "failed" || state === "closed") {
      this.over(state);
      return this.giveLanguageBack(message);
    }
    if (state === "reconnecting") this.rewrite(closeOpenLines(this.transcript));
    if (state === "ready") this.explained = false;
    this.update({ connection: state });
  }

  /** @param {"idle" | "closed" | "failed"} [connection] */
  over(connection = "idle") {
    this.conversation = null;
    this.rewrite(closeOpenLines(this.transcript));
    this.timing.waits(false);
    this.controls.orb.hear(0, 0);
    this.update({ ...INITIAL_STATE, connection, pushToTalk: this.settings.pushToTalk });
    void this.wakeLock.keep(false);
  }

  /** @param {import("./model/messages.js").ServerEvent} event */
  told({ kind, fields: event }) {
    this.sessions = addEvent(this.sessions, kind, event, new Date().toISOString());
    this.rewrite(reduceTranscript(this.transcript, kind, event));
    this.update(reduceState(this.state, kind, event));
    if (kind === "flush_playback") setTimeout(() => this.update({ interrupted: false }), INTERRUPTED_MS);
    if (kind === "ready") this.panel.about(about(event));
    if (kind === "reply_started") this.timing.waits(true);
    if (kind === "turn_times" || kind === "turn_report") this.reported(/** @type {Report} */ (event));
    if (kind === "error") this.failed(event);
    if (kind === "user_discarded") this.discarded(loss(event));
    if (kind === "reply_delayed") this.delayed(/** @type {import("./model/wording.js").Delay} */ (event));
  }

  /** @param {Report} report */
  reported(report) {
    const line = this.transcript.lines.findLast((each) => each.who === "assistant" && each.reply === report.reply);
    if (line) this.timing.belongs(report, line.key);
    this.timing.show(reportsOf(this.sessions));
  }

  /** @param {string} what was lost, or "" */
  discarded(what) {
    if (what) this.notice.show(what, { passing: true });
  }

  /** @param {import("./model/wording.js").Delay} delay */
  delayed(delay) {
    const { word, hint } = waiting(delay);
    this.announcer.say(hint ? `${word} ${hint}.` : word);
  }

  /** @param {Record<string, any>} error */
  failed(error) {
    this.explained = error.ends_session || error.code === "ERROR_CODE_SHUTTING_DOWN";
    this.notice.show(failure(error), { passing: !this.explained });
  }

  /** The recogniser may not know the language that was chosen: go back to one that it knows. @param {string} why */
  giveLanguageBack(why) {
    if (!/\blanguage\b/i.test(why) || this.settings.language === DEFAULTS.language) return;
    this.change({ language: DEFAULTS.language, voice: "" });
    this.panel.settings = this.settings;
    this.panel.showVoices(this.panel.voices, sentence(why));
  }

  /** @param {Partial<Settings>} changed */
  change(changed) {
    this.settings = { ...this.settings, ...changed };
    saveSettings(this.settings);
    if (changed.theme) showTheme(changed.theme);
    if (changed.pushToTalk !== undefined) this.update({ pushToTalk: changed.pushToTalk });
    if (this.conversation) applySettings(this.conversation, changed);
    if (changed.language !== undefined) this.panel.note(this.conversation ? "The language changes with the next conversation." : "");
  }

  /** What was said and measured. @param {string} now ISO 8601 */
  exported(now) {
    return exportSessions(this.sessions, now);
  }

  /** @param {Partial<ConversationState>} more */
  update(more) {
    this.state = { ...this.state, ...more };
    this.controls.show(this.state);
  }

  /** @param {Transcript} transcript */
  rewrite(transcript) {
    if (transcript === this.transcript) return;
    this.transcript = transcript;
    this.lines.show(transcript);
  }
}
