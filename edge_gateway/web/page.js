/** Joins the conversation, what is known of it, and what shows it. Decides nothing that a pure module could. */

import { applySettings } from "./client/live-settings.js";
import { Conversation, missing } from "./client/conversation.js";
import { EngineWatch } from "./client/engine-watch.js";
import { OneListener } from "./client/one-listener.js";
import { UNKNOWN_ENGINES, awayOf, noteOf, reduceEngines, seen } from "./model/engines.js";
import { awayProblem, errorProblem, problem } from "./model/problems.js";
import { addEvent, exportSessions, reportsOf } from "./model/session-export.js";
import { sessionConfig } from "./model/settings.js";
import { INITIAL_STATE, reduceState } from "./model/status.js";
import { text } from "./model/text.js";
import { EMPTY, closeOpenLines, markHeard, reduceTranscript } from "./model/transcript.js";
import { about, waiting } from "./model/wording.js";
import { Announcer } from "./view/announcer.js";
import { ScreenWakeLock, facts, keepConversation, loadConversation, loadSettings, saveSettings, showTheme } from "./view/browser.js";
import { Controls } from "./view/controls.js";
import { askWhetherHere } from "./view/elsewhere.js";
import { EnginesView } from "./view/engines.js";
import { ExamplesView } from "./view/examples.js";
import { Notice } from "./view/notice.js";
import { RemindersView } from "./view/reminders.js";
import { SettingsView } from "./view/settings.js";
import { TimingView } from "./view/timing.js";
import { TranscriptView } from "./view/transcript.js";

/** @typedef {import("./model/settings.js").Settings} Settings */
/** @typedef {import("./model/waterfall.js").Report} Report */
/** @typedef {import("./model/status.js").ConversationState} ConversationState */
/** @typedef {import("./model/transcript.js").Transcript} Transcript */
/** @typedef {import("./model/engines.js").Engines} Engines */

const INTERRUPTED_MS = 1400;
/** After these a conversation that is loaded anew would miss something. */
const WORTH_KEEPING = new Set(["user_utterance", "reply_finished", "tool_used", "turn_report"]);

