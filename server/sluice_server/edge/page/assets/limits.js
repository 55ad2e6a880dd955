// The limits of one credential: how much is left, of how much, and when it is full
// again. The first few are shown, the others unfold.

import { arrange, element, moment, note, setText } from "./components.js";
import { amount, count, money, period } from "./format.js";

/** Limits that are seen without unfolding. */
const FIRST = 3;

/** A component; `get` gives a row's limits, the most urgent first. */
export const limitList = (get) => (place) => {
  const first = element("ul", { class: "limits" });
  const rest = element("ul", { class: "limits" });
  const summary = element("summary");
  const more = element("details", {}, summary, rest);
  const nothing = element("span", {}, "none known");
  place.append(first, more, nothing);
  const drawn = new Map();
  return (row) => {
    const limits = get(row);
    const keys = new Set(limits.map(({ key }) => key));
    for (const key of drawn.keys()) if (!keys.has(key)) drawn.delete(key);
    const items = limits.map((limit) => {
      const item = drawn.get(limit.key) ?? oneLimit();
      drawn.set(limit.key, item);
      item.update(limit);
      return item.node;
    });
    arrange(first, items.slice(0, FIRST));
    arrange(rest, items.slice(FIRST));
    const others = items.length - FIRST;
    first.hidden = !items.length;
    more.hidden = others <= 0;
    nothing.hidden = items.length > 0;
    setText(summary, `${count(Math.max(0, others))} more`);
  };
};

function oneLimit() {
  const what = element("span", { class: "what" });
  const meter = element("meter", { min: 0, max: 1, low: 0.1, high: 0.25, optimum: 1 });
  const left = element("span", { class: "left" });
  const when = element("span", { class: "when" });
  const reset = moment((limit) => limit.reset, { style: "until", lead: "full in" })(when);
  const words = element("span");
  what.append(words);
  const updateModel = note((limit) => limit.model)(what);
  const node = element("li", {}, what, meter, left, when);
  const update = (limit) => {
    const name = [limit.what, limit.atOnce ? "at once" : period(limit.window)].filter(Boolean).join(" ");
    setText(words, limit.own ? `own ${name}` : name);
    meter.hidden = limit.left === undefined;
    meter.value = limit.left ?? 0;
    meter.setAttribute("aria-label", `${name} left`);
    setText(left, told(limit));
    reset(limit);
    updateModel(limit);
  };
  return { node, update };
}

function told({ room, limit, held, money: isMoney }) {
  const write = isMoney ? money : amount;
  const parts = [];
  if (room !== undefined && limit !== undefined) parts.push(`${write(room)} of ${write(limit)} left`);
  else if (room !== undefined) parts.push(`${write(room)} left`);
  else if (limit !== undefined) parts.push(`of ${write(limit)}, left unknown`);
  if (held) parts.push(`${write(held)} reserved`);
  return parts.join(" · ");
}
