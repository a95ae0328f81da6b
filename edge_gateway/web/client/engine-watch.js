/** Asks the gateway now and then how its engines are, as long as somebody wants to know and looks at the page. */

const PAUSE_MS = 3000;

export class EngineWatch {
  /**
   * @param {() => Promise<unknown>} ask
   * @param {() => boolean} wanted
   */
  constructor(ask, wanted) {
    this.ask = ask;
    this.wanted = wanted;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    document.addEventListener("visibilitychange", () => this.look());
  }

  /** Something has changed: ask again after a while, if that is wanted. */
  look() {
    if (this.timer !== undefined || document.hidden || !this.wanted()) return;
    this.timer = setTimeout(() => void this.turn(), PAUSE_MS);
  }

  async turn() {
    if (!document.hidden && this.wanted()) await this.ask();
    this.timer = undefined;
    this.look();
  }
}
