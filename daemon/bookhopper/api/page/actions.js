/** The buttons that several lists share, and the facts that every panel shows. */

import * as api from "./api.js";
import * as format from "./format.js";
import { announce } from "./notices.js";
import { terms } from "./row.js";
import { bookOf, edition, titleOf } from "./words.js";

/** Make the shared buttons; `told` takes a download as the daemon answered it. */
export function sharedActions(told) {
  const simple = (name, said) => async (download) => {
    told(await api.act(download.id, name));
    announce(`${titleOf(download)}: ${said}`);
  };
  const pause = simple("pause", "paused");
  const resume = simple("resume", "goes on");
  const isHeld = (download) => download.paused || download.asked === "pause";
  return {
    pause: {
      name: "pause",
      icon: (download) => (isHeld(download) ? "play" : "pause"),
      word: (download) => (isHeld(download) ? "Resume" : "Pause"),
      offered: (download) => download.state !== "placed" && download.asked !== "cancel",
      act: (download) => (isHeld(download) ? resume(download) : pause(download)),
    },
    cancel: {
      name: "cancel",
      icon: () => "cancel",
      word: () => "Cancel",
      offered: (download) => download.state !== "placed" && download.asked !== "cancel",
      act: simple("cancel", "cancelled"),
    },
    retry: {
      name: "retry",
      icon: () => "again",
      word: () => "Try again",
      spelled: true,
      act: simple("retry", "is looked for again"),
    },
  };
}

/** What is known of a download beyond its row. */
export function facts(download) {
  const candidate = bookOf(download);
  return terms([
    ["As written", download.raw],
    ["Book", candidate && `${candidate.title} — ${candidate.authors.join(", ")}`],
    ["Edition", candidate && edition(candidate)],
    ["Source", candidate && `${candidate.source}:${candidate.key}`],
    ["Last trouble", download.error],
    ["Tries", download.attempts || null],
    ["Added", download.created && format.moment(download.created)],
    ["Added by", download.owner],
  ]);
}
