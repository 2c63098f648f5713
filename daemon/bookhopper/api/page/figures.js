/** What was achieved: in the last day, and ever. */

import { byId, text } from "./dom.js";
import * as format from "./format.js";

const FIGURES = {
  completed: ({ completed }) => format.count(completed),
  failed: ({ failed }) => format.count(failed),
  rate: ({ success_rate: rate }) => (rate === null ? "–" : format.percent(rate)),
  bytes: ({ bytes }) => format.bytes(bytes),
  speed: ({ mean_speed: speed }) => (speed === null ? "–" : format.speed(speed)),
};

export function renderFigures(statistics) {
  if (!statistics) return;
  for (const [period, achieved] of [["day", statistics.last_24h], ["ever", statistics.all_time]]) {
    for (const [name, shown] of Object.entries(FIGURES)) text(byId(`${period}-${name}`), shown(achieved));
  }
}
