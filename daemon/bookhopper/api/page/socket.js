/** The live connection: it comes back by itself, and says how it stands. */

import { address } from "./api.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15000;
const QUIET = 60000;

/**
 * Keep a WebSocket open.  `onMessage` gets each message, `onState` "live" or "away"; `onRefusal` is asked
 * before another try after a connection that never opened, and answers whether there is to be one.
 */
export class Socket {
  constructor({ onMessage, onState, onRefusal }) {
    this.onMessage = onMessage;
    this.onState = onState;
    this.onRefusal = onRefusal;
    this.pause = FIRST_PAUSE;
    this.timer = 0;
    this.socket = null;
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.hurry();
    });
  }

  open() {
    clearTimeout(this.timer);
    this.timer = 0;
    const url = address("api/events").replace(/^http/, "ws");
    const socket = new WebSocket(url);
    let opened = false;
    this.socket = socket;
    this.heard = Date.now();
    socket.addEventListener("message", (event) => {
      if (!opened) this.onState("live");
      opened = true;
      this.heard = Date.now();
      this.pause = FIRST_PAUSE;
      this.onMessage(JSON.parse(event.data));
    });
    socket.addEventListener("close", () => {
      if (socket === this.socket) this.closed(opened);
    });
  }

  /** Try now instead of later; a connection that has long been quiet may be dead, and is made anew. */
  hurry() {
    const old = this.socket;
    const quiet = old !== null && Date.now() - this.heard > QUIET;
    if (this.timer || quiet) this.open();
    if (quiet) old.close();
  }

  async closed(opened) {
    this.socket = null;
    this.onState("away");
    if (!opened && !(await this.onRefusal())) return;
    const wait = this.pause * (0.5 + Math.random() / 2);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    this.timer = setTimeout(() => this.open(), wait);
  }
}
