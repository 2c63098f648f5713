/** Puts the page together. */

import { sharedActions } from "./actions.js";
import { Add, takeDrops } from "./add.js";
import { onRefused } from "./api.js";
import { Aside } from "./aside.js";
import { Collections } from "./collections.js";
import { byId, icon } from "./dom.js";
import { renderFigures } from "./figures.js";
import { Header } from "./header.js";
import { History } from "./history.js";
import { Queue } from "./queue.js";
import { Running } from "./running.js";
import { SignIn } from "./signin.js";
import { Socket } from "./socket.js";
import { State } from "./state.js";

const REFRESH = 20000;

for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.dataset.icon));

let drawing = 0;
const state = new State(() => {
  drawing ||= requestAnimationFrame(() => draw(false));
});
const told = (download) => state.told(download);
const signIn = new SignIn((session) => {
  header.permit(session.admin);
  if (state.status) draw(true);
});
const mayChange = (download) => signIn.session.admin || download.owner === signIn.session.name;
const parts = { state, told, mayChange, actions: sharedActions(told) };
const header = new Header(parts);
const sections = [Running, Collections, Aside, Queue, History].map((Section) => new Section(parts));
takeDrops(new Add());

/** Draw what is known; `afresh` also what has changed only by the passing of time. */
function draw(afresh) {
  cancelAnimationFrame(drawing);
  drawing = 0;
  header.render();
  for (const section of sections) section.render(afresh);
  renderFigures(state.statistics);
  byId("page").removeAttribute("aria-busy");
}

const socket = new Socket({
  onMessage: (message) => state.apply(message),
  onState: (word) => header.connection(word),
  onRefusal: async () => {
    const goesOn = await signIn.look();
    if (!goesOn) header.connection("out");
    return goesOn;
  },
});

signIn.onSignedIn = () => socket.open();
onRefused(() => signIn.ask());
setInterval(() => {
  if (state.status && !document.hidden) draw(true);
}, REFRESH);

header.connection("connecting");
if (await signIn.begin()) socket.open();
else header.connection("out");
