/**
 * What the page says: errors and answers that stay until dismissed, what can be undone for a while, and words
 * for a screen reader alone.
 */

import { ApiError } from "./api.js";
import { byId, el, icon } from "./dom.js";

const MOST = 4;
const UNDO_TIME = 10000;

const area = byId("notices");
let before = null; // what had the focus before a notice got it

area.addEventListener("focusin", ({ relatedTarget }) => {
  if (!area.contains(relatedTarget)) before = relatedTarget;
});
document.addEventListener("keydown", (event) => {
  const undo = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key === "z";
  if (!undo || event.target.matches("input, textarea")) return;
  const last = [...area.querySelectorAll(".undo")].at(-1);
  if (last) event.preventDefault();
  last?.click();
});

/** Show a line; the same line is shown once. */
export function notify(message, kind = "error") {
  for (const old of [...area.children]) if (old.dataset.message === message) remove(old);
  show(message, kind).dataset.message = message;
}

/**
 * Say what was done, and offer for a while to undo it: longer where the pointer or the focus rests on it.
 * `undo` answers nothing where it failed, and the offer stays.
 */
export function offerUndo(message, undo) {
  const attributes = { type: "button", class: "spelled undo", title: "Ctrl + Z", "aria-keyshortcuts": "Control+Z" };
  const button = el("button", attributes, "Undo");
  const notice = show(message, "answer", button);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    if (await attempt(undo)) remove(notice);
    button.removeAttribute("aria-busy");
  });
  expire(notice);
}

function show(message, kind, action = null) {
  while (area.children.length >= MOST) remove(area.firstElementChild);
  const notice = el("div", { class: `notice notice-${kind}` }, el("p", {}, message), action);
  const dismiss = el(
    "button",
    { type: "button", class: "quiet", "aria-label": "Dismiss this message", on: { click: () => remove(notice) } },
    icon("cancel"),
  );
  notice.append(dismiss);
  area.append(notice);
  return notice;
}

function expire(notice) {
  setTimeout(() => {
    if (notice.matches(":hover, :focus-within")) expire(notice);
    else remove(notice);
  }, UNDO_TIME);
}

/** Take a notice away; a focus that it held goes back to where it was. */
function remove(notice) {
  const held = notice.contains(document.activeElement);
  notice.remove();
  if (held) (before?.isConnected ? before : byId("page")).focus({ preventScroll: true });
}

/** Say something that is to be heard and need not be seen. */
export function announce(message) {
  const place = byId("announcements");
  place.textContent = "";
  // a region that is emptied and filled at once may stay unread
  setTimeout(() => {
    place.textContent = message;
  }, 50);
}

/** Do something that may fail; its failure is shown as the one line it is. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 401) notify(error.message);
    return undefined;
  }
}
