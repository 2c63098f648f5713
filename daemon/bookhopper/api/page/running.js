/** What is on its way now. */

import { facts } from "./actions.js";
import { attribute, byId, el, text } from "./dom.js";
import * as format from "./format.js";
import { RowList } from "./list.js";
import { Row } from "./row.js";
import { progress, titleOf } from "./words.js";

class RunningRow extends Row {
  constructor(parts) {
    super({ ...parts, panel: (row) => facts(row.download) });
    this.element.classList.add("running");
    this.bar = el("progress", { max: 100 });
    this.share = el("span", { class: "share" });
    this.tools.after(el("div", { class: "bar" }, this.bar, this.share));
  }

  update(download, index) {
    super.update(download, index);
    const known = download.percent !== null && download.percent !== undefined;
    text(this.facts, progress(download));
    attribute(this.bar, "aria-label", `Progress of ${titleOf(download)}`);
    attribute(this.bar, "value", known ? download.percent : null);
    text(this.share, known ? format.percent(Math.floor(download.percent) / 100) : "");
  }
}

const IDLE = "Nothing is on its way. What you wish for shows up here as soon as it has been found.";
const PAUSED = "Nothing is on its way: the queue is paused.";

/** The section of running downloads. */
export class Running {
  constructor({ state, actions, mayChange }) {
    this.state = state;
    const parts = { actions: [actions.pause, actions.cancel], mayChange };
    this.list = new RowList(byId("running-list"), () => new RunningRow(parts));
    this.empty = byId("running-empty");
  }

  render(afresh) {
    const items = this.state.list("running");
    this.list.render(items, afresh);
    text(this.empty, this.state.status.paused ? PAUSED : IDLE);
    attribute(this.empty, "hidden", items.length > 0);
  }
}
