/** Asks the gateway for its figures again and again, as long as the page is looked at and nobody has paused it. */

/** @typedef {import("../model/figures.js").Figures} Figures */

const PAUSE_MS = 2000;
const PATIENCE_MS = 8000;

export class StatusFeed {
  /**
   * @param {(figures: Figures) => void} told
   * @param {() => void} failed the gateway gave no figures
   */
  constructor(told, failed) {
    this.told = told;
    this.failed = failed;
    this.paused = false;
    this.asking = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    document.addEventListener("visibilitychange", () => this.wake());
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
    this.wake();
  }

  /** Look at once, unless nobody would see it. */
  wake() {
    clearTimeout(this.timer);
    if (!document.hidden && !this.paused) void this.look();
  }

  async look() {
    if (this.asking) return;
    this.asking = true;
    const found = await ask();
    this.asking = false;
    if (found) this.told(found);
    else this.failed();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.wake(), PAUSE_MS);
  }
}

/** @returns {Promise<Figures | undefined>} */
async function ask() {
  try {
    const response = await fetch(new URL("stats", document.baseURI), { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined;
  }
}
