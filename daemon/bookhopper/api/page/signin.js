/** Who is there: nobody asks, a token is asked for here, or the browser has asked for a name already. */

import * as api from "./api.js";
import { attribute, byId, text } from "./dom.js";
import { attempt } from "./notices.js";

const OPEN = { name: "", admin: true, sign_in: "none" };

export class SignIn {
  /** `onSession` gets the session whenever it is known anew. */
  constructor(onSession) {
    this.onSession = onSession;
    this.session = OPEN;
    this.dialog = byId("sign-in");
    byId("sign-in-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.offer(byId("token").value.trim());
    });
    this.dialog.addEventListener("cancel", (event) => event.preventDefault());
    byId("sign-out").addEventListener("click", () => attempt(() => this.leave()));
  }

  /** Ask the daemon who we are; answers whether there is anything more to try (false: it waits for a token). */
  async look() {
    try {
      this.take(await api.session());
      return true;
    } catch (error) {
      if (error.status !== 401) return true;
      this.ask();
      return false;
    }
  }

  /** Take what the daemon says about the session; with calibre-web, fetch the cookie that the socket needs. */
  async take(session) {
    this.session = session;
    text(byId("whoami"), session.name ? `Signed in as ${session.name}` : "");
    attribute(byId("who"), "hidden", session.sign_in === "none");
    attribute(byId("sign-out"), "hidden", session.sign_in !== "token");
    this.onSession(session);
  }

  /** The first look: before the socket is opened. */
  async begin() {
    if (!(await this.look())) return false;
    if (this.session.sign_in === "calibre-web") await attempt(() => api.signIn());
    return true;
  }

  ask() {
    if (this.dialog.open) return;
    this.dialog.showModal();
    byId("token").focus();
  }

  async offer(token) {
    const problem = byId("sign-in-problem");
    text(problem, "");
    if (!token) return;
    try {
      const session = await api.signIn(token);
      byId("token").value = "";
      this.dialog.close();
      this.take(session);
      this.onSignedIn?.();
    } catch (error) {
      text(problem, error.status === 401 ? "That token is not known here." : error.message);
      byId("token").select();
    }
  }

  async leave() {
    await api.signOut();
    window.location.reload();
  }
}
