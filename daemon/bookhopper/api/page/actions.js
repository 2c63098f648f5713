/** The buttons that several lists share, and the facts that every panel shows. */

import * as api from "./api.js";
import * as format from "./format.js";
import { announce, offerUndo } from "./notices.js";
import { terms } from "./row.js";
import { bookOf, edition, titleOf } from "./words.js";

/** Make the shared buttons; `told` takes a download as the daemon answered it. */
export function sharedActions(told) {
  const simple = (name, said) => async (download) => {
    const answer = await api.act(download.id, name);
    told(answer);
    announce(`${titleOf(download)}: ${said}`);
    return answer;
  };
  const pause = simple("pause", "paused");
  const resume = simple("resume", "goes on");
  const retry = simple("retry", "is looked for again");
  const cancel = async (download) => {
    const answer = await api.act(download.id, "cancel");
    told(answer);
    const word = answer.state === "cancelled" ? "Cancelled" : "Being cancelled";
    offerUndo(`${word}: ${titleOf(download)}`, () => retry(download));
  };
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
      act: cancel,
    },
    retry: {
      name: "retry",
      icon: () => "again",
      word: () => "Try again",
      spelled: true,
      act: retry,
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
