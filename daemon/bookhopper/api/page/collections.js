/** Whole collections whose books are on the way: how far each is, and all of its books changed as one. */

import { facts } from "./actions.js";
import { attribute, byId, el, text } from "./dom.js";
import * as format from "./format.js";
import { RowList } from "./list.js";
import { priorityForm } from "./priority.js";
import { Row } from "./row.js";
import { books, booksSoFar, titleOf } from "./words.js";

class CollectionRow extends Row {
  constructor(parts) {
    super(parts);
    this.bar = el("progress", { max: 1 });
    this.share = el("span", { class: "share" });
    this.tools.after(el("div", { class: "bar" }, this.bar, this.share));
  }

  update(download, index) {
    super.update(download, index);
    const { all, there } = books(download);
    text(this.facts, booksSoFar(download));
    this.element.classList.toggle("held", download.paused);
    attribute(this.bar, "aria-label", `Progress of ${titleOf(download)}`);
    attribute(this.bar, "value", there / all);
    text(this.share, format.percent(there / all));
  }
}

/** The section of collections, which is there only when one is on the way. */
export class Collections {
  constructor({ state, actions, mayChange, told }) {
    this.state = state;
    this.section = byId("collections");
    const panel = ({ download }) => {
      const known = facts({ ...download, error: null });
      return el("div", {}, mayChange(download) ? el("div", { class: "moves" }, priorityForm(download, told)) : null, known);
    };
    const parts = { actions: [actions.pause, actions.cancel], mayChange, panel };
    this.list = new RowList(byId("collections-list"), () => new CollectionRow(parts));
  }

  render(afresh) {
    const items = this.state.list("collections");
    this.list.render(items, afresh);
    const left = items.length === 0 && this.section.contains(document.activeElement);
    attribute(this.section, "hidden", items.length === 0);
    if (left) byId("queue-title").focus({ preventScroll: true });
  }
}
