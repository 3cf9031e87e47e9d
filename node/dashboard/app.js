// The page: lets the user in, asks the node, draws what it says, and follows what happens.

import { ask, dropToken, follow, keepToken, Refused, takeToken, tell } from "./api.js";
import { announce, byId, copy, el, spelled } from "./dom.js";
import { loadHistory } from "./history.js";
import { drawList } from "./list.js";
import { callThem, learn, nameOf, shortId } from "./names.js";
import { drawNode } from "./node.js";
import { drawPeople } from "./people.js";
import { itemTitle } from "./sentences.js";

const CHOOSER_COUNT = 100; // names that one still looks through
const STATUS_MS = 5_000; // between two looks at the node: it works out a bound for many a user
const POLL_MS = 15_000; // what no event tells: brokers, storage
const PAUSE_MS = 1_500; // between two looks, however much happens
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000];
const ITEM_BYTES = 256; // of an id, as the node takes it
const PRIVATE = "tastemesh.private";
const IDENTITY = "tastemesh.identity";

const LENGTH = 10; // of a list, until more is asked for
const context = { identity: "me", ego: "", k: LENGTH, contacts: 0, like: null }; // like: an item, in place of what one has
let drawn = {}; // what each part shows, as text: nothing is drawn twice
let asked = 0; // looks at the node begun so far
let shown = 0; // the newest of them that was drawn
let following = new AbortController();
let isFollowed = false; // whether events arrive

const actions = {
  record: (item, kind) => act(async () => {
    const isPrivate = byId("private").checked;
    await tell("/v1/interactions", { item, kind, private: isPrivate, identity: context.identity });
    return `Recorded${isPrivate ? " privately" : ""}: ${spelled(itemTitle(item).title)}.`;
  }),
  endorse: (peer, weight) => act(async () => {
    await tell("/v1/endorsements", { peer, weight, identity: context.identity });
    const said = weight > 0 ? "You endorse" : weight < 0 ? "You blocked" : "You took back your word on";
    return `${said} ${nameOf(peer)}.`;
  }),
  forget: (item) => act(async () => {
    const what = item === null ? { everything: true } : { item };
    const gone = await tell("/v1/forget", { ...what, identity: context.identity });
    const number = gone.interactions + gone.private;
    return `Forgotten: ${number === 1 ? "one thing" : `${number} things`} that you said.`;
  }),
  renamed: () => refresh(true),
  like: async (item) => {
    Object.assign(context, { like: item, k: LENGTH });
    await see();
    byId("for-you").focus();
    byId("for-you").scrollIntoView({ block: "nearest" });
  },
};

async function act(doing) {
  try {
    announce(await doing());
  } catch (fault) {
    if (fault instanceof Refused) close("The node does not take this token any more.");
    else announce(fault.message, true);
    return false;
  }
  await see();
  return true;
}

/** Refresh; where that fails, say so until it does not. */
async function see(isAnew = false) {
  try {
    await refresh(isAnew);
    if (isFollowed) live("Live", true);
  } catch (fault) {
    if (fault instanceof Refused) close("The node does not take this token any more.");
    else live("The node does not answer; trying again", false);
  }
}

function draw(part, data, drawing) {
  const text = JSON.stringify(data);
  if (drawn[part] === text) return;
  drawn[part] = text;
  drawing();
}

/** Ask for everything and draw what has changed. */
async function refresh(isAnew = false) {
  if (isAnew) drawn = {};
  const { identity, k, like } = context;
  asked += 1;
  const number = asked;
  const [lines, around] = await Promise.all([
    list(identity, k, like),
    ask("/v1/neighbourhood", { identity }),
    refreshNode(isAnew),
  ]);
  if (identity !== context.identity || like !== context.like || number < shown) return; // a later look was answered sooner
  shown = number;
  context.ego = around.people[0].identity;
  context.contacts = around.people.filter((person) => person.weight > 0).length;
  byId("own-id").textContent = shortId(context.ego);
  byId("own-id").title = context.ego;
  draw("list", [lines, context.contacts, k, like], () => drawList(lines, context, actions));
  draw("people", around, () => drawPeople(around, context, actions));
  await loadHistory(context, actions);
}

/** The lines of a list: for what the user has, or like one item. */
async function list(identity, k, like) {
  if (like === null) return (await ask("/v1/recommendations", { identity, k, explain: "true" })).recommendations;
  const found = await tell("/v1/recommendations", { identities: [identity], k, explain: true, like: [like] });
  return found.recommendations[identity];
}

let nodeMs = -STATUS_MS;

async function refreshNode(isAnew) {
  if (!isAnew && performance.now() - nodeMs < STATUS_MS) return;
  nodeMs = performance.now();
  const status = await ask("/v1/status");
  const caught = status.convicted ? (await ask("/v1/equivocators")).equivocators : [];
  draw("node", [status.brokers, status.meter, status.window, status.storage, status.rejected, status.peers, caught], () => drawNode(status, caught));
}

let isLooking = false;
let isWanted = false;

