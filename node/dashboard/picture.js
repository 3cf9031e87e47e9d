// The trust neighbourhood as a picture: the user in the middle, whom he endorses around him, whom
// they endorse around those. Arrow keys go from person to person; Enter chooses one.

import { redraw, svg } from "./dom.js";
import { isNamed, nameOf } from "./names.js";
import { percent, stance } from "./sentences.js";

const [WIDTH, HEIGHT] = [660, 510];
const [MIDDLE_X, MIDDLE_Y] = [WIDTH / 2, HEIGHT / 2];
const RINGS = [0, 128, 218];
const LONE_RING = 165; // where nobody stands on the second
const PHONE = matchMedia("(max-width: 36rem)"); // as in parts.css, where letters are larger

/** Draw the picture into `root`; `choose(id)` is called for a person. */
export function drawPicture(root, shown, chosen, choose) {
  const places = layout(shown);
  const order = [...places.values()];
  const start = places.get(chosen) ?? order[0];
  const edges = shown.endorsements.map((edge) => line(edge, places.get(edge.source), places.get(edge.subject), shown.people[0].identity));
  const dots = order.map((place) => dot(place, place === start, place.person.identity === chosen, choose));
  const labels = readable(order, chosen);
  const people = order.length - 1;
  redraw(root, svg("svg", {
    class: "picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", onkeydown: (event) => move(event, order),
    "aria-label": `Picture of ${people} people around you. Arrow keys go from one to the next; Enter chooses. The table says the same.`,
  }, svg("g", { "aria-hidden": "true" }, edges), svg("g", { "aria-hidden": "true" }, labels), dots));
}

/** Give every person a place: a contact has as much of the circle as people whom it brought. */
function layout(shown) {
  const [ego, ...others] = shown.people;
  const places = new Map([[ego.identity, { person: ego, x: MIDDLE_X, y: MIDDLE_Y, angle: 0, size: 15 }]]);
  const near = others.filter((person) => person.distance === 1);
  const brought = new Map(near.map((person) => [person.identity, []]));
  const known = new Set();
  for (const { source, subject } of shown.endorsements) {
    const person = others.find((each) => each.identity === subject);
    if (person?.distance === 2 && brought.has(source) && !known.has(subject)) {
      known.add(subject);
      brought.get(source).push(person);
    }
  }
  const widths = near.map((person) => 1 + 0.75 * brought.get(person.identity).length);
  const whole = widths.reduce((sum, width) => sum + width, 0);
  const rings = known.size ? RINGS : [0, LONE_RING];
  let from = -Math.PI / 2 - (Math.PI * (widths[0] ?? 0)) / whole;
  near.forEach((person, number) => {
    const width = (2 * Math.PI * widths[number]) / whole;
    put(places, person, rings[1], from + width / 2);
    const followers = brought.get(person.identity);
    followers.forEach((follower, seat) => put(places, follower, rings[2], from + (width * (seat + 0.5)) / followers.length));
    from += width;
  });
  return places;
}

function put(places, person, radius, angle) {
  places.set(person.identity, {
    person, angle,
    x: MIDDLE_X + radius * Math.cos(angle),
    y: MIDDLE_Y + radius * Math.sin(angle),
    size: 5 + 26 * Math.sqrt(person.distance === 1 ? Math.max(person.trust, person.through / 4) : person.trust),
  });
}

function line(edge, from, to, ego) {
  if (!from || !to) return null;
  const distance = [from, to].map((place) => place.person.distance);
  const isChain = distance[0] < distance[1];
  const kind = edge.weight < 0 ? "is-blocked" : edge.source === ego ? "is-own" : isChain ? "is-chain" : "is-across";
  const width = 0.75 + 2.25 * Math.abs(edge.weight) * (edge.source === ego ? 1 : 0.35);
  if (isChain) return svg("line", { class: `edge ${kind}`, x1: from.x, y1: from.y, x2: to.x, y2: to.y, "stroke-width": width });
  const bend = 0.82; // towards the middle, so that it is not taken for the ring
  const x = MIDDLE_X + ((from.x + to.x) / 2 - MIDDLE_X) * bend;
  const y = MIDDLE_Y + ((from.y + to.y) / 2 - MIDDLE_Y) * bend;
  return svg("path", { class: `edge ${kind}`, d: `M${from.x} ${from.y}Q${x} ${y} ${to.x} ${to.y}`, "stroke-width": width });
}

