/**
 * The way to the gateway: a WebSocket that is opened again when it is lost. Knows nothing of what goes over it, except
 * that a gateway which says nothing for long is gone.
 */

import { waitSeconds } from "../model/backoff.js";

const PROTOCOL = "parley.v1";
/** The gateway pings every five seconds once it is ready; before that its models may be loading. */
const QUIET_SECONDS = 15;
const LOADING_SECONDS = 90;
const WATCH_MS = 2000;

/**
 * @typedef {object} SocketEvents
 * @property {() => void} opened
 * @property {(text: string) => void} text
 * @property {(frame: ArrayBuffer) => void} frame
 * @property {(retrySeconds: number) => void} lost after it, the next try follows by itself
 */

export class ReconnectingSocket {
  /** @param {string} url @param {SocketEvents} events */
  constructor(url, events) {
    this.url = url;
    this.events = events;
    this.tries = 0;
    this.atLeast = 0;
    this.ready = false;
    this.heard = 0;
    /** @type {WebSocket | undefined} */
    this.socket = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.watch = setInterval(() => this.checkAlive(), WATCH_MS);
  }

  open() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const socket = new WebSocket(this.url, PROTOCOL);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heard = performance.now();
    socket.onopen = () => this.events.opened();
    socket.onclose = () => this.lose(socket);
    socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      if (typeof data === "string") this.events.text(data);
      else this.events.frame(data);
    };
  }

  /** The session stands: failures from now on are new ones. */
  sessionReady() {
    this.tries = 0;
    this.ready = true;
  }

  /** The next try must wait. @param {number} seconds */
  wait(seconds) {
    this.atLeast = seconds;
  }

  /** Try now instead of waiting, if it is waiting. */
  retryNow() {
    if (this.timer) this.open();
  }

  close() {
    clearInterval(this.watch);
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = undefined;
    socket?.close(1000);
  }

  /** Sends when there is a connection. @param {string | ArrayBuffer} data */
  send(data) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  /** Bytes that wait for the network. */
  get waiting() {
    return this.socket?.bufferedAmount ?? 0;
  }

  checkAlive() {
    const seconds = (performance.now() - this.heard) / 1000;
    const { socket } = this;
    if (!socket || this.timer || seconds < (this.ready ? QUIET_SECONDS : LOADING_SECONDS)) return;
    this.lose(socket);
    socket.close();
  }

  /** @param {WebSocket} socket */
  lose(socket) {
    if (socket !== this.socket) return;
    const seconds = waitSeconds(this.tries, Math.random(), this.atLeast);
    this.tries++;
    this.atLeast = 0;
    this.ready = false;
    this.socket = undefined;
    this.timer = setTimeout(() => this.open(), seconds * 1000);
    this.events.lost(seconds);
  }
}
