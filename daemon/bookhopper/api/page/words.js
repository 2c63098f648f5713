/** What a download is called and how it stands, in words. */

import * as format from "./format.js";

const STAGES = {
  search: "searching",
  locate: "looking for its file",
  download: "downloading",
  verify: "checking",
  script: "with your script",
  deliver: "delivering",
};
const OUTCOMES = {
  done: "delivered",
  owned: "there already",
  duplicate: "another line brought it",
  expanded: "its books stand by themselves",
  failed: "failed",
  cancelled: "cancelled",
  missing: "not found",
  ambiguous: "which one?",
};
const PLAINLY = { failed: "No mirror gave the file.", missing: "Not every source could be asked." };
const ASKED = { cancel: "being cancelled", pause: "being paused" };
const UNDECIDED = new Set(["wanted", "searching", "ambiguous", "missing"]);

/** The book that a download gets, where that is settled. */
export const bookOf = (download) => (UNDECIDED.has(download.state) ? null : download.candidate);

/**
 * The title that was wished for, or the book's where the line gave none.  While nothing is decided the daemon
 * shows its best guess there; what was wished for is then the line itself.
 */
export function titleOf({ state, title, raw }) {
  if (UNDECIDED.has(state) && raw && !raw.includes(title)) return raw;
  return title || raw || "Untitled";
}

export function authorsOf({ state, authors, raw }) {
  const names = UNDECIDED.has(state) ? authors.filter((name) => raw.includes(name)) : authors;
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and others` : names.join(", ");
}

/** Why a waiting job stands where it stands, and how much of its file is there already. */
export function waiting(download, now = Date.now() / 1000) {
  if (download.asked) return ASKED[download.asked];
  const kept = download.received > 0 ? `, ${format.bytes(download.received)} kept` : "";
  if (download.paused) return `paused${kept}`;
  if (download.not_before > now) {
    const reason = download.error && !isTechnical(download) ? `: ${download.error}` : "";
    return `waits${kept}, will be tried again ${format.at(download.not_before, now)}${reason}`;
  }
  if (download.state === "searching") return "searching";
  return download.state === "queued" ? `ready${kept}` : "to be searched";
}

/** Whether the words of `waiting` are more than the usual. */
export const isHeld = (download, now = Date.now() / 1000) =>
  Boolean(download.asked || download.paused || download.not_before > now);

/** Whether a reason names addresses: it is told among the details, and in plain words before. */
export const isTechnical = ({ error }) => /\b[a-z][a-z\d+.-]*:\/\//i.test(error ?? "");

/** Why a download needs a person, in plain words. */
export const reason = (download) => (isTechnical(download) ? PLAINLY[download.state] : download.error) ?? "";

export const outcome = (state) => OUTCOMES[state] ?? state;

export function urgency(priority) {
  if (priority === 1) return "";
  return priority < 1 ? "!".repeat(Math.min(3, 1 - priority)) : `priority ${priority}`;
}

/** How far a running download is: "downloading · 1.2 of 2 MB · 340 kB/s · 12 s left". */
export function progress(download) {
  if (download.asked) return ASKED[download.asked];
  const facts = [STAGES[download.stage] ?? (download.state === "placed" ? "delivering" : "beginning")];
  if (download.stage === "download") {
    if (download.total) facts.push(`${format.bytes(download.received)} of ${format.bytes(download.total)}`);
    else if (download.received) facts.push(format.bytes(download.received));
    if (download.speed) facts.push(format.speed(download.speed));
    if (download.eta !== null && download.eta !== undefined && download.speed) {
      facts.push(`${format.duration(download.eta)} left`);
    }
  }
  return facts.join(" · ");
}

/** How many books a collection has, how many of them are there, are on their way or need somebody. */
export function books({ children }) {
  const sum = (...states) => states.reduce((total, state) => total + (children[state] ?? 0), 0);
  return {
    all: sum(...Object.keys(children)),
    there: sum("done", "owned", "duplicate"),
    running: sum("downloading", "placed"),
    aside: sum("ambiguous", "missing", "failed"),
    cancelled: sum("cancelled"),
  };
}

/** How far a collection is: "12 of 40 books · 2 running · 1 needs you". */
export function booksSoFar(download) {
  const { all, there, running, aside, cancelled } = books(download);
  const facts = [`${format.count(there)} of ${format.plural(all, "book")}`];
  if (download.paused) facts.push("paused");
  if (running) facts.push(`${format.count(running)} running`);
  if (aside) facts.push(aside === 1 ? "1 needs you" : `${format.count(aside)} need you`);
  if (cancelled) facts.push(`${format.count(cancelled)} cancelled`);
  return facts.join(" · ");
}

/** What a candidate is: "EPUB · 1.2 MB · 1851 · en". */
export function edition(candidate) {
  const facts = [candidate.format?.toUpperCase()];
  if (candidate.size) facts.push(format.bytes(candidate.size));
  if (candidate.year) facts.push(String(candidate.year));
  if (candidate.language) facts.push(languageName(candidate.language));
  return facts.filter(Boolean).join(" · ");
}

const languages = new Intl.DisplayNames(["en"], { type: "language" });

function languageName(tag) {
  try {
    return languages.of(tag);
  } catch {
    return tag;
  }
}

/** A candidate's score with what each field gave: "title 0.58 + author 0.38". */
export const parts = (candidate) =>
  Object.entries(candidate.parts ?? {})
    .filter(([, part]) => part !== 0)
    .map(([name, part]) => `${name} ${part < 0 ? "−" : ""}${Math.abs(part).toFixed(2)}`)
    .join(" · ");
