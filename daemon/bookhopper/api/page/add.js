/** Adding wants: typed lines, a chosen list, or lists dropped anywhere on the page. */

import * as api from "./api.js";
import { byId, el, icon } from "./dom.js";
import { kindOf, nameOf, refusal } from "./files.js";
import * as format from "./format.js";
import { attempt, notify } from "./notices.js";

const TYPED = "typed.txt";
const FEW = 20;
const MOST = 200;
const UNSCROLLED = 6; // lines that are seen at once: a longer list can be scrolled by keys
const UNFIT = new Set([400, 413]);
const NOTES = { new: "new", known: "known already", picked: "picked", bad: "not understood", left_out: "left out" };

export class Add {
  constructor() {
    this.box = byId("wants");
    this.chooser = byId("list-file");
    byId("add-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.sendTyped();
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("add-form").requestSubmit();
    });
    byId("choose-list").addEventListener("click", () => this.chooser.click());
    this.chooser.addEventListener("change", async () => {
      await this.sendFiles([...this.chooser.files]);
      this.chooser.value = "";
    });
  }

  async sendTyped() {
    const typed = this.box.value;
    if (!typed.trim()) {
      this.box.focus();
      return;
    }
    if (this.sending) return;
    this.sending = true;
    const intake = await attempt(() => api.sendList(TYPED, typed));
    this.sending = false;
    if (!intake) return;
    // what was not understood stays, to be put right; so does what was typed meanwhile
    const bad = intake.lines.filter(({ note }) => note === "bad").map(({ raw }) => raw);
    const since = this.box.value.startsWith(typed) ? this.box.value.slice(typed.length) : "";
    this.box.value = [...bad, since.trimStart()].filter(Boolean).join("\n");
    this.answer([intake]);
  }

  async sendFiles(files) {
    const intakes = [];
    const refused = new Map();
    for (const file of files) {
      const name = nameOf(file);
      const kind = await kindOf(file);
      const intake = kind === "list" ? await attempt(() => sendFile(name, file)) : null;
      if (intake) intakes.push(intake);
      if (kind !== "list") refused.set(kind, [...(refused.get(kind) ?? []), name]);
    }
    for (const [kind, names] of refused) notify(refusal(kind, names));
    if (intakes.length) this.answer(intakes);
  }

  /** Show what became of the lists, line by line. */
  answer(intakes) {
    const attributes = { type: "button", class: "quiet dismiss", "aria-label": "Dismiss this answer" };
    const dismiss = el("button", attributes, icon("cancel"));
    dismiss.addEventListener("click", () => {
      byId("added").replaceChildren();
      this.box.focus();
    });
    byId("added").replaceChildren(dismiss, ...intakes.map(answerTo));
  }
}

/** Send a list; what is wrong with it is told with its name, for several may be sent at once. */
async function sendFile(name, file) {
  try {
    return await api.sendList(name, file);
  } catch (error) {
    if (UNFIT.has(error.status)) error.message = `${name}: ${error.message}`;
    throw error;
  }
}

function answerTo({ name, new: fresh, known, bad, lines }) {
  const facts = [`${format.count(fresh)} new`];
  if (known) facts.push(`${format.count(known)} known already`);
  if (bad) facts.push(`${format.count(bad)} not understood`);
  const list = name === TYPED ? null : el("bdi", { class: "list-name" }, name);
  const telling = lines.length <= FEW ? lines : lines.filter(({ note }) => note !== "new");
  const shown = telling.slice(0, MOST);
  const rest = telling.length - shown.length;
  return el(
    "div",
    { class: "answer" },
    el("p", { class: "summary" }, list, facts.join(", ")),
    shown.length ? answerLines(shown) : null,
    rest ? el("p", { class: "hint" }, `and ${format.plural(rest, "line")} more`) : null,
  );
}

function answerLines(lines) {
  const attributes = { class: "answers", "aria-label": "Lines", tabindex: lines.length > UNSCROLLED ? 0 : null };
  return el("ol", attributes, ...lines.map(answerLine));
}

function answerLine({ line, raw, note, reason }) {
  const word = NOTES[note] ?? note;
  return el(
    "li",
    { class: note },
    el("span", { class: "number" }, String(line)),
    el("bdi", { class: "raw" }, raw),
    el("span", { class: "note" }, reason ? `${word}: ${reason}` : word),
  );
}

/** Take lists that are dropped anywhere on the page. */
export function takeDrops(add) {
  const veil = byId("veil");
  let depth = 0;
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = (shown) => {
    if (!shown) depth = 0;
    veil.hidden = !shown;
  };
  window.addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth += 1;
    show(true);
  });
  window.addEventListener("dragleave", (event) => {
    if (!holdsFiles(event)) return;
    depth -= 1;
    if (depth <= 0) show(false);
  });
  window.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  window.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    show(false);
    const files = [...event.dataTransfer.files];
    if (files.length) add.sendFiles(files);
    else notify("Nothing that can be read was dropped; drop a file that holds a list.");
  });
}
