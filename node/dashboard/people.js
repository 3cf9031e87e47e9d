// The people around the user: picture or table, one person's page, and what one says of them.

import { bar, byId, copy, el, redraw } from "./dom.js";
import { callThem, nameOf, nickname, shortId } from "./names.js";
import { drawPicture } from "./picture.js";
import { bound, capital, count, join, percent, stance } from "./sentences.js";

let view = "picture";
let chosen = "";
let again = () => {};

byId("as-picture").addEventListener("click", () => show("picture"));
byId("as-table").addEventListener("click", () => show("table"));

function show(wanted) {
  view = wanted;
  byId("as-picture").setAttribute("aria-pressed", String(view === "picture"));
  byId("as-table").setAttribute("aria-pressed", String(view === "table"));
  again();
}

/** Draw the neighbourhood. `actions.endorse(id, weight)` states trust, `actions.renamed()` follows a name. */
export function drawPeople(shown, context, actions) {
  const choose = (id) => {
    chosen = chosen === id ? "" : id;
    again();
  };
  again = () => {
    const alone = shown.people.length < 2;
    byId("people-views").hidden = alone;
    if (!shown.people.some((person) => person.identity === chosen)) chosen = "";
    if (alone) redraw(byId("people"), nobody(context.ego));
    else if (view === "picture") drawPicture(byId("people"), shown, chosen, choose);
    else redraw(byId("people"), table(shown, choose));
    redraw(byId("person"), chosen ? person(shown, context, actions) : hint(shown));
    redraw(byId("bound"), boundNote(shown.sybil_bound, context.contacts > 0));
  };
  again();
}

function nobody(ego) {
  return el("div", { class: "empty" },
    el("p", {}, "Nobody endorsed yet: paste a friend’s id below. Their dashboard shows it at the top; yours is"),
    el("p", {}, el("code", { class: "breaks" }, ego), " ",
      el("button", { type: "button", class: "quiet", "data-key": "copy-own", onclick: () => copy(ego, "your id") }, "Copy", el("span", { class: "unseen" }, " your id"))),
    el("p", { class: "hint" }, "Endorse those whose taste you trust. What they like, and what those like whom they endorse, makes your list."));
}

function hint(shown) {
  if (shown.people.length < 2) return null;
  const hidden = shown.reached + 1 - shown.people.length;
  const rest = hidden > 0 ? `, ${count(hidden, "of them", "of them")} not shown` : "";
  return el("p", { class: "hint" }, `Your trust reaches ${count(shown.reached, "person", "people")}${rest}. The larger a dot, the more of your trust it has. Choose one to see who it is, or to give it a name.`);
}

function table(shown, choose) {
  const endorsers = whoEndorses(shown);
  const rows = shown.people.slice(1).map((each) =>
    el("tr", { class: each.identity === chosen ? "is-chosen" : null },
      el("th", { scope: "row", class: "name" }, el("button", {
        type: "button", class: "link", "aria-pressed": each.identity === chosen, "data-key": `row ${each.identity}`, onclick: () => choose(each.identity),
      }, nameOf(each.identity))),
      el("td", {}, stance(each.weight) || "–"),
      el("td", { class: "number" }, each.trust ? percent(each.trust) : "–"),
      el("td", { class: "name" }, join((endorsers.get(each.identity) ?? []).slice(0, 3)) || "–")));
  return el("div", { class: "table people-table", tabindex: 0, role: "region", "aria-label": "People, as a table", "data-key": "table" },
    el("table", {},
      el("caption", { class: "unseen" }, "Whom your trust reaches"),
      el("thead", {}, el("tr", {}, ["Person", "You say", "Trust", "Endorsed by"].map((head) => el("th", { scope: "col", class: head === "Trust" ? "number" : null }, head)))),
      el("tbody", {}, rows)));
}

function whoEndorses(shown) {
  const found = new Map();
  for (const { source, subject, weight } of shown.endorsements) {
    if (weight <= 0) continue;
    const by = source === shown.people[0].identity ? "you" : nameOf(source);
    found.set(subject, [...(found.get(subject) ?? []), by]);
  }
  return found;
}

function person(shown, context, actions) {
  const each = shown.people.find((candidate) => candidate.identity === chosen);
  const id = each.identity;
  if (!each.distance) return el("p", { class: "hint" }, "This is you.");
  const act = (key, weight, text) =>
    el("button", { type: "button", class: "quiet", "data-key": `${key} ${id}`, onclick: () => actions.endorse(id, weight) },
      text, el("span", { class: "unseen" }, ` ${nameOf(id)}`));
  const name = el("input", {
    value: nickname(id), maxlength: 40, autocomplete: "off", "data-key": `name ${id}`, placeholder: "in this browser only", "aria-label": `Your name for them: ${nameOf(id)}`,
    onchange: (event) => {
      callThem(id, event.target.value);
      actions.renamed();
    },
  });
  return [
    el("h3", {}, nameOf(id)),
    el("p", {}, told(each, whoEndorses(shown).get(id) ?? [])),
    el("p", { class: "acts" },
      each.weight <= 0 ? act("vouch", 1, "Endorse") : null,
      each.weight !== 0 ? act("withdraw", 0, each.weight < 0 ? "Unblock" : "Withdraw") : null,
      each.weight >= 0 ? act("block", -1, "Block") : null),
    el("p", { class: "line" }, el("label", {}, el("span", {}, "Your name for them"), name)),
    el("p", {}, el("code", { title: id }, shortId(id)), " ",
      el("button", { type: "button", class: "quiet", "data-key": `copy ${id}`, onclick: () => copy(id, `the id of ${nameOf(id)}`) },
        "Copy", el("span", { class: "unseen" }, ` the id of ${nameOf(id)}`))),
  ];
}

function told(each, endorsers) {
  const said = [];
  if (each.convicted) said.push("Caught signing two different records under one number: nothing that they say counts.");
  if (each.weight > 0) said.push(each.weight < 1 ? `You endorse them at ${percent(each.weight)}.` : "You endorse them.");
  else if (each.weight < 0) said.push("You blocked them: no trust goes to them or through them.");
  else if (endorsers.length) said.push(`Endorsed by ${join(endorsers.slice(0, 3))}${endorsers.length > 3 ? " and others" : ""}.`);
  if (each.through) said.push(`${percent(each.through)} of your trust comes through them; ${percent(each.trust)} is placed in them.`);
  else if (each.trust) said.push(`${percent(each.trust)} of your trust reaches them.`);
  if (each.interactions) said.push(`Your node holds ${count(each.interactions, "thing", "things")} that they said.`);
  return said.map(capital).join(" ");
}

function boundNote(found, isAnchored) {
  const { figure, text } = bound(found, nameOf, isAnchored);
  if (!figure) return el("p", {}, text);
  return [
    el("p", { class: "figure" }, figure),
    bar(found.trust_needed),
    el("p", {}, text),
  ];
}
