/** One row of any list: title, author, a line of facts, buttons, and a panel that opens. */

import { attribute, changeIcon, el, icon, text } from "./dom.js";
import { attempt } from "./notices.js";
import { authorsOf, titleOf, urgency } from "./words.js";

let panels = 0;

/**
 * What a button of a row does.
 * @typedef {object} Action
 * @property {string} name
 * @property {(download: object) => string} icon
 * @property {(download: object) => string} word  what it does: "Pause"; its name adds the title
 * @property {boolean} [spelled]                  whether the word stands beside the icon
 * @property {(download: object) => boolean} [offered]
 * @property {(download: object, row: Row) => Promise<void>} act
 */

/** A row; lists add to it what is theirs. */
export class Row {
  /**
   * @param {object} parts
   * @param {Action[]} parts.actions
   * @param {(download: object) => boolean} parts.mayChange
   * @param {(row: Row) => Node} [parts.panel]           fills the panel when it opens
   * @param {(download: object) => string} [parts.opens]  the word on the button that opens it; none: an icon
   */
  constructor({ actions, mayChange, panel, opens = () => "" }) {
    this.mayChange = mayChange;
    this.opens = opens;
    this.title = el("bdi", { class: "title" });
    this.mark = el("span", { class: "urgency" });
    this.byline = el("bdi", { class: "author" });
    this.facts = el("span", { class: "facts" });
    this.buttons = actions.map((action) => this.button(action));
    const line = el("p", { class: "byline" }, this.byline, this.facts);
    this.main = el("div", { class: "main" }, el("p", { class: "heading" }, this.mark, this.title), line);
    this.tools = el("div", { class: "tools" }, ...this.buttons.map(({ element }) => element));
    this.element = el("li", { class: "row" }, this.main, this.tools);
    if (panel) this.addPanel(panel);
  }

  update(download, index) {
    this.download = download;
    this.index = index;
    const title = titleOf(download);
    const authors = authorsOf(download);
    text(this.title, title);
    text(this.byline, authors);
    text(this.mark, urgency(download.priority));
    attribute(this.mark, "hidden", download.priority === 1);
    attribute(this.byline, "hidden", !authors);
    const mine = this.mayChange(download);
    for (const { element, action } of this.buttons) this.refresh(element, action, mine);
    if (this.toggle) this.nameToggle(title);
  }

  refresh(element, action, mine) {
    const word = action.word(this.download);
    attribute(element, "hidden", !(mine && (action.offered?.(this.download) ?? true)));
    attribute(element, "aria-label", `${word}: ${titleOf(this.download)}`);
    attribute(element, "title", action.spelled ? null : word);
    changeIcon(element.firstElementChild, action.icon(this.download));
    if (action.spelled) text(element.lastElementChild, word);
  }

  button(action) {
    const element = el("button", { type: "button", class: action.spelled ? "spelled" : "quiet" }, icon("open"));
    element.dataset.action = action.name;
    if (action.spelled) element.append(el("span"));
    element.addEventListener("click", () => this.act(element, action));
    return { element, action };
  }

  /** Do it once, however often it is clicked meanwhile. */
  async act(element, action) {
    if (element.getAttribute("aria-busy") === "true") return;
    element.setAttribute("aria-busy", "true");
    await attempt(() => action.act(this.download, this));
    element.removeAttribute("aria-busy");
  }

  addPanel(fill) {
    panels += 1;
    this.fill = fill;
    this.panel = el("div", { class: "panel", id: `panel-${panels}`, hidden: true });
    this.toggle = el("button", {
      type: "button",
      "aria-expanded": "false",
      "aria-controls": this.panel.id,
      on: { click: () => this.open(this.panel.hidden) },
    });
    this.toggle.append(icon("open"), el("span"));
    this.tools.append(this.toggle);
    this.element.append(this.panel);
  }

  nameToggle(title) {
    const word = this.opens(this.download);
    this.toggle.className = `${word ? "spelled" : "quiet"} toggle`;
    text(this.toggle.lastElementChild, word);
    attribute(this.toggle.lastElementChild, "hidden", !word);
    attribute(this.toggle, "aria-label", `${word || "Details"}: ${title}`);
    attribute(this.toggle, "title", word ? null : "Details");
  }

  open(wanted) {
    this.panel.hidden = !wanted;
    this.toggle.setAttribute("aria-expanded", String(wanted));
    this.element.classList.toggle("opened", wanted);
    this.panel.replaceChildren(...(wanted ? [this.fill(this)] : []));
  }
}

/** A list of terms and what they are; what is empty is left out. */
export function terms(pairs) {
  const list = el("dl", { class: "terms" });
  for (const [term, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    list.append(el("div", {}, el("dt", {}, term), el("dd", {}, el("bdi", {}, String(value)))));
  }
  return list;
}
