/** Holds the pages of one browser to one that listens: two would hear each other's replies. By Web Locks. */

const NAME = "parley.listening";

export class OneListener {
  /** @param {() => void} onTaken another page listens now instead of this one */
  constructor(onTaken) {
    this.onTaken = onTaken;
    /** Settled once an earlier lock of this page is let go. @type {Promise<unknown>} */
    this.held = Promise.resolve();
    this.release = () => {};
  }

  /**
   * Be the one that listens.
   * @param {boolean} instead also where another page does, which then stops
   * @returns {Promise<boolean>} false: another page listens
   */
  async take(instead) {
    // Only safe pages have locks, and only those a microphone.
    if (!navigator.locks) return true;
    this.release();
    await this.held;
    return new Promise((answer) => {
      const request = navigator.locks.request(NAME, instead ? { steal: true } : { ifAvailable: true }, (lock) => {
        answer(lock !== null);
        return lock ? new Promise((done) => (this.release = () => done(undefined))) : undefined;
      });
      this.held = request.catch(() => this.onTaken());
    });
  }
}
