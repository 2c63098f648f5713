/** Moving a job to another place of the queue; moves are made one after another, each from what the last left. */

import * as api from "./api.js";
import * as format from "./format.js";
import { announce, attempt } from "./notices.js";
import { titleOf } from "./words.js";

const movable = (download) => download.state !== "searching";

export class Order {
  constructor(state) {
    this.state = state;
    this.last = Promise.resolve();
  }

  up(id) {
    return this.move(id, (queue, index) => queue.slice(0, index).findLast(movable));
  }

  down(id) {
    return this.move(id, (queue, index) => {
      const after = queue.slice(index + 1).filter(movable);
      return after.length ? (after[1] ?? null) : undefined;
    });
  }

  top(id) {
    return this.move(id, (queue, index) => queue.slice(0, index).find(movable));
  }

  /** Put a job before another one; null: behind the last. */
  before(id, other) {
    return this.move(id, (queue) => (other === null ? null : queue.find((download) => download.id === other)));
  }

  /** `find` gives the job to come before, null for the end, undefined where the job is there already. */
  move(id, find) {
    this.last = this.last.then(() => attempt(() => this.make(id, find)));
    return this.last;
  }

  async make(id, find) {
    const queue = this.state.list("queue");
    const index = queue.findIndex((download) => download.id === id);
    if (index < 0) return;
    const other = find(queue, index);
    if (other === undefined || other?.id === id) {
      announce(`${titleOf(queue[index])} stays where it is`);
      return;
    }
    const last = queue.at(-1);
    if (other === null && last.priority !== queue[index].priority) await api.setPriority(id, last.priority);
    const moved = await api.moveBefore(id, other?.id ?? null);
    this.state.apply({ type: "change", downloads: [moved, ...(await this.displaced(queue, other))] });
    this.tell(id);
  }

  /** Read anew what stands before the goal, which may have moved up to make room. */
  async displaced(queue, goal) {
    if (goal === null) return [];
    return (await api.queuePage(queue.indexOf(goal) + 2, 0)).items;
  }

  tell(id) {
    const queue = this.state.list("queue");
    const index = queue.findIndex((download) => download.id === id);
    if (index < 0) return;
    const place = `${format.count(index + 1)} of ${format.count(this.state.total("queue"))}`;
    announce(`${titleOf(queue[index])} is now number ${place}`);
  }
}
