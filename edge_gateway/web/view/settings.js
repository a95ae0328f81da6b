/** The settings panel: shows what was chosen, and tells what a person changes. Keeps nothing itself. */

import { make, part } from "./dom.js";

/** @typedef {import("../model/settings.js").Settings} Settings */
/** @typedef {{name: string, language: string, description: string, gender: string}} Voice */
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
    /** @type {Voice[]} */
    this.voices = [];
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
    this.showVoices([], "");
    this.showDevices([], []);
  }

  measures() {
    part("speed-value", HTMLOutputElement).value = rate(this.settings.speed);
    part("volume-value", HTMLOutputElement).value = `${Math.round(this.settings.volume * 100)} %`;
  }

  themes() {
    return /** @type {NodeListOf<HTMLInputElement>} */ (this.dialog.querySelectorAll("input[name=theme]"));
  }

  listen() {
    this.on("language", (value) => {
      this.change({ language: value, voice: "" });
      this.showVoices(this.voices, "");
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

  /** @param {Voice[]} voices @param {string} problem */
  showVoices(voices, problem) {
    this.voices = voices;
    const { language, voice } = this.settings;
    const languages = [...new Set([language, ...voices.map((each) => base(each.language))])];
    const named = languages.map((code) => ({ value: code, label: languageName(code) })).sort((a, b) => a.label.localeCompare(b.label));
    options("language", named, language);
    const speaking = voices.filter((each) => base(each.language) === base(language));
    const choices = speaking.map((each) => ({ value: each.name, label: each.description || each.name }));
    options("voice", [{ value: "", label: "The server’s choice" }, ...choices], voice);
    this.note(problem);
  }

  /** A line under the voices. @param {string} text */
  note(text) {
    const note = part("voice-note", HTMLElement);
    note.textContent = text;
    note.hidden = !text;
  }

  /** @param {Device[]} inputs @param {Device[]} outputs */
  showDevices(inputs, outputs) {
    devices("input", inputs, this.settings.inputDeviceId);
    devices("output", outputs, this.settings.outputDeviceId);
    part("output-row", HTMLElement).hidden = !("setSinkId" in AudioContext.prototype);
  }

  /** What the microphone really does, which need not be what was asked. @param {string} label @param {MediaTrackSettings} facts */
  showMicrophone(label, facts) {
    const rate = facts.sampleRate ? `${facts.sampleRate / 1000} kHz` : "";
    const channels = facts.channelCount === 1 ? "mono" : facts.channelCount === 2 ? "stereo" : "";
    const doing = [
      facts.echoCancellation && "echo cancellation", facts.noiseSuppression && "noise suppression", facts.autoGainControl && "automatic gain",
    ].filter(Boolean).join(", ");
    const words = [label, rate, channels, doing || "no processing"].filter(Boolean).join(" · ");
    part("microphone-facts", HTMLElement).textContent = `In use: ${words}.`;
  }

  /** @param {string} text what is behind the session */
  about(text) {
    part("about", HTMLElement).textContent = text;
  }
}

/** @param {number} speed */
function rate(speed) {
  return `${speed.toFixed(1)} ×`;
}

/** @param {string} code BCP 47 */
function base(code) {
  return code.toLowerCase().split(/[-_]/)[0] ?? code;
}

/** @param {string} code BCP 47 */
function languageName(code) {
  try {
    return new Intl.DisplayNames(undefined, { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** @param {string} id @param {{value: string, label: string}[]} choices @param {string} chosen */
function options(id, choices, chosen) {
  const known = choices.some(({ value }) => value === chosen) ? choices : [...choices, { value: chosen, label: chosen }];
  const select = part(id, HTMLSelectElement);
  select.replaceChildren(...known.map(({ value, label }) => Object.assign(make("option", "", label), { value })));
  select.value = chosen;
}

/** @param {string} id @param {Device[]} found @param {string} chosen */
function devices(id, found, chosen) {
  const named = found.filter(({ deviceId, label }) => label && deviceId && deviceId !== "default");
  const choices = named.map(({ deviceId, label }) => ({ value: deviceId, label }));
  const known = choices.some(({ value }) => value === chosen);
  options(id, [{ value: "", label: "The system’s choice" }, ...choices], known ? chosen : "");
}