export class Page {
  constructor() {
    /** @type {Conversation | null} */
    this.conversation = null;
    this.state = { ...INITIAL_STATE };
    /** True when the server has said why it ends the session. */
    this.explained = false;
    const kept = loadConversation();
    this.transcript = kept.transcript;
    this.sessions = kept.sessions;
    /** @type {Engines} */
    this.engines = UNKNOWN_ENGINES;
    this.settings = loadSettings();
    this.listener = new OneListener(() => this.taken());
    this.watch = new EngineWatch(() => this.learn(), () => awayOf(this.engines).length > 0);
    this.notice = new Notice();
    this.reminders = new RemindersView();
    this.wakeLock = new ScreenWakeLock();
    this.timing = new TimingView();
    this.announcer = new Announcer();
    this.lines = new TranscriptView(this.announcer, (key) => this.timing.showLine(key));
    this.enginesView = new EnginesView();
    this.examples = new ExamplesView((question) => this.say(question));
    this.panel = new SettingsView(this.settings, (changed) => this.change(changed));
    this.controls = new Controls({
      talk: () => this.talk(), hold: (down) => this.hold(down), mute: () => this.mute(), end: () => this.end(),
      cancel: () => this.cancel(), say: (text) => this.say(text),
    });
    showTheme(this.settings.theme);
    void this.examples.show(this.settings.language);
    this.lines.show(this.transcript, { quietly: true });
    this.timing.show(reportsOf(this.sessions));
    this.enginesView.show(this.engines);
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

  /** @param {boolean} microphone @param {boolean} [instead] also where another tab listens, which then stops */
  start(microphone, instead = false) {
    const lacking = missing();
    if (lacking && microphone) return this.notice.show(lacking);
    this.notice.clear();
    for (const hop of awayOf(this.engines)) this.notice.show(awayProblem(hop, this.engines[hop].code));
    this.explained = false;
    const admitted = microphone ? this.listener.take(instead) : Promise.resolve(true);
    const { inputDeviceId, outputDeviceId, volume, processing, pushToTalk } = this.settings;
    const tap = new URLSearchParams(location.search).get("tap") === "1";
    const config = sessionConfig(this.settings);
    const opening = new Conversation({ config, inputDeviceId, outputDeviceId, volume, processing, pushToTalk, microphone, admitted, tap });
    this.conversation = opening;
    this.update({ connection: "connecting", microphone, muted: false });
    this.follow(opening);
    void opening.open();
    void this.wakeLock.keep(microphone);
    void admitted.then((yes) => (yes ? undefined : this.elsewhere()));
  }

  /** Another tab listens: the person says which one is to. */
  async elsewhere() {
    if (await askWhetherHere()) this.start(true, true);
  }

  /** Another tab listens now instead of this one. */
  taken() {
    this.end();
    this.notice.show(problem("elsewhere", "elsewhere.taken", { tone: "lasting" }));
  }

  /** Forgets the conversation and begins a new one; who was talking goes on talking. */
  startAnew() {
    const live = this.live();
    this.end();
    this.sessions = [];
    // Keys of lines are never used again: the times still know some.
    this.rewrite({ ...EMPTY, nextKey: this.transcript.nextKey });
    this.timing.forget();
    this.keep();
    if (live) this.start(true);
  }

  keep() {
    keepConversation(this.transcript, this.sessions);
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
    on("microphone", (detail) => this.microphoneChanged(detail));
    on("devices", ({ inputs, outputs }) => this.panel.showDevices(inputs, outputs));
  }

  /** @param {{state: ConversationState["connection"], problem: import("./model/problems.js").Problem | null}} detail */
  stateChanged({ state, problem: what }) {
    // What the server said of it is worth more than that the connection is gone.
    if (what && !(this.explained && what.id === "gateway")) this.notice.show(what);
    if (state === "failed" || state === "closed") {
      this.over(state);
      return what?.id === "language" ? void this.learn() : undefined;
    }
    if (state === "reconnecting") this.rewrite(closeOpenLines(this.transcript));
    if (state === "ready" && this.state.connection !== "ready") {
      this.explained = false;
      this.notice.clear("gateway");
    }
    this.update({ connection: state });
  }

  /** @param {{label: string, settings: MediaTrackSettings, trouble: ConversationState["microphoneTrouble"]}} detail */
  microphoneChanged({ label, settings, trouble }) {
    this.panel.showMicrophone(label, settings);
    if (!trouble) this.notice.clear("microphone");
    this.update({ microphoneTrouble: trouble });
  }

  /** @param {"idle" | "closed" | "failed"} [connection] */
  over(connection = "idle") {
    this.conversation = null;
    this.rewrite(closeOpenLines(this.transcript));
    this.timing.waits(false);
    this.reminders.over();
    this.controls.orb.hear(0, 0);
    this.update({ ...INITIAL_STATE, connection, pushToTalk: this.settings.pushToTalk });
    void this.wakeLock.keep(false);
    this.listener.release();
  }

  /** @param {import("./model/messages.js").ServerEvent} event */
  told({ kind, fields: event }) {
    this.sessions = addEvent(this.sessions, kind, event, new Date().toISOString());
    this.rewrite(reduceTranscript(this.transcript, kind, event));
    this.update(reduceState(this.state, kind, event));
    this.enginesAre(reduceEngines(this.engines, kind, event));
    this.reminders.told(kind, event);
    if (kind === "flush_playback") setTimeout(() => this.update({ interrupted: false }), INTERRUPTED_MS);
    if (kind === "ready") this.panel.about(about(event));
    if (kind === "reply_started") this.timing.waits(true);
    if (kind === "turn_times" || kind === "turn_report") this.reported(/** @type {Report} */ (event));
    if (kind === "error") this.failed(event);
    if (kind === "user_discarded" && event.reason === "DISCARD_REASON_ENGINE_FAILED") this.notice.show(problem("words", "problem.notUnderstood"));
    if (kind === "reply_delayed") this.delayed(/** @type {import("./model/wording.js").Delay} */ (event));
    // What failed may be gone as a whole: then its being back is seen too.
    if (kind === "turn_report" && (event.outcome === "REPLY_OUTCOME_FAILED" || this.enginesView.isNew(event.model))) void this.learn();
    if (WORTH_KEEPING.has(kind)) this.keep();
  }

  /** @param {Report} report */
  reported(report) {
    const line = this.transcript.lines.findLast((each) => each.who === "assistant" && each.reply === report.reply);
    if (line) this.timing.belongs(report, line.key);
    this.timing.show(reportsOf(this.sessions));
  }

  /** @param {import("./model/wording.js").Delay} delay */
  delayed(delay) {
    const { word, hint } = waiting(delay);
    this.announcer.say(hint ? `${word} ${hint}.` : word);
  }

  /** @param {Record<string, any>} error */
  failed(error) {
    this.explained = error.ends_session || error.code === "ERROR_CODE_SHUTTING_DOWN";
    this.notice.show(errorProblem(error));
  }

  /** Tells of engines that went away, and of those that are back. @param {Engines} engines */
  enginesAre(engines) {
    // Most events say nothing new of them.
    if (engines === this.engines) return;
    const before = awayOf(this.engines);
    const away = awayOf(engines);
    this.engines = engines;
    for (const hop of away) if (!before.includes(hop)) this.notice.show(awayProblem(hop, engines[hop].code));
    for (const hop of before) {
      if (away.includes(hop)) continue;
      this.notice.clear(hop);
      this.announcer.say(text(`problem.${hop}.back`));
    }
    this.enginesView.show(engines);
    this.update({ recogniserAway: away.includes("asr") });
    this.watch.look();
  }

  /** Asks the server what there is: voices, languages, and how the engines are. */
  async learn() {
    const found = await facts();
    if (!found) return this.panel.voices.note(text("voice.unknown"));
    const { voices, engines, trace_url: traceUrl } = found;
    this.timing.traceUrl = traceUrl;
    this.enginesView.linkStatus(found.status === true);
    this.panel.showInstructions(engines.llm.instructions);
    this.enginesView.remark(noteOf(engines.llm, found.status === true));
    this.panel.learn(voices, engines.asr.languages);
    this.enginesAre(seen(this.engines, engines, this.conversation !== null));
    this.speakWhatIsUnderstood();
  }

  /** The recogniser may not know the language that was chosen: go back to one that it knows. */
  speakWhatIsUnderstood() {
    const { languages } = this.panel.voices;
    const [first] = languages;
    if (!first || this.panel.voices.understood(this.settings.language)) return;
    this.change({ language: first, voice: "" });
    this.panel.take(this.settings);
    this.panel.voices.note(text("problem.language"));
  }

  /** @param {Partial<Settings>} changed */
  change(changed) {
    this.settings = { ...this.settings, ...changed };
    saveSettings(this.settings);
    if (changed.theme) showTheme(changed.theme);
    if (changed.pushToTalk !== undefined) this.update({ pushToTalk: changed.pushToTalk });
    if (this.conversation) applySettings(this.conversation, changed);
    if (changed.language === undefined) return;
    void this.examples.show(changed.language);
    this.panel.voices.note(this.conversation ? text("settings.languageLater") : "");
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
