/**
 * What the page knows of the daemon.  A snapshot replaces everything, a change what it names.
 *
 * The queue may hold a million jobs, so the page keeps a window onto its head: what comes to lie behind the
 * last row of the window is left out, until somebody asks for more.  Whether there is anything behind it is
 * known from what was read, and not from the counts, which may be told before the jobs that they count.
 */

const PAGE = 200;

const WAITING = new Set(["wanted", "searching", "queued"]);
const RUNNING = new Set(["downloading", "placed"]);
const ASIDE = new Set(["ambiguous", "missing", "failed"]);
const EXPANDED = new Set(["expanded"]);
const ENDED = new Set(["done", "owned", "duplicate", "failed", "cancelled"]);

const byUrgency = (a, b) => a.priority - b.priority || a.position - b.position || a.id - b.id;
const byArrival = (a, b) => a.id - b.id;
const byStart = (a, b) => a.changed - b.changed || a.id - b.id;
const byEnd = (a, b) => b.changed - a.changed || b.id - a.id;
const byNeed = (a, b) => (b.state === "ambiguous") - (a.state === "ambiguous") || byEnd(a, b);

const ON_THE_WAY = [...WAITING, ...RUNNING];
const isOpen = ({ children }) => ON_THE_WAY.some((state) => children?.[state] > 0);

/** The lists of the page: which states each shows, in which order, and of those which. */
const LISTS = {
  running: { states: RUNNING, order: byStart },
  collections: { states: EXPANDED, order: byArrival, fits: isOpen },
  queue: { states: WAITING, order: byUrgency },
  aside: { states: ASIDE, order: byNeed },
  history: { states: ENDED, order: byEnd },
};

export class State {
  constructor(onChange) {
    this.onChange = onChange;
    this.status = null;
    this.statistics = null;
    this.maps = {};
    this.sorted = {};
    this.wanted = PAGE;
    this.whole = true;
    this.order = byUrgency;
    this.forget();
  }

  forget() {
    for (const name of Object.keys(LISTS)) this.maps[name] = new Map();
    this.sorted = {};
  }

  /** Take a message of the daemon. */
  apply(message) {
    if (message.type === "snapshot") {
      this.forget();
      this.wanted = Math.max(this.wanted, PAGE);
      for (const name of Object.keys(LISTS)) this.add(name, message[name] ?? []);
      this.whole = this.maps.queue.size < PAGE;
    }
    for (const download of message.downloads ?? []) this.put(download);
    for (const progress of message.progress ?? []) this.advance(progress);
    this.status = message.status ?? this.status;
    this.order = this.byArrival ? byArrival : byUrgency;
    this.statistics = message.statistics ?? this.statistics;
    this.trim();
    this.onChange();
  }

  /** Take a download as something that was done here has left it; its count goes with it at once. */
  told(download) {
    const known = Object.values(this.maps).map((map) => map.get(download.id)).find(Boolean);
    const counts = { ...this.status.counts };
    if (known) counts[known.state] -= 1;
    if (known) counts[download.state] += 1;
    this.apply({ type: "change", downloads: [download], status: { ...this.status, counts } });
  }

  /** Whether the queue goes first in, first out: nothing in it can be moved. */
  get byArrival() {
    return this.status?.order === "arrival";
  }

  /** Add what was read of a list beyond the window. */
  add(name, downloads) {
    for (const download of downloads) this.maps[name].set(download.id, download);
    delete this.sorted[name];
  }

  /** Take the next page of the queue, of `total` jobs, into the window; `last`: the page was not full. */
  widen(downloads, total, last) {
    const held = this.maps.queue.size;
    this.wanted = downloads.length ? Math.max(this.wanted, held + downloads.length) : held;
    this.add("queue", downloads.filter((download) => WAITING.has(download.state)));
    // what left the head meanwhile moved the page up: some rows may have been passed over
    this.whole = last && this.maps.queue.size >= total;
    this.onChange();
  }

  /** A list in its order. */
  list(name) {
    this.sorted[name] ??= [...this.maps[name].values()].sort(name === "queue" ? this.order : LISTS[name].order);
    return this.sorted[name];
  }

  has(name, id) {
    return this.maps[name].has(id);
  }

  /** How many jobs there are in a list's states, those that the page does not hold included. */
  total(name) {
    const counts = this.status?.counts ?? {};
    let total = 0;
    for (const state of LISTS[name].states) total += counts[state] ?? 0;
    return total;
  }

  /** How many jobs of the queue lie behind the window. */
  behind() {
    return this.whole ? 0 : Math.max(0, this.total("queue") - this.maps.queue.size);
  }

  put(download) {
    for (const [name, { states, fits = () => true }] of Object.entries(LISTS)) {
      const map = this.maps[name];
      const known = map.get(download.id);
      const near = name !== "queue" || known || this.reaches(download);
      const shown = states.has(download.state) && fits(download) && near;
      if (!shown && !known) continue;
      if (shown) map.set(download.id, { ...known, ...download });
      else map.delete(download.id);
      delete this.sorted[name];
    }
  }

  /** Whether a job lies before the end of the window. */
  reaches(download) {
    const queue = this.list("queue");
    return this.whole || queue.length === 0 || this.order(download, queue.at(-1)) < 0;
  }

  advance(progress) {
    for (const name of ["running", "queue"]) {
      const known = this.maps[name].get(progress.id);
      if (!known) continue;
      this.maps[name].set(progress.id, { ...known, ...progress });
      delete this.sorted[name];
    }
  }

  /** Keep the window from growing with what comes in front of its end. */
  trim() {
    if (this.maps.queue.size <= this.wanted + PAGE) return;
    const kept = this.list("queue").slice(0, this.wanted);
    this.maps.queue = new Map(kept.map((download) => [download.id, download]));
    this.sorted.queue = kept;
    this.whole = false;
  }
}

/** How many more the window would hold than it does, where there are more. */
export const shortage = (state) => Math.min(state.wanted - state.maps.queue.size, state.behind());

export { PAGE };
