/** Lets a voice be heard before it is chosen. */

import { text } from "../model/text.js";
import { part } from "./dom.js";

export class VoicePreview {
  /** @param {() => {voice: string, language: string, speed: number, volume: number}} chosen @param {(problem: string) => void} tell */
  constructor(chosen, tell) {
    this.chosen = chosen;
    this.tell = tell;
    this.button = part("preview", HTMLButtonElement);
    /** @type {HTMLAudioElement | undefined} */
    this.sound = undefined;
    this.button.addEventListener("click", () => void this.press());
    part("settings", HTMLDialogElement).addEventListener("close", () => this.stop());
  }

  /** Speak, or be silent. */
  async press() {
    if (this.sound) return this.stop();
    const { voice, language, speed, volume } = this.chosen();
    const address = new URL("v1/voice-preview", document.baseURI);
    address.search = String(new URLSearchParams({ voice, language, speed: String(speed) }));
    const sound = new Audio(address.href);
    this.sound = sound;
    sound.volume = volume;
    sound.onended = () => this.stop();
    this.button.textContent = text("voice.stop");
    try {
      this.tell("");
      await sound.play();
    } catch {
      if (this.sound === sound) this.tell(text("voice.silent"));
      this.stop();
    }
  }

  stop() {
    this.sound?.pause();
    this.sound = undefined;
    this.button.textContent = text("voice.preview");
  }
}
