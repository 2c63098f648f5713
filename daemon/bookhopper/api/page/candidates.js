/** The books that may be what was wished for, each with why, and a button that settles it. */

import { el } from "./dom.js";
import { percent } from "./format.js";
import { attempt } from "./notices.js";
import { edition, parts } from "./words.js";

const LEAST = 0.3; // below that a book merely shares a word with what was wished for
const NOTHING = "No source offers anything like it. Write it in another way, or add an ISBN.";

/** List a download's candidates, best first; `choose` takes the one that a person picked. */
export function candidateList(download, mayPick, choose) {
  const all = download.candidates ?? [];
  const found = download.state === "missing" ? all.filter(({ score }) => score >= LEAST) : all;
  if (found.length === 0) {
    return el("p", { class: "hint" }, NOTHING);
  }
  const rows = found.map((one) => candidateRow(one, mayPick, choose));
  return el("ul", { class: "candidate-list", "aria-label": "Candidates" }, ...rows);
}

function candidateRow(one, mayPick, choose) {
  const authors = one.authors.join(", ");
  const facts = el("span", { class: "facts" }, edition(one));
  const score = el("span", { class: "score", title: parts(one) }, `${percent(one.score)} match`);
  const main = el(
    "div",
    { class: "main" },
    el("p", { class: "heading" }, el("bdi", { class: "title" }, one.title || one.key)),
    el("p", { class: "byline" }, el("bdi", { class: "author" }, authors), facts),
    el("p", { class: "why" }, score, el("bdi", { class: "source" }, `${one.source}:${one.key}`)),
  );
  if (one.fault) main.append(el("p", { class: "reason" }, one.fault));
  return el("li", { class: "candidate" }, main, mayPick ? pickButton(one, authors, choose) : null);
}

function pickButton(one, authors, choose) {
  const name = `This one: ${one.title}${authors && ` by ${authors}`}, ${edition(one)}`;
  const button = el("button", { type: "button", class: "spelled pick", "aria-label": name }, "This one");
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    await attempt(() => choose(one));
    button.removeAttribute("aria-busy");
  });
  return button;
}
