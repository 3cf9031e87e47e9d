// What this browser calls people. Names stay here: the network knows ids only.

const KEY = "tastemesh.names";
const CHARS = 40;
const COUNT = 5_000; // about half a megabyte, a tenth of what browsers give a page

let given = read();
let local = new Map();

function read() {
  try {
    return new Map(Object.entries(JSON.parse(localStorage.getItem(KEY) ?? "{}")));
  } catch {
    return new Map();
  }
}

addEventListener("storage", (event) => {
  if (event.key === KEY) given = read();
});

/** Take in the names of this node's own users, [{name, identity}], and those of a demonstration's people. */
export function learn(identities, shipped) {
  local = new Map([...Object.entries(shipped), ...identities.map((each) => [each.identity, each.name])]);
}

/** Call somebody by a name; an empty one is taken back. */
export function callThem(id, name) {
  const short = [...String(name).trim()].slice(0, CHARS).join("");
  given.delete(id);
  if (short) given.set(id, short);
  while (given.size > COUNT) given.delete(given.keys().next().value);
  localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(given)));
}

/** The user's name for somebody, or "". */
export function nickname(id) {
  return String(given.get(id) ?? "");
}

export function isNamed(id) {
  return given.has(id) || local.has(id);
}

/** How to call somebody in a sentence. */
export function nameOf(id) {
  return nickname(id) || local.get(id) || shortId(id);
}

export function shortId(id) {
  return id ? `${id.slice(0, 6)}…${id.slice(-4)}` : "";
}
