// The pieces that cells are made of. A component is handed the element that it
// fills and returns a function that brings it up to date; it changes what differs
// and nothing else, so that what somebody reads, focuses or unfolds stays put.
// Text is only ever set as text: names and messages come from elsewhere.

import { UNKNOWN, absolute, ago, countdown } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Bring an element's children to this order. Whoever has the focus keeps it. */
export function arrange(parent, wanted) {
  const focused = document.activeElement;
  wanted.forEach((node, place) => {
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

export const text = (get) => (place) => {
  const node = document.createTextNode("");
  place.append(node);
  return (row) => setText(node, get(row) || UNKNOWN);
};

/** Something less important below or behind: gone when there is nothing to say. */
export const note = (get) => (place) => {
  const node = element("span", { class: "note" });
  place.append(node);
  return (row) => {
    const said = get(row) ?? "";
    setText(node, said);
    node.hidden = !said;
  };
};

/** Several components below each other. */
export const stack = (...components) => (place) => {
  const updates = components.map((component) => {
    const line = element("div");
    place.append(line);
    const update = component(line);
    return (row) => {
      update(row);
      line.hidden = [...line.children].length > 0 && [...line.children].every((child) => child.hidden);
    };
  });
  return (row) => updates.forEach((update) => update(row));
};

/** A state: a word, and a shape of its own, so that no colour is needed to tell it. */
export const badge = (get) => (place) => {
  const use = drawing("use");
  const word = element("span");
  const whole = element("span", { class: "badge" }, drawing("svg", { class: "shape", "aria-hidden": "true" }, use), word);
  const nothing = element("span", {}, UNKNOWN);
  place.append(whole, nothing);
  return (row) => {
    const state = get(row);
    whole.hidden = !state;
    nothing.hidden = Boolean(state);
    if (!state) return;
    setAttribute(use, "href", `#shape-${state.kind}`);
    setAttribute(whole, "data-kind", state.kind);
    setText(word, state.word);
  };
};

// ---- Times ----

let ahead = 0;

/** The server's time in milliseconds since the epoch. */
export const now = () => Date.now() + ahead;

/** Learn how much the server's clock differs; 0 at first. */
export function setClock(difference) {
  ahead = difference;
}

const moments = new Set();

function writeMoment(node) {
  const { when, style, lead } = node.moment;
  const left = (when - now()) / 1000;
  const said = style === "until" ? (left > 0 ? countdown(left) : "now") : ago(-left);
  setText(node, lead ? `${lead} ${said}` : said);
}

/** Let every time on the page go on by itself. */
export function tick() {
  for (const node of moments) {
    if (!node.isConnected) moments.delete(node);
    else if (!node.hidden) writeMoment(node);
  }
}

/**
 * A moment: relative as text, absolute for whoever points at it or focuses it. `get` gives
 * milliseconds since the epoch, or nothing; "until" is left out once it is over.
 */
export const moment = (get, { style = "ago", lead = "" } = {}) => (place) => {
  const node = element("time", { tabindex: "0" });
  place.append(node);
  return (row) => {
    const when = get(row);
    node.hidden = when === undefined || (style === "until" && when <= now());
    if (node.hidden) return;
    const exact = absolute(when);
    setAttribute(node, "datetime", new Date(when).toISOString());
    setAttribute(node, "data-exact", exact);
    setAttribute(node, "title", exact);
    node.moment = { when, style, lead };
    moments.add(node);
    writeMoment(node);
  };
};

// ---- Curves ----

const WIDE = 120;
const HIGH = 32;

/** Points that fill the width at least: the first two make no curve yet. */
const FEWEST = 30;

/** A curve of what was seen since the page is open. `get` gives {values, told}: numbers, and what
 * is said of them to those who do not see it. */
export const curve = (get) => (place) => {
  const area = drawing("path", { class: "area" });
  const line = drawing("path", { class: "line" });
  const picture = drawing(
    "svg",
    { class: "curve", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img" },
    area,
    line,
  );
  place.append(picture);
  return (row) => {
    const { values, told } = get(row);
    const most = Math.max(values.length, FEWEST);
    const top = Math.max(...values.filter((value) => value !== undefined), 0) || 1;
    const at = (place) => ((place + most - values.length) / (most - 1)) * WIDE;
    const high = (value) => HIGH - 2 - (value / top) * (HIGH - 5);
    const points = values.flatMap((value, place) => (value === undefined ? [] : [[at(place), high(value)]]));
    const drawn = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    setAttribute(line, "d", points.length > 1 ? `M${drawn}` : "");
    setAttribute(area, "d", points.length > 1 ? `M${points[0][0].toFixed(1)} ${HIGH}L${drawn}V${HIGH}Z` : "");
    setAttribute(picture, "aria-label", told(values));
  };
};