/** Look again soon: at once if nothing was looked at lately, and never more often than PAUSE_MS. */
async function look() {
  isWanted = true;
  if (isLooking) return;
  isLooking = true;
  while (isWanted) {
    isWanted = false;
    await see();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  isLooking = false;
}

function live(text, isGood) {
  if (byId("live").textContent !== text) byId("live").textContent = text;
  byId("live").classList.toggle("is-good", isGood);
}

async function followEvents() {
  following.abort();
  following = new AbortController();
  isFollowed = false;
  const { signal } = following;
  for (let failures = 0; !signal.aborted; failures += 1) {
    const opened = () => {
      failures = -1;
      isFollowed = true;
      live("Live", true);
      look();
    };
    try {
      await follow(context.identity, context.k, opened, onEvent, signal);
    } catch (fault) {
      if (signal.aborted) return;
      if (fault instanceof Refused) return close("The node does not take this token any more.");
    }
    if (signal.aborted) return;
    isFollowed = false;
    live("The node does not answer; trying again", false);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures + 1, RETRY_MS.length - 1)]));
  }
}

function onEvent(name, told) {
  if (name === "RecordRefused" || name === "Dropped") return; // the next look shows the counts
  if (name === "EquivocationSeen") announce(`${nameOf(told.author)} was caught signing two different records under one number.`);
  look();
}

/** Show another user of this node. */
async function switchTo(name) {
  try {
    await ask("/v1/neighbourhood", { identity: name, limit: 1 });
  } catch (fault) {
    byId("identity").value = context.identity;
    return announce(fault.message, true);
  }
  Object.assign(context, { identity: name, like: null });
  sessionStorage.setItem(IDENTITY, name);
  drawn = {};
  followEvents();
}

/** A list to choose from, or, where it would be too long for that, a field to type into. */
function chooser(names, isWhole) {
  byId("identity")?.remove();
  const properties = { id: "identity", onchange: (event) => switchTo(event.target.value.trim()) };
  const options = names.map((name) => el("option", { value: name, selected: name === context.identity }, name));
  const isShort = isWhole && names.length <= CHOOSER_COUNT;
  if (!isShort) byId("identities").replaceChildren(...options);
  byId("chooser").append(isShort ? el("select", properties, options) : el("input", { ...properties, list: "identities", value: context.identity, autocomplete: "off" }));
  byId("chooser").hidden = isWhole && names.length < 2;
}

/** Whether somebody of this name is on the node, of which the page has not read all names. */
async function isKnown(name) {
  try {
    await ask("/v1/neighbourhood", { identity: name, limit: 1 });
    return true;
  } catch (fault) {
    if (fault instanceof Refused) throw fault;
    return false;
  }
}

async function open() {
  const { identities, next } = await ask("/v1/identities", { limit: 1000 });
  learn(identities, await ask("/dashboard/names.json"));
  const names = identities.map((each) => each.name);
  const wanted = sessionStorage.getItem(IDENTITY);
  const isHere = names.includes(wanted) || (wanted && next && (await isKnown(wanted)));
  context.identity = isHere ? wanted : names.includes("me") || next ? "me" : names[0];
  chooser(names, next === null);
  byId("door").hidden = true;
  for (const id of ["home", "who", "foot"]) byId(id).hidden = false;
  await see(true);
  if (!byId("home").hidden) followEvents();
}

function close(why, isRefused = true) {
  if (isRefused) dropToken();
  following.abort();
  for (const id of ["home", "who", "foot"]) byId(id).hidden = true;
  byId("door").hidden = false;
  byId("door-fault").textContent = why;
  byId("token").focus();
}

async function enter() {
  try {
    await open();
  } catch (fault) {
    if (fault instanceof Refused) close("This is not the token of this node.");
    else close(`${fault.message} Load the page again to try again.`, false); // the token may be right
  }
}

function onSubmit(id, doing) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    doing(event.submitter?.value);
  });
}

onSubmit("door-form", () => {
  keepToken(byId("token").value);
  byId("token").value = "";
  enter();
});
/** Empty fields whose text was taken in, unless something else has been typed into them meanwhile. */
function clear(sent) {
  for (const [id, text] of Object.entries(sent)) if (byId(id).value === text) byId(id).value = "";
}

onSubmit("record", async () => {
  const text = byId("record-item").value;
  const bytes = new TextEncoder().encode(text.trim()).length;
  // An input's maxlength would cut a long address that is pasted, and another item be said.
  if (bytes > ITEM_BYTES) {
    announce(`This id has ${bytes} bytes; ${ITEM_BYTES} fit.`, true);
    return;
  }
  if (text.trim() && (await actions.record(text.trim(), byId("record-kind").value))) clear({ "record-item": text });
});
onSubmit("endorse", async (weight) => {
  const text = byId("endorse-id").value;
  const name = byId("endorse-name").value;
  if (name.trim()) callThem(text.trim(), name);
  if (await actions.endorse(text.trim(), Number(weight || 1))) clear({ "endorse-id": text, "endorse-name": name });
});
byId("copy-own-id").addEventListener("click", () => copy(context.ego, "your id"));
byId("more").addEventListener("click", () => {
  context.k = Math.min(100, context.k + 20);
  see();
});
byId("private").addEventListener("change", () => {
  localStorage.setItem(PRIVATE, byId("private").checked ? "yes" : "");
  hintPrivate();
});

function hintPrivate() {
  byId("private-hint").textContent = byId("private").checked
    ? "It stays on this node and shapes your own list only."
    : "It is public to the network, under your id.";
}

byId("private").checked = localStorage.getItem(PRIVATE) === "yes";
hintPrivate();
setInterval(() => document.hidden || byId("home").hidden || look(), POLL_MS);
addEventListener("hashchange", () => takeToken() && byId("home").hidden && enter());
if (takeToken()) enter();
else close("");
