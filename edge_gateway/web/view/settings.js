/** The settings panel: shows what was chosen, and tells what a person changes. Keeps nothing itself. */

import { list, number, percent, text } from "../model/text.js";
import { options, part } from "./dom.js";
import { VoicesView } from "./voices.js";

/** @typedef {import("../model/settings.js").Settings} Settings */
/** @typedef {{deviceId: string, label: string}} Device */

const SWITCHES = /** @type {const} */ ([["echo", "echoCancellation"], ["noise", "noiseSuppression"], ["gain", "autoGainControl"]]);

export class SettingsView {
  /**
   * @param {Settings} settings
   * @param {(changed: Partial<Settings>) => void} onChange
   */
  constructor(settings, onChange) {
    this.settings = settings;
    this.onChange = onChange;
    this.dialog = part("settings", HTMLDialogElement);
    this.voices = new VoicesView();
    part("open-settings", HTMLButtonElement).addEventListener("click", () => this.dialog.showModal());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.fill();
    this.listen();
  }

  fill() {
    const { settings } = this;
    part("speed", HTMLInputElement).value = String(settings.speed);
    part("volume", HTMLInputElement).value = String(settings.volume);
    part("instructions", HTMLTextAreaElement).value = settings.instructions;
    part("push-to-talk", HTMLInputElement).checked = settings.pushToTalk;
    for (const [id, name] of SWITCHES) part(id, HTMLInputElement).checked = settings.processing[name];
    for (const radio of this.themes()) radio.checked = radio.value === settings.theme;
    this.measures();
    this.voices.show(settings);
    this.showDevices([], []);
  }

  measures() {
    part("speed-value", HTMLOutputElement).value = rate(this.settings.speed);
    part("volume-value", HTMLOutputElement).value = percent(this.settings.volume);
  }

  themes() {
    return /** @type {NodeListOf<HTMLInputElement>} */ (this.dialog.querySelectorAll("input[name=theme]"));
  }

  listen() {
    this.on("language", (value) => {
      this.change({ language: value, voice: "" });
      this.voices.show(this.settings);
    });
    this.on("voice", (value) => this.change({ voice: value }));
    this.on("speed", (value) => this.change({ speed: Number(value) }));
    this.on("speed", (value) => (part("speed-value", HTMLOutputElement).value = rate(Number(value))), "input");
    this.on("volume", (value) => this.change({ volume: Number(value) }), "input");
    this.on("instructions", (value) => this.change({ instructions: value }));
    this.on("input", (value) => this.change({ inputDeviceId: value }));
    this.on("output", (value) => this.change({ outputDeviceId: value }));
    const push = part("push-to-talk", HTMLInputElement);
    push.addEventListener("change", () => this.change({ pushToTalk: push.checked }));
    for (const [id, name] of SWITCHES) {
      const box = part(id, HTMLInputElement);
      box.addEventListener("change", () => this.change({ processing: { ...this.settings.processing, [name]: box.checked } }));
    }
    for (const radio of this.themes()) {
      radio.addEventListener("change", () => this.change({ theme: radio.value === "light" || radio.value === "dark" ? radio.value : "auto" }));
    }
  }

  /** @param {string} id @param {(value: string) => void} then @param {"change" | "input"} [when] */
  on(id, then, when = "change") {
    const field = part(id, HTMLElement);
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement) {
      field.addEventListener(when, () => then(field.value));
    }
  }

  /** @param {Partial<Settings>} changed */
  change(changed) {
    this.settings = { ...this.settings, ...changed };
    this.measures();
    this.onChange(changed);
  }

  /** @param {Settings} settings changed by somebody else than the person */
  take(settings) {
    this.settings = settings;
    this.voices.show(settings);
  }

  /**
   * What there is to choose from; drawn only where that has changed, so that nobody loses an open list.
   * @param {import("./voices.js").Voice[]} voices
   * @param {string[]} languages
   */
  learn(voices, languages) {
    if (JSON.stringify([voices, languages]) === JSON.stringify([this.voices.voices, this.voices.languages])) return;
    this.voices.voices = voices;
    this.voices.languages = languages;
    this.voices.show(this.settings);
    this.voices.note(voices.length ? "" : text("voice.unknown"));
  }

  /** A model that does not listen to instructions is offered none. @param {boolean} listens */
  showInstructions(listens) {
    part("instructions-row", HTMLElement).hidden = !listens;
  }

  /** @param {Device[]} inputs @param {Device[]} outputs */
  showDevices(inputs, outputs) {
    devices("input", inputs, this.settings.inputDeviceId);
    devices("output", outputs, this.settings.outputDeviceId);
    part("output-row", HTMLElement).hidden = !("setSinkId" in AudioContext.prototype);
  }

  /** What the microphone really does, which need not be what was asked. @param {string} label @param {MediaTrackSettings} facts */
  showMicrophone(label, facts) {
    const rate = facts.sampleRate ? text("microphone.rate", { khz: facts.sampleRate / 1000 }) : "";
    const channels = facts.channelCount === 1 ? text("microphone.mono") : facts.channelCount === 2 ? text("microphone.stereo") : "";
    const doing = [
      facts.echoCancellation && text("settings.echo"), facts.noiseSuppression && text("settings.noise"), facts.autoGainControl && text("settings.gain"),
    ].filter((each) => typeof each === "string");
    const words = [label, rate, channels, doing.length ? list(doing) : text("microphone.unprocessed")].filter(Boolean).join(" · ");
    part("microphone-facts", HTMLElement).textContent = label ? text("microphone.inUse", { what: words }) : "";
  }

  /** @param {string} words what is behind the session */
  about(words) {
    part("about", HTMLElement).textContent = words;
  }
}

/** @param {number} speed */
function rate(speed) {
  return `${number(speed, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ×`;
}

/** @param {string} id @param {Device[]} found @param {string} chosen */
function devices(id, found, chosen) {
  const named = found.filter(({ deviceId, label }) => label && deviceId && deviceId !== "default");
  const choices = named.map(({ deviceId, label }) => ({ value: deviceId, label }));
  const known = choices.some(({ value }) => value === chosen);
  options(id, [{ value: "", label: text("settings.systemsChoice") }, ...choices], known ? chosen : "");
}
