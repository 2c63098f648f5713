/** Calls to the daemon.  Every failure is an ApiError whose message is one line for a person. */

export class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const AWAY = "bookhopper does not answer. What you did has not happened; try again once it is back.";
const WORDS = {
  403: "This is not yours to change: ask whoever looks after this bookhopper.",
  413: "That list is too large; split it, or drop it into the requests folder.",
  429: "Too many tries in a row; wait a while.",
};

let refused = () => {};

/** Call `listener` whenever the daemon wants to know who is there. */
export function onRefused(listener) {
  refused = listener;
}

/**
 * Addresses are relative to the page, so that it may stand behind a proxy under a path of its own; a name and
 * password in the page's own address are left out, for a browser refuses to call such.
 */
export function address(path) {
  const url = new URL(path, document.baseURI);
  url.username = "";
  url.password = "";
  return url.href;
}

async function answerOf(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

/** Send a request and give its JSON; `body` is sent as JSON, `raw` as it is. */
export async function call(method, path, { body, raw, token, quiet = false } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    const content = body === undefined ? raw : JSON.stringify(body);
    response = await fetch(address(path), { method, headers, body: content, credentials: "same-origin" });
  } catch {
    throw new ApiError(AWAY);
  }
  const answer = await answerOf(response);
  if (response.ok) return answer;
  if (response.status === 401 && !quiet) refused();
  throw new ApiError(sentence(answer.error, response.status), response.status);
}

function sentence(error, status) {
  const said = typeof error === "string" ? error.trim() : "";
  if (status === 403) return said.includes(" ") ? said : WORDS[403];
  return said || WORDS[status] || `bookhopper answered ${status}; its log may say more.`;
}

const each = (id, action) => `api/downloads/${encodeURIComponent(id)}${action ? `/${action}` : ""}`;

export const session = () => call("GET", "api/session", { quiet: true });
export const signIn = (token) => call("POST", "api/session", { token, quiet: true });
export const signOut = () => call("DELETE", "api/session");

export const details = (id) => call("GET", each(id));
export const act = (id, action) => call("POST", each(id, action));
export const setPriority = (id, priority) => call("POST", each(id, "priority"), { body: { priority } });
export const moveBefore = (id, before) => call("POST", each(id, "move"), { body: { before } });
export const pick = (id, { source, key }) => call("POST", each(id, "pick"), { body: { source, key } });

export const pauseQueue = () => call("POST", "api/downloads/pause");
export const resumeQueue = () => call("POST", "api/downloads/resume");
export const setWorkers = (workers) => call("PUT", "api/workers", { body: { workers } });
export const clearSettled = () => call("DELETE", "api/queue/clear");

export const queuePage = (limit, offset) => call("GET", `api/queue?limit=${limit}&offset=${offset}`);
export const historyPage = (limit, offset) => call("GET", `api/history?limit=${limit}&offset=${offset}`);
export const asidePage = (limit, offset) =>
  call("GET", `api/downloads?status=ambiguous,missing,failed&limit=${limit}&offset=${offset}`);

export const sendList = (name, raw) =>
  call("POST", `api/requests?name=${encodeURIComponent(name)}`, { raw });

export const copyAddress = (id) => address(`api/localdownload?id=${encodeURIComponent(id)}`);

/** Whether the daemon still keeps a file of a delivered book. */
export async function hasCopy(id) {
  try {
    return (await fetch(copyAddress(id), { method: "HEAD", credentials: "same-origin" })).ok;
  } catch {
    throw new ApiError(AWAY);
  }
}
