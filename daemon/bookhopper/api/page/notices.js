/** What the page says: errors and answers that stay until dismissed, and words for a screen reader alone. */

import { ApiError } from "./api.js";
import { byId, el, icon } from "./dom.js";

const MOST = 4;

/** Show a line; the same line is shown once. */
export function notify(message, kind = "error") {
  const area = byId("notices");
  for (const old of [...area.children]) if (old.dataset.message === message) old.remove();
  while (area.children.length >= MOST) area.firstElementChild.remove();
  const notice = el("div", { class: `notice notice-${kind}`, data: { message } }, el("p", {}, message));
  const button = el(
    "button",
    { type: "button", class: "quiet", "aria-label": "Dismiss this message", on: { click: () => notice.remove() } },
    icon("cancel"),
  );
  notice.append(button);
  area.append(notice);
}

/** Say something that is to be heard and need not be seen. */
export function announce(message) {
  const area = byId("announcements");
  area.textContent = "";
  // a region that is emptied and filled at once may stay unread
  setTimeout(() => {
    area.textContent = message;
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
