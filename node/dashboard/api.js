// Asks the node. The token is kept for this tab only and leaves it as a bearer header only.

const KEY = "tastemesh.token";

export class Refused extends Error {}

/** Take the token out of the address, where `tastemesh run` puts it, before anybody else sees it. */
export function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found !== null) {
    history.replaceState(null, "", location.pathname + location.search);
    keepToken(found);
  }
  return sessionStorage.getItem(KEY);
}

export function keepToken(token) {
  sessionStorage.setItem(KEY, token.trim());
}

export function dropToken() {
  sessionStorage.removeItem(KEY);
}

function headers(more = {}) {
  return { Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}`, ...more };
}

function address(path, query) {
  const given = Object.entries(query).flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function exchange(method, path, query, body, signal) {
  const options = { method, headers: headers(), signal, cache: "no-store", credentials: "omit", redirect: "error" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  for (;;) {
    const answer = await fetch(address(path, query), options).catch((fault) => {
      throw signal?.aborted ? fault : new Error("The node does not answer."); // browsers have words of their own
    });
    if (answer.status !== 429) return answer;
    if (path === "/v1/events") throw new Error("too many pages follow this node");
    const waitS = Number(answer.headers.get("Retry-After") ?? 1);
    await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
  }
}

async function checked(answer) {
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (answer.status === 401) throw new Refused(problem.error);
  throw new Error(problem.error);
}

/** GET; resolves to the answer's JSON. */
export async function ask(path, query = {}) {
  return (await checked(await exchange("GET", path, query))).json();
}

/** POST; resolves to the answer's JSON. */
export async function tell(path, body) {
  return (await checked(await exchange("POST", path, {}, body))).json();
}

/** Follow the node's events until the stream ends; `EventSource` cannot send the token. */
export async function follow(identity, k, onOpen, onEvent, signal) {
  const answer = await checked(await exchange("GET", "/v1/events", { watch: identity, k }, undefined, signal));
  onOpen();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += value;
    const messages = waiting.split("\n\n");
    waiting = messages.pop();
    for (const message of messages) {
      const fields = Object.fromEntries(message.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      if (fields.event) onEvent(fields.event, JSON.parse(fields.data));
    }
  }
}