/** What a picture shows of a person, for who hears it. */
export function describe(person) {
  if (!person.distance) return "you";
  const parts = [nameOf(person.identity), stance(person.weight)];
  if (person.through) parts.push(`${percent(person.through)} of your trust comes through them`);
  else if (person.trust) parts.push(`${percent(person.trust)} of your trust reaches them`);
  if (person.convicted) parts.push("caught equivocating");
  return parts.filter(Boolean).join(", ");
}

function dot({ person, x, y, size }, isStart, isChosen, choose) {
  const state = person.weight < 0 || person.convicted ? "is-blocked" : `is-far-${person.distance}`;
  const pick = () => choose(person.identity);
  return svg("g", {
    class: `dot ${state}${isChosen ? " is-chosen" : ""}`, role: "button", tabindex: isStart ? 0 : -1,
    "aria-label": describe(person), "aria-pressed": isChosen, "data-key": `dot ${person.identity}`, onclick: pick,
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pick();
    },
  },
  svg("circle", { class: "halo", cx: x, cy: y, r: size + 5 }),
  svg("circle", { class: "disc", cx: x, cy: y, r: size }),
  svg("circle", { class: "reach", cx: x, cy: y, r: Math.max(size, 14) }));
}

/** Labels that do not cover each other: the chosen one, then the nearest and most trusted. */
function readable(order, chosen) {
  const rank = ({ person }) => (person.identity === chosen ? 0 : person.distance + (isNamed(person.identity) ? 0 : 0.5));
  const letter = PHONE.matches ? 25 : 20;
  const taken = order.filter(({ person }) => person.distance === 1).map(({ x, y, size }) => [x - size + 3, y - size + 3, x + size - 3, y + size - 3]);
  const labels = [];
  for (const place of [...order].sort((a, b) => rank(a) - rank(b) || b.person.trust - a.person.trust)) {
    const { text, x, y, anchor } = label(place);
    const width = text.length * letter * 0.55;
    const left = x - width * { start: 0, middle: 0.5, end: 1 }[anchor];
    const box = [left, y - letter * 0.8, left + width, y + letter * 0.2];
    const isFree = taken.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
    if (!isFree) continue;
    taken.push(box);
    const kind = place.person.distance ? `is-far-${place.person.distance}` : "is-self";
    labels.push(svg("text", { class: `label ${kind}`, x, y, "text-anchor": anchor }, text));
  }
  return labels;
}

function label({ person, x, y, angle, size }) {
  if (!person.distance) return { text: "you", x, y: y + 4, anchor: "middle" };
  const letters = [...nameOf(person.identity)]; // an emoji is one, of two halves
  const text = letters.length > 12 ? `${letters.slice(0, 11).join("")}…` : letters.join("");
  const across = Math.cos(angle);
  const gap = size + (person.distance === 1 ? 10 : 6);
  if (person.distance === 2 && Math.abs(across) > 0.35) {
    return { text, x: x + Math.sign(across) * gap, y: y + 5, anchor: across > 0 ? "start" : "end" };
  }
  return { text, x, y: y + (person.distance === 1 || Math.sin(angle) > 0 ? gap + 10 : -gap + 2), anchor: "middle" };
}

function move(event, order) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const dots = [...event.currentTarget.querySelectorAll(".dot")];
  const at = dots.indexOf(document.activeElement);
  let to = event.key === "Home" ? 0 : event.key === "End" ? order.length - 1 : null;
  if (event.key in steps) to = (at + steps[event.key] + order.length) % order.length;
  if (at < 0 || to === null) return;
  event.preventDefault();
  dots.forEach((dot, number) => dot.setAttribute("tabindex", number === to ? "0" : "-1"));
  dots[to].focus();
}
