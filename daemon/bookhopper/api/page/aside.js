/** What needs a person: several books that fit, none, or one that would not come. */

import { facts } from "./actions.js";
import * as api from "./api.js";
import { candidateList } from "./candidates.js";
import { attribute, byId, el, text } from "./dom.js";
import { Filler } from "./filler.js";
import * as format from "./format.js";
import { RowList } from "./list.js";
import { announce, attempt } from "./notices.js";
import { Row } from "./row.js";
import { PAGE as SNAPSHOT } from "./state.js"; // a snapshot that brings fewer has brought all
import { isTechnical, outcome, reason, titleOf } from "./words.js";

const SHOWN = 20;
const PAGE = 100;

class AsideRow extends Row {
  constructor(parts) {
    super(parts);
    this.element.classList.add("aside");
    this.outcome = el("span", { class: "outcome" });
    this.reason = el("p", { class: "reason" });
    this.main.append(this.reason);
    this.facts.before(this.outcome);
  }

  update(download, index) {
    super.update(download, index);
    text(this.outcome, outcome(download.state));
    this.outcome.className = `outcome ${download.state}`;
    const again = download.not_before ? `will be looked for again ${format.at(download.not_before)}` : "";
    const why = reason(download);
    text(this.facts, again);
    text(this.reason, why);
    attribute(this.reason, "hidden", !why);
  }
}

/** The section of what lies aside. */
export class Aside {
  constructor({ state, actions, mayChange, told }) {
    this.state = state;
    this.told = told;
    this.shown = SHOWN;
    this.filler = new Filler(state, "aside", api.asidePage);
    const retry = { ...actions.retry, offered: (download) => download.state !== "ambiguous" };
    const parts = {
      actions: [retry, actions.cancel],
      mayChange,
      panel: (row) => this.panel(row),
      opens: (download) => (download.state === "ambiguous" && mayChange(download) ? "Choose" : ""),
    };
    this.list = new RowList(byId("aside-list"), () => new AsideRow(parts));
    byId("aside-more").addEventListener("click", () => attempt(() => this.more()));
  }

  render(afresh) {
    const all = this.state.list("aside");
    this.list.render(all.slice(0, this.shown), afresh);
    attribute(byId("aside-empty"), "hidden", all.length > 0);
    attribute(byId("clear"), "hidden", !all.some(({ state }) => state === "failed"));
    const more = all.length > this.shown || (all.length >= SNAPSHOT && this.filler.more);
    attribute(byId("aside-more"), "hidden", !more);
  }

  async more() {
    this.shown += PAGE;
    if (this.state.list("aside").length >= SNAPSHOT) await this.filler.fill(this.shown);
    this.render();
  }

  panel(row) {
    const { download } = row;
    const reading = el("p", { class: "hint" }, "Reading the candidates …");
    const place = el("div", { class: "candidates", "aria-live": "polite" }, reading);
    const choose = (found) => this.pick(download, found);
    attempt(async () => {
      const whole = await api.details(download.id);
      place.replaceChildren(candidateList(whole, row.mayChange(download), choose));
    });
    const untold = isTechnical(download) ? download.error : null;
    return el("div", {}, place, facts({ ...download, error: untold }));
  }

  async pick(download, found) {
    this.told(await api.pick(download.id, found));
    announce(`${titleOf(download)}: ${found.title} was picked`);
  }
}
