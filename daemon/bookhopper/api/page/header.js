/** The head of the page: the connection, the counts, the speed, and what is for the queue as a whole. */

import * as api from "./api.js";
import { attribute, byId, changeIcon, text } from "./dom.js";
import * as format from "./format.js";
import { announce, attempt, notify } from "./notices.js";
import { PAGE } from "./state.js";

const CONNECTION = {
  connecting: "Connecting …",
  live: "Live",
  away: "bookhopper is away, trying again …",
  out: "Signed out",
};
const HELD = { search: "Searching", download: "Downloading" };
const MOST_WORKERS = 32;

export class Header {
  constructor({ state, told }) {
    this.state = state;
    this.told = told;
    this.workers = byId("workers");
    byId("pause-queue").addEventListener("click", () => attempt(() => this.pause()));
    byId("fewer-workers").addEventListener("click", () => this.step(-1));
    byId("more-workers").addEventListener("click", () => this.step(1));
    this.workers.addEventListener("change", () => this.resize(Number(this.workers.value)));
    byId("clear").addEventListener("click", () => attempt(() => this.clear()));
  }

  connection(word) {
    const place = byId("connection");
    if (place.dataset.state === word) return;
    place.dataset.state = word;
    text(byId("connection-word"), CONNECTION[word]);
    document.documentElement.dataset.connection = word;
  }

  /** Whole-queue controls are an administrator's. */
  permit(admin) {
    for (const element of document.querySelectorAll(".for-admin")) attribute(element, "hidden", !admin);
  }

  render() {
    const { status } = this.state;
    if (!status) return;
    const running = this.state.list("running");
    const { counts } = status;
    text(byId("count-running"), format.count(this.state.total("running")));
    text(byId("count-aside"), format.count(this.aside()));
    text(byId("count-queue"), format.count(this.state.total("queue")));
    text(byId("count-done"), format.count((counts.done ?? 0) + (counts.owned ?? 0) + (counts.duplicate ?? 0)));
    const speed = running.reduce((sum, download) => sum + (download.speed ?? 0), 0);
    text(byId("speed"), running.length ? format.speed(speed) : "idle");
    document.documentElement.classList.toggle("busy", running.length > 0 && !status.paused);
    const way = running.length ? `${format.plural(running.length, "book")} on the way · ` : "";
    if (document.title !== `${way}bookhopper`) document.title = `${way}bookhopper`;
    this.renderPause(status);
    this.renderHolds(status);
    if (document.activeElement !== this.workers) this.workers.value = status.workers;
    attribute(byId("fewer-workers"), "aria-disabled", status.workers <= 1 && "true");
    attribute(byId("more-workers"), "aria-disabled", status.workers >= MOST_WORKERS && "true");
  }

  /** How many need somebody; what was cleared counts only where there are more than the page holds. */
  aside() {
    const held = this.state.list("aside").length;
    return held < PAGE ? held : this.state.total("aside");
  }

  renderPause({ paused }) {
    const button = byId("pause-queue");
    text(button.lastElementChild, paused ? "Resume queue" : "Pause queue");
    changeIcon(button.firstElementChild, paused ? "play" : "pause");
    button.classList.toggle("strong", paused);
    attribute(byId("paused"), "hidden", !paused);
  }

  /** Say what holds the queue or a host. */
  renderHolds({ held, hosts }) {
    const lines = Object.entries(held ?? {}).map(([stage, reason]) => `${HELD[stage] ?? stage} waits: ${reason}`);
    const names = Object.entries(hosts ?? {}).map(([name, seconds]) => `${name} (${format.duration(seconds)})`);
    if (names.length) lines.push(`Left alone for a while: ${names.join(", ")}`);
    text(byId("held"), lines.join("\n"));
    attribute(byId("held"), "hidden", lines.length === 0);
  }

  async pause() {
    const paused = !this.state.status.paused;
    const status = await (paused ? api.pauseQueue() : api.resumeQueue());
    this.state.apply({ type: "change", status });
    announce(paused ? "The queue is paused" : "The queue goes on");
  }

  step(by) {
    this.resize(this.state.status.workers + by);
  }

  async resize(workers) {
    if (!Number.isInteger(workers) || workers < 1 || workers > MOST_WORKERS) {
      this.workers.value = this.state.status.workers;
      notify(`Downloads at once: a number from 1 to ${MOST_WORKERS}.`);
      return;
    }
    const answer = await attempt(() => api.setWorkers(workers));
    if (!answer) return;
    this.state.apply({ type: "change", status: { ...this.state.status, workers: answer.workers } });
    announce(format.plural(answer.workers, "download") + " at once");
  }

  async clear() {
    await api.clearSettled();
    announce("What failed is off this list; the history keeps it");
  }
}
