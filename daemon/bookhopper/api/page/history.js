/** What came to its end, the latest first. */

import * as api from "./api.js";
import { attribute, byId, el, text } from "./dom.js";
import { Filler } from "./filler.js";
import * as format from "./format.js";
import { RowList } from "./list.js";
import { attempt, notify } from "./notices.js";
import { Row } from "./row.js";
import { outcome, titleOf } from "./words.js";

const SHOWN = 20;
const PAGE = 100;
const AGAIN = new Set(["cancelled", "failed"]);

/** Books of which the daemon was found to keep no copy. */
const gone = new Set();

const save = {
  name: "save",
  icon: () => "save",
  word: () => "Save the file",
  offered: (download) => download.state === "done" && !gone.has(download.id),
  act: async (download, row) => {
    if (await api.hasCopy(download.book_id ?? download.id)) {
      window.location.assign(api.copyAddress(download.book_id ?? download.id));
      return;
    }
    gone.add(download.id);
    row.update(download, row.index);
    notify(`bookhopper keeps no copy of ${titleOf(download)} any more; look for it in your library.`, "answer");
  },
};

class HistoryRow extends Row {
  constructor(parts) {
    super(parts);
    this.outcome = el("span", { class: "outcome" });
    this.when = el("time");
    this.facts.before(this.outcome);
    this.facts.after(this.when);
  }

  update(download, index) {
    super.update(download, index);
    const { delivery } = download;
    const facts = delivery ? [delivery.format.toUpperCase(), format.bytes(delivery.size)] : [];
    text(this.outcome, outcome(download.state));
    this.outcome.className = `outcome ${download.state}`;
    text(this.facts, facts.join(" · "));
    attribute(this.facts, "title", delivery?.name);
    text(this.when, format.ago(download.changed));
    attribute(this.when, "datetime", new Date(download.changed * 1000).toISOString());
    attribute(this.when, "title", format.moment(download.changed));
  }
}

/** The section of history. */
export class History {
  constructor({ state, actions, mayChange }) {
    this.state = state;
    this.shown = SHOWN;
    this.filler = new Filler(state, "history", api.historyPage);
    const retry = {
      ...actions.retry,
      offered: (download) => mayChange(download) && AGAIN.has(download.state),
    };
    const parts = { actions: [retry, save], mayChange: () => true }; // everybody may read
    this.list = new RowList(byId("history-list"), () => new HistoryRow(parts));
    byId("history-more").addEventListener("click", () => this.more());
  }

  /** What needs a person stands there, and not here as well. */
  items() {
    return this.state.list("history").filter((download) => !this.state.has("aside", download.id));
  }

  render(afresh) {
    const items = this.items();
    this.list.render(items.slice(0, this.shown), afresh);
    attribute(byId("history-empty"), "hidden", items.length > 0);
    attribute(byId("history-more"), "hidden", !(items.length > this.shown || this.filler.more));
    if (this.shown > SHOWN) attempt(() => this.fill());
  }

  /** Read what is missing, which after a snapshot is all that was read before. */
  async fill() {
    if (await this.filler.fill(this.shown)) this.render();
  }

  more() {
    this.shown += PAGE;
    this.render();
  }
}
