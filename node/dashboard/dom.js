// Builds elements. Text goes in as text, never as markup: ids and names come from strangers.

const SVG = "http://www.w3.org/2000/svg";
// Not so the two that join letters, and the two that say whether a sign is an emoji.
const UNSEEN = /(?![\u200c\u200d\ufe0e\ufe0f])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;
const LOST_BLANKS = /^\p{Zs}+|\p{Zs}+$|(?<=\p{Zs})\p{Zs}+/gu;

/** A text as it may be shown: what turns letters around, or hides between them, stands there by its number. */
export function visible(text) {
  return text.replace(UNSEEN, byNumber);
}

/** An id as it may be shown: also a blank that nobody would see, at an end or beside another. */
export function spelled(id) {
  return visible(id).replace(LOST_BLANKS, (blanks) => [...blanks].map(byNumber).join(""));
}

function byNumber(letter) {
  return `\\u{${letter.codePointAt(0).toString(16)}}`;
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : name === "value" ? value : visible(String(value)));
  }
  const shown = children.flat().filter((child) => child !== null && child !== undefined && child !== "");
  element.append(...shown.map((child) => (child instanceof Node ? child : visible(String(child)))));
  return element;
}

/** Make an HTML element; properties that begin with "on" are listeners, all others attributes. */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Make an SVG element. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

export function byId(id) {
  return document.getElementById(id);
}

/** Replace what is in `root`, and leave the keyboard where it was: on the element of the same key. */
export function redraw(root, children) {
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.dataset.key;
  const typed = focused instanceof HTMLInputElement ? focused.value : null;
  root.replaceChildren(...[children].flat().filter(Boolean));
  if (!focused) return;
  const again = [...root.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  if (again) {
    if (typed !== null) again.value = typed;
    again.focus({ preventScroll: true });
  } else {
    const section = root.closest("section");
    section?.querySelector("h2[tabindex]")?.focus({ preventScroll: true });
  }
}

/** A bar that is filled to a share, 0 to 1, for the eye; what it says stands beside it as text. */
export function bar(share, label) {
  const inner = el("span", { class: "bar-full" });
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  const named = label
    ? { role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share * 1000) / 10 }
    : { "aria-hidden": "true" };
  return el("span", { class: "bar", ...named }, inner);
}

let timer = 0;

/** Tell the user what has come of something, on the screen and by voice. */
export function announce(text, isFault = false) {
  const notice = byId("notice");
  notice.textContent = visible(text);
  notice.classList.toggle("is-fault", isFault);
  notice.classList.add("is-shown");
  clearTimeout(timer);
  timer = setTimeout(() => notice.classList.remove("is-shown"), isFault ? 12_000 : 5_000);
}

/** Copy a text to the clipboard. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    announce(`Copied ${what}.`);
  } catch {
    announce(`The browser did not allow copying; ${what} is ${text}`, true);
  }
}
