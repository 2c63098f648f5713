/** The form that sets a download's priority, or that of all books of a collection. */

import * as api from "./api.js";
import { el } from "./dom.js";
import { announce, attempt } from "./notices.js";
import { titleOf } from "./words.js";

/** Make the form; `told` takes the download as the daemon answered it. */
export function priorityForm(download, told) {
  const { id, priority } = download;
  const title = titleOf(download);
  const field = { type: "number", step: 1, required: true, value: priority, name: "priority", class: "small" };
  const number = el("input", field);
  const hint = el("span", { class: "hint", id: `priority-hint-${id}` }, "lower goes first; 0 is urgent");
  number.setAttribute("aria-describedby", hint.id);
  const set = el("button", { type: "submit", class: "spelled", "aria-label": `Set priority: ${title}` }, "Set");
  const form = el("form", { class: "priority" }, el("label", {}, "Priority ", number), set, hint);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const wanted = Number(number.value);
      told(await api.setPriority(id, wanted));
      announce(`${title} has priority ${wanted}`);
    });
  });
  return form;
}
