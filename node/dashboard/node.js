// How the node is: brokers and what they keep back, window, storage, whom it does not believe.

import { bar, byId, copy, el, redraw } from "./dom.js";
import { nameOf, shortId } from "./names.js";
import { bytes, count, coverage, hangups, salvage } from "./sentences.js";

const REASONS = {
  "wrong-version": "of another version", "wrong-network": "for another network", "statement-limit": "too many statements",
  "item-limit": "item’s id too long", "weight-range": "weight out of range", "too-old": "older than the window",
  "from-future": "dated in the future", "weak-key": "weak key", "wrong-author": "key is not the author’s",
  "bad-signature": "signature wrong", equivocation: "two records under one number",
  rate: "more than an author may send", "author-quota": "over its author’s quota", "window-full": "window full",
  "unexpected-topic": "on a topic that was not asked for", "sync-budget": "more than was agreed on",
  "verify-budget": "too many strangers at once", forgotten: "taken back by its author",
  convicted: "from an equivocator", "inbox-overflow": "lost unread: more came than fits", damaged: "altered on your disk", "revoked-key": "signed with a revoked key",
};

/** Draw it. `equivocators` are ids. */
export function drawNode(status, equivocators) {
  const { fault, damage } = status.storage;
  const trouble = fault ? "Nothing can be stored" : damage ? "Not all that is stored can be read" : "";
  byId("trouble").textContent = trouble; // the rest of it is far down the page
  byId("trouble").hidden = !trouble;
  redraw(byId("node"), [
    trouble ? el("p", { class: "fault", role: "alert" }, `${trouble}: ${fault ?? damage}`) : null,
    el("div", { class: "node-parts" },
      status.brokers.length
        ? part("Brokers", brokers(status), "Each only carries; none can forge. What one keeps back shows here as soon as it comes by another way.")
        : part("Brokers", el("p", {}, "None: your node’s settings say offline. What its own users record and say reaches nobody else."), ""),
      part("Window and storage", room(status), "Your node keeps what is recent, and friends’ words before strangers’."),
      part("Refused", refused(status), ""),
      part("Equivocators", caught(equivocators), "")),
  ]);
  redraw(byId("foot"), [
    "Node ", el("code", { title: status.node }, shortId(status.node)), " on network ", el("code", {}, status.network),
    ` · ${count(status.peers, "node", "nodes")} heard of lately · home `, el("code", { class: "breaks" }, status.home), " · ",
    el("button", { type: "button", class: "link", "data-key": "copy-node", onclick: () => copy(status.node, "the node’s id") }, "Copy the node’s id"),
  ]);
}

function part(title, content, hint) {
  return el("div", { class: "part-of-node" }, el("h3", {}, title), content, hint ? el("p", { class: "hint" }, hint) : null);
}

function brokers(status) {
  return el("ul", { class: "plain" }, status.brokers.map((broker) => {
    const report = status.meter[broker.broker];
    const waits = broker.waiting_count ? ` ${count(broker.waiting_count, "message waits", "messages wait")} to be taken.` : "";
    const lost = broker.dropped_count ? ` ${count(broker.dropped_count, "message was", "messages were")} dropped here unread; it is fetched again.` : "";
    return el("li", {},
      el("p", { class: "broker" }, el("strong", { class: "breaks" }, broker.broker),
        el("span", { class: broker.connected ? "state is-good" : "state is-bad" }, broker.connected ? "connected" : "not connected")),
      broker.connected ? null : el("p", { class: "fault" }, broker.reason),
      broker.lost_count > 1 ? el("p", { class: "fault" }, hangups(broker)) : null,
      report?.coverage !== null && report?.coverage !== undefined ? bar(report.coverage, `Share of known records that ${broker.broker} delivered, in percent`) : null,
      el("p", {}, coverage(report, nameOf), waits, lost));
  }));
}

function room(status) {
  const { statements, bound, authors } = status.window;
  const used = status.storage.used_bytes;
  return [
    bar(statements / bound, "Share of the window that is full, in percent"),
    el("p", {}, `${count(statements, "statement", "statements")} by ${count(authors, "person", "people")}, of ${count(bound, "", "").trim()} that fit.`),
    used === undefined ? null : bar(used / status.storage.bound_bytes, "Share of the disk space that is used, in percent"),
    used === undefined ? null : el("p", {}, `${bytes(used)} on disk, of ${bytes(status.storage.bound_bytes)} allowed.`),
    status.storage.salvaged ? el("p", { class: "fault breaks" }, salvage(status.storage.salvaged)) : null,
  ];
}

function refused(status) {
  const { duplicate = 0, ...others } = status.rejected;
  const reasons = Object.entries(others).sort((a, b) => b[1] - a[1]);
  const lines = reasons.map(([reason, number]) => el("li", {}, `${count(number, "", "").trim()} ${REASONS[reason] ?? reason}`));
  return [
    reasons.length ? el("ul", { class: "plain" }, lines) : el("p", {}, "Nothing: whatever arrived was in order."),
    duplicate ? el("p", { class: "hint" }, `${count(duplicate, "copy", "copies")} of what was known already, which is how gossip works.`) : null,
  ];
}

function caught(equivocators) {
  if (!equivocators.length) return el("p", {}, "Nobody has been caught signing two different records under one number.");
  const named = equivocators.slice(-8).reverse().map((id) => el("li", {}, el("code", { title: id }, nameOf(id))));
  const rest = equivocators.length - named.length;
  return [
    el("p", {}, `${count(equivocators.length, "identity", "identities")} signed two different records under one number; the proofs are kept, and nothing that they say counts.`),
    el("ul", { class: "plain" }, named, rest > 0 ? el("li", {}, `and ${count(rest, "other", "others")}`) : null),
  ];
}
