// The for-you list: items, on whose word, and what to do about them.

import { announce, byId, copy, el, redraw, spelled } from "./dom.js";
import { ask } from "./api.js";
import { nameOf, shortId } from "./names.js";
import { because, itemTitle, join, percent } from "./sentences.js";

const opened = new Set(); // items whose reasons are shown

/** Draw the list. `actions.record(item, kind)` says something about an item. */
export function drawList(lines, context, actions) {
  const isExploration = lines.length > 0 && lines.every((line) => line.unverified);
  byId("for-you").textContent = context.like === null ? "For you" : `More like ${spelled(itemTitle(context.like).title)}`;
  redraw(byId("list-note"), [context.like === null ? null : likeness(isExploration, context, actions), note(lines, isExploration, context)]);
  redraw(byId("list"), lines.map((line, place) => item(line, place, isExploration, context, actions)));
  byId("list-more").hidden = lines.length < context.k || context.k >= 100;
  byId("list-end").textContent = ending(lines, context.k);
}

/** Why the list ends before it is as long as it was to be. */
function ending(lines, wanted) {
  if (!lines.length || lines.length >= wanted || lines.some((line) => line.unverified)) return "";
  return "That is all: those whom your trust reaches hold no more that you do not have. More arrives while your node runs.";
}

/** What a list is that is like an item, and the way back. */
function likeness(isExploration, context, actions) {
  const said = isExploration && !context.contacts
    ? "What strangers have beside this one, without what you have."
    : "What the people you trust have beside this one, without what you have.";
  return el("p", { class: "hint" }, said, " ",
    el("button", { type: "button", class: "quiet", "data-key": "for-you", onclick: () => actions.like(null) }, "Back to your list"));
}

function note(lines, isExploration, context) {
  if (isExploration && context.contacts) {
    return el("p", { class: "mark-note" }, "Nothing that the people you trust hold is left to show, so these are marked unverified: nobody whom you endorse stands behind them.");
  }
  if (isExploration && context.like !== null) {
    return el("p", { class: "mark-note" }, "You endorse nobody yet, so each item is marked unverified: fake identities could have put it here.");
  }
  if (isExploration) {
    return el("div", { class: "mark-note" },
      el("p", {}, el("strong", {}, "Exploration."), " You endorse nobody yet, so this is only what strangers have: first those whose taste is like yours, then whatever many of them have. Each item is marked unverified: fake identities could have put it here."),
      el("p", {}, "Paste a friend’s id under ", el("a", { href: "#people-title" }, "Your people"), ", and their taste, and that of those they trust, takes its place."));
  }
  if (lines.length || context.like !== null) return null;
  const steps = [
    el("li", {}, "Record a few things that you like, above. They say what you have, and what you have is not recommended."),
    el("li", {}, context.contacts
      ? "The people whom you endorse have nothing here yet that you do not have. It arrives while your node runs."
      : ["Endorse somebody whose taste you trust: ", el("a", { href: "#people-title" }, "paste a friend’s id"), "."]),
    el("li", {}, "Give your own id to friends, so that they can endorse you: ",
      el("code", {}, shortId(context.ego)), " ",
      el("button", { type: "button", class: "quiet", "data-key": "copy-empty", onclick: () => copy(context.ego, "your id") }, "Copy", el("span", { class: "unseen" }, " your id"))),
  ];
  return el("div", { class: "empty" }, el("p", {}, "Nothing to recommend yet."), el("ol", {}, steps));
}

