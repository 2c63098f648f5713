/** What a download is called and how it stands, in words. */

import * as format from "./format.js";

const STAGES = { search: "searching", download: "downloading", verify: "checking", deliver: "delivering" };
const OUTCOMES = {
  done: "delivered",
  owned: "there already",
  duplicate: "another line brought it",
  failed: "failed",
  cancelled: "cancelled",
  missing: "not found",
  ambiguous: "which one?",
};
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

/** Why a waiting job stands where it stands; empty where it simply waits its turn. */
export function waiting(download, now = Date.now() / 1000) {
  if (download.asked) return ASKED[download.asked];
  if (download.paused) return "paused";
  if (download.not_before > now) {
    const reason = download.error ? `: ${download.error}` : "";
    return `waits, tried again ${format.at(download.not_before, now)}${reason}`;
  }
  if (download.state === "searching") return "searching";
  if (download.state === "queued" && download.received > 0) return `ready, ${format.bytes(download.received)} kept`;
  return download.state === "queued" ? "ready" : "to be searched";
}

/** Whether the words of `waiting` are more than the usual. */
export const isHeld = (download, now = Date.now() / 1000) =>
  Boolean(download.asked || download.paused || download.not_before > now);

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
