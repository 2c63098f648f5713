/** Numbers, sizes and moments as a person reads them. */

const LOCALE = "en-GB";
const JOIN = "\u00a0"; // a number and its unit stay on one line
const whole = new Intl.NumberFormat(LOCALE);
const tenth = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(LOCALE, { dateStyle: "long", timeStyle: "short" });

const SIZES = ["B", "kB", "MB", "GB", "TB"];

export const count = (number) => whole.format(number);

/** "1 book", "2 books". */
export function plural(number, word, words = `${word}s`) {
  return `${whole.format(number)} ${number === 1 ? word : words}`;
}

/** Bytes in steps of a thousand. */
export function bytes(number) {
  let step = 0;
  let value = number;
  while (value >= 999.5 && step < SIZES.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${value < 10 && step > 0 ? tenth.format(value) : whole.format(Math.round(value))}${JOIN}${SIZES[step]}`;
}

export const speed = (bytesPerSecond) => `${bytes(bytesPerSecond)}/s`;

export const percent = (share) => `${Math.round(share * 100)}${JOIN}%`;

/** A length of time, in the largest unit that says enough. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))}${JOIN}s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)}${JOIN}min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)}${JOIN}h`;
  return plural(Math.round(seconds / 86400), "day");
}

/** How long ago a moment (epoch seconds) was. */
export function ago(moment, now = Date.now() / 1000) {
  const seconds = now - moment;
  if (seconds < 45) return "just now";
  if (seconds < 12 * 3600) return `${duration(seconds)} ago`;
  return date(moment);
}

/** When a moment to come is. */
export function at(moment, now = Date.now() / 1000) {
  if (moment <= now + 45) return "in a moment";
  if (moment < now + 5400) return `in ${duration(moment - now)}`;
  return sameDay(moment, now) ? `at ${clock.format(moment * 1000)}` : `on ${day.format(moment * 1000)}`;
}

export const moment = (seconds) => full.format(seconds * 1000);

function date(seconds) {
  const word = sameDay(seconds, Date.now() / 1000) ? "today" : day.format(seconds * 1000);
  return `${word}, ${clock.format(seconds * 1000)}`;
}

const sameDay = (one, other) => new Date(one * 1000).toDateString() === new Date(other * 1000).toDateString();