function item(line, place, isExploration, context, actions) {
  const { kind, title, isCode } = itemTitle(line.item);
  const id = `item-${place}`;
  const say = (key, what, text) =>
    el("button", { type: "button", class: "quiet", "data-key": `${key} ${line.item}`, "aria-label": `${text}: ${spelled(line.item)}`, onclick: () => actions.record(line.item, what) }, text);
  const panel = el("div", { id: `${id}-why`, class: "why", hidden: !opened.has(line.item) }, why(line, context));
  const toggle = el("button", {
    type: "button", class: "quiet", "aria-expanded": opened.has(line.item), "aria-controls": `${id}-why`, "data-key": `why ${line.item}`,
    "aria-label": `Why: ${spelled(line.item)}`,
    onclick: () => {
      panel.hidden = !panel.hidden;
      toggle.setAttribute("aria-expanded", String(!panel.hidden));
      if (panel.hidden) opened.delete(line.item);
      else opened.add(line.item);
    },
  }, "Why");
  return el("li", { class: "item" },
    el("div", { class: "headline" },
      el("h3", { id, class: isCode ? "title is-code" : "title", dir: "auto" }, spelled(title)),
      kind ? el("span", { class: "kind" }, kind) : null,
      line.unverified ? el("span", { class: "mark" }, isExploration && !context.contacts ? "exploration, unverified" : "unverified") : null),
    el("p", { class: "because" }, because(line, nameOf)),
    shareBar(line),
    el("p", { class: "acts" },
      say("like", "like", "I like it"), say("had", "listen", "I know it"), say("no", "dislike", "Not for me"),
      moreLike(line.item, line.item, actions), toggle),
    panel);
}

/** A button that asks for what goes with an item. */
export function moreLike(key, item, actions) {
  return el("button", { type: "button", class: "quiet", "data-key": `more ${key}`, "aria-label": `More like this: ${spelled(item)}`, onclick: () => actions.like(item) }, "More like this");
}

function shareBar(line) {
  const reasons = line.reasons.filter((reason) => reason.contact);
  if (reasons.length < 2) return null;
  const parts = reasons.map((reason, number) => {
    const part = el("span", { class: `part part-${number}` });
    part.style.width = `${reason.share * 100}%`;
    return part;
  });
  // Each name apart from what is around it: one written from right to left would take the next share for its own.
  const said = reasons.map((reason, number) => [number ? " · " : "", el("bdi", {}, nameOf(reason.contact)), ` ${percent(reason.share)}`]);
  return el("p", { class: "shares" },
    el("span", { class: "share-bar", "aria-hidden": "true" }, parts),
    el("span", { class: "breaks" }, el("span", { class: "unseen" }, "Shares of the score: "), said.flat()));
}

function why(line, context) {
  const id = el("p", { class: "hint" }, "Its id: ", el("code", { class: "breaks" }, spelled(line.item)));
  if (!line.reasons.length) {
    return [el("p", {}, "No signed record of anybody whom you trust speaks for it, so there is no evidence to save."), id];
  }
  const voices = line.backing?.voices ?? [];
  const rows = line.reasons.map((reason) => {
    const through = voices.filter((voice) => voice.contact === reason.contact).map((voice) => nameOf(voice.identity));
    return el("tr", {},
      el("th", { scope: "row", class: "name" }, reason.contact ? nameOf(reason.contact) : "Nobody you endorse"),
      el("td", { class: "number" }, percent(reason.share)),
      el("td", { class: "name" }, through.length > 6 ? `${through.slice(0, 5).join(", ")} and ${through.length - 5} more` : join(through)),
      el("td", {}, reason.record_ids.map((record) => el("code", { title: record }, record.slice(0, 8), " "))));
  });
  const said = `On whose word ${spelled(line.item)} stands`;
  return [
    el("div", { class: "table", tabindex: 0, role: "region", "aria-label": said, "data-key": `table ${line.item}` },
      el("table", {},
        el("caption", { class: "unseen" }, said),
        el("thead", {}, el("tr", {}, ["You endorse", "Share", "Who has it", "Signed records"].map((head) => el("th", { scope: "col", class: head === "Share" ? "number" : null }, head)))),
        el("tbody", {}, rows))),
    id,
    el("p", {}, el("button", {
      type: "button", class: "quiet", "data-key": `evidence ${line.item}`, "aria-label": `Save the evidence: ${spelled(line.item)}`, onclick: () => saveEvidence(line.item, context),
    }, "Save the evidence"), el("span", { class: "hint" }, " signed records that anybody can check: tastemesh verify")),
  ];
}

async function saveEvidence(item, { identity, like }) {
  try {
    const evidence = await ask("/v1/evidence", { item, identity, ...(like === null ? {} : { like }) });
    const file = URL.createObjectURL(new Blob([JSON.stringify(evidence, null, 2)], { type: "application/json" }));
    el("a", { href: file, download: "evidence.json" }).click();
    setTimeout(() => URL.revokeObjectURL(file), 60_000);
    announce("Saved evidence.json.");
  } catch (fault) {
    announce(fault.message, true);
  }
}
