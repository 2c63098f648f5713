/** The queue in its order: moved by dragging, by keys and by buttons. */

import { facts } from "./actions.js";
import * as api from "./api.js";
import { attribute, byId, el, icon, text } from "./dom.js";
import { Drag } from "./drag.js";
import * as format from "./format.js";
import { RowList } from "./list.js";
import { announce, attempt } from "./notices.js";
import { Order } from "./order.js";
import { priorityForm } from "./priority.js";
import { Row } from "./row.js";
import { PAGE, shortage } from "./state.js";
import { isHeld, titleOf, waiting } from "./words.js";

class QueueRow extends Row {
  constructor(parts) {
    super(parts);
    this.element.classList.add("queued");
    this.element.tabIndex = -1;
    this.element.setAttribute("aria-describedby", "queue-order");
    this.mayMove = parts.mayMove;
    this.number = el("span", { class: "number" });
    this.handle = icon("grip");
    this.place = el("span", { class: "place" }, this.handle, this.number);
    this.element.prepend(this.place);
  }

  update(download, index) {
    super.update(download, index);
    text(this.number, format.count(index + 1));
    text(this.facts, waiting(download));
    this.element.classList.toggle("held", isHeld(download));
    const movable = this.mayMove(download);
    this.place.classList.toggle("grip", movable);
    attribute(this.place, "title", movable ? "Drag to another place" : null);
    attribute(this.handle, "hidden", !movable);
  }

  /** Only the current row's controls are stops of the Tab key: a long queue is one stop. */
  current(is) {
    this.element.tabIndex = is ? 0 : -1;
    for (const control of this.element.querySelectorAll("button, input")) control.tabIndex = is ? 0 : -1;
  }

  open(wanted) {
    super.open(wanted);
    this.current(this.element.tabIndex === 0);
  }
}

/** The section of the queue. */
export class Queue {
  constructor({ state, actions, mayChange, told }) {
    this.state = state;
    this.told = told;
    this.order = new Order(state);
    this.container = byId("queue-list");
    this.mayMove = (download) => mayChange(download) && !state.byArrival;
    const parts = {
      actions: [actions.pause, actions.cancel],
      mayChange,
      mayMove: this.mayMove,
      panel: (row) => this.panel(row),
    };
    this.list = new RowList(this.container, () => new QueueRow(parts));
    const drop = (id, before) => this.order.before(id, before);
    this.drag = new Drag(this.container, drop, () => this.render(true));
    this.current = null;
    this.reading = false;
    this.container.addEventListener("keydown", (event) => this.key(event));
    this.container.addEventListener("focusin", (event) => this.choose(event.target.closest(".row")));
    byId("queue-more").addEventListener("click", () => attempt(() => this.more(PAGE)));
  }

  render(afresh) {
    if (this.drag.active) return;
    const items = this.state.list("queue");
    this.list.render(items, afresh);
    attribute(byId("queue-empty"), "hidden", items.length > 0);
    attribute(byId("queue-order"), "hidden", items.length === 0);
    attribute(byId("queue-keys"), "hidden", this.state.byArrival);
    attribute(byId("queue-arrival"), "hidden", !this.state.byArrival);
    attribute(byId("urgent-hint"), "hidden", this.state.byArrival);
    const behind = this.state.behind();
    attribute(byId("queue-more"), "hidden", behind === 0);
    text(byId("queue-more"), `Show ${format.count(Math.min(PAGE, behind))} more of ${format.count(behind)}`);
    if (!this.current?.isConnected) this.choose(this.container.firstElementChild);
    if (shortage(this.state) > PAGE / 2) attempt(() => this.more(shortage(this.state)));
  }

  /** Read the rows behind the window. */
  async more(limit) {
    if (this.reading) return;
    this.reading = true;
    try {
      const asked = Math.min(limit, 5 * PAGE);
      const page = await api.queuePage(asked, this.state.list("queue").length);
      this.state.widen(page.items, page.total, page.items.length < asked);
    } finally {
      this.reading = false;
    }
  }

  choose(row) {
    if (row === this.current) return;
    this.rowOf(this.current)?.current(false);
    this.current = row;
    this.rowOf(row)?.current(true);
  }

  rowOf(element) {
    return element ? this.list.rows.get(Number(element.dataset.id)) : undefined;
  }

  key(event) {
    const row = event.target.closest(".row");
    const way = { ArrowUp: "up", ArrowDown: "down", Home: "top" }[event.key];
    if (!row || !way || event.ctrlKey || event.metaKey || event.target.matches("input")) return;
    if (event.altKey) {
      event.preventDefault();
      if (this.state.byArrival) announce(byId("queue-arrival").textContent);
      else this.order[way](Number(row.dataset.id));
    } else if (event.target === row && way !== "top") {
      event.preventDefault();
      (way === "up" ? row.previousElementSibling : row.nextElementSibling)?.focus();
    }
  }

  panel(row) {
    const { download } = row;
    const panel = el("div", {}, facts(download));
    if (this.mayMove(download)) panel.prepend(this.moves(download));
    return panel;
  }

  moves(download) {
    const { id } = download;
    const title = titleOf(download);
    const move = (way, word) => {
      const button = el("button", { type: "button", class: "spelled", "aria-label": `${word}: ${title}` });
      button.dataset.move = way;
      button.append(icon(way), word);
      button.addEventListener("click", () => this.order[way](id));
      return button;
    };
    const buttons = [move("top", "To the top"), move("up", "Up"), move("down", "Down")];
    return el("div", { class: "moves" }, ...buttons, priorityForm(download, this.told));
  }
}
