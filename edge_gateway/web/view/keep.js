/** The menu of what can be done with the conversation: begin a new one, copy it, save it as text or as JSON. */

import { text } from "../model/text.js";
import { part } from "./dom.js";

/** @typedef {{begin: () => void, text: () => string, save: (ending: "txt" | "json") => void, say: (words: string) => void}} Keeper */

const TOLD_MS = 2000;

export class KeepMenu {
  /** @param {Keeper} keeper */
  constructor(keeper) {
    this.keeper = keeper;
    this.menu = part("keep-menu", HTMLElement);
    this.copier = part("copy", HTMLButtonElement);
    part("new", HTMLButtonElement).addEventListener("click", () => keeper.begin());
    part("save-text", HTMLButtonElement).addEventListener("click", () => this.save("txt"));
    part("save-json", HTMLButtonElement).addEventListener("click", () => this.save("json"));
    part("export", HTMLButtonElement).addEventListener("click", () => keeper.save("json"));
    this.copier.addEventListener("click", () => void this.copy());
  }

  /** @param {"txt" | "json"} ending */
  save(ending) {
    this.keeper.save(ending);
    this.menu.hidePopover();
  }

  async copy() {
    const copied = await write(this.keeper.text());
    const words = text(copied ? "conversation.copied" : "conversation.notCopied");
    this.copier.textContent = words;
    this.keeper.say(words);
    setTimeout(() => {
      this.copier.textContent = text("conversation.copy");
      this.menu.hidePopover();
    }, TOLD_MS);
  }
}

/** @param {string} words @returns {Promise<boolean>} false: the browser does not let a page copy */
async function write(words) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    return false;
  }
}
