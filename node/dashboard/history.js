// What the user said, newest first, and how to take it back.

import { ask, Refused } from "./api.js";
import { announce, byId, el, redraw, spelled } from "./dom.js";
import { moreLike } from "./list.js";
import { date, itemTitle } from "./sentences.js";

const PAGE = 12;
const KINDS = { listen: "took it up", like: "liked it", dislike: "did not like it", skip: "skipped it" };

let pages = [];
let asked = ""; // whose list this is
let drawn = "";

/** Fetch the first page again, and draw it; more pages follow on demand. */
export async function loadHistory(context, actions) {
  if (asked !== context.identity) pages = [];
  asked = context.identity;
  const shown = Math.max(1, pages.length) * PAGE;
  let first;
  try {
    first = await ask("/v1/interactions", { identity: context.identity, limit: Math.min(shown, 1000) });
  } catch (fault) {
    if (fault instanceof Refused) throw fault;
    drawn = "";
    return redraw(byId("history"), el("p", { class: "fault" }, `It cannot be read just now: ${fault.message}`)); // from the disk; the rest is in memory
  }
  if (asked !== context.identity) return;
  pages = Array.from({ length: Math.max(1, pages.length) }, (_, n) => first.interactions.slice(n * PAGE, (n + 1) * PAGE));
  draw(first.next, context, actions);
}

function draw(next, context, actions) {
  const lines = pages.flat();
  const text = JSON.stringify([context.identity, next, lines]);
  if (drawn === text) return;
  drawn = text;
  if (!lines.length) {
    redraw(byId("history"), el("p", { class: "empty" }, "Nothing yet. What you record here, or with tastemesh record and tastemesh import, shows up in this place; each line can be taken back."));
    return;
  }
  const older = async () => {
    try {
      const page = await ask("/v1/interactions", { identity: context.identity, limit: PAGE, after: next });
      pages.push(page.interactions);
      draw(page.next, context, actions);
    } catch (fault) {
      announce(fault.message, true);
    }
  };
  redraw(byId("history"), [
    el("ul", { class: "plain" }, lines.map((line, place) => row(line, place, actions))),
    el("p", { class: "acts after" },
      next ? el("button", { type: "button", class: "quiet", "data-key": "older", onclick: older }, "Show older") : null,
      forget("everything", null, "Forget everything", actions)),
  ]);
}

function row(line, place, actions) {
  const { kind, title, isCode } = itemTitle(line.item);
  return el("li", { class: "said" },
    el("div", {},
      el("p", { class: isCode ? "is-code breaks" : "breaks", dir: "auto", title: line.item },
        spelled(title), kind ? el("span", { class: "kind" }, ` ${kind}`) : null),
      el("p", { class: "hint" }, `${KINDS[line.kind] ?? line.kind}, ${date(line.time_s)}`, line.private ? el("span", { class: "mark" }, "private") : null)),
    el("div", { class: "acts" },
      moreLike(`${place} ${line.item}`, line.item, actions), forget(`${place} ${line.item}`, line.item, "Forget", actions)));
}

/** A button that asks once more: what is forgotten is forgotten by every node. */
function forget(key, item, text, actions) {
  const of = item === null ? "" : `: ${spelled(item)}`;
  const button = el("button", { type: "button", class: "quiet", "data-key": `forget ${key}`, onclick: () => press(), onblur: () => show(false) });
  const show = (isSure) => {
    button.textContent = isSure ? "Sure? Press again" : text;
    button.setAttribute("aria-label", button.textContent + of);
    button.classList.toggle("is-grave", isSure);
  };
  const press = () => {
    const isSure = button.classList.contains("is-grave");
    show(!isSure);
    if (isSure) actions.forget(item);
  };
  show(false);
  return button;
}
