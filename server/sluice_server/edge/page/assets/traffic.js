// The tiles: what the whole replica does now, with curves of what was seen since the
// page is open.

import { curve, element, setText } from "./components.js";
import { UNKNOWN, count, duration, money, rate, share } from "./format.js";
import { figures, number, seconds } from "./status.js";

/** Points that are kept: at one every two seconds, five minutes. */
const MOST = 150;

/** Keeps what was seen; forgets it when the server was started anew. */
export class History {
  #last;
  #points = [];

  add({ server, snapshot }) {
    if (this.#last && (this.#last.start !== server.start_time || snapshot < this.#last.snapshot)) {
      this.#last = undefined;
      this.#points = [];
    }
    // The server hands out one document for a second.
    if (this.#last && snapshot - this.#last.snapshot < 500) return;
    const calls = server.calls ?? {};
    const now = {
      start: server.start_time,
      snapshot,
      known: Boolean(server.calls),
      ended: ["successes", "errors", "cancellations"].reduce((sum, key) => sum + Number(calls[key] ?? 0), 0),
      errors: Number(calls.errors ?? 0),
      tokens: Number(calls.usage?.output_tokens ?? 0),
      cost: Number(calls.cost?.usd_nanos ?? 0) + Number(calls.cost?.wasted_usd_nanos ?? 0),
    };
    const before = this.#last;
    this.#last = now;
    if (!before) return;
    const elapsed = (snapshot - before.snapshot) / 1000;
    const per = (key) => (now.known ? Math.max(0, now[key] - before[key]) / elapsed : undefined);
    const ended = now.ended - before.ended;
    this.#points.push({
      calls: per("ended"),
      tokens: per("tokens"),
      errors: ended > 0 ? (now.errors - before.errors) / ended : now.known ? 0 : undefined,
      firstOutput: figures(calls, 60).firstOutput,
      busy: number(server.event_loop_busy_ratio),
      cost: per("cost"),
    });
    this.#points = this.#points.slice(-MOST);
  }

  of(name) {
    return this.#points.map((point) => point[name]);
  }
}

const TILES = [
  {
    title: "Calls",
    value: ({ minute }) => [rate(minute.callsPerSecond), "/s"],
    lines: ({ five, all }) => [`5 min ${rate(five.callsPerSecond)} /s`, `${count(all?.calls)} since start`],
    curve: ["calls", (value) => `${rate(value)} per second`],
  },
  {
    title: "Output tokens",
    value: ({ minute }) => [rate(minute.outputTokens), "/s"],
    lines: ({ minute, five }) => [`5 min ${rate(five.outputTokens)} /s`, `input ${rate(minute.inputTokens)} /s`],
    curve: ["tokens", (value) => `${rate(value)} per second`],
  },
  {
    title: "Failed calls",
    value: ({ minute }) => [share(minute.errorRate), ""],
    lines: ({ five, all }) => [`5 min ${share(five.errorRate)}`, `${count(all?.errors)} since start`],
    curve: ["errors", share],
  },
  {
    title: "First output",
    value: ({ all }) => [duration(all?.firstOutput), "p50"],
    lines: ({ all, minute }) => [`p95 ${duration(all?.firstOutputSlow)}`, `last minute ${duration(minute.firstOutput)}`],
    curve: ["firstOutput", duration],
  },
  {
    title: "Gateway overhead",
    value: ({ overhead }) => [duration(overhead.p50), "p50"],
    lines: ({ overhead, busy }) => [`p95 ${duration(overhead.p95)}`, `loop busy ${share(busy)}`],
    curve: ["busy", (value) => `${share(value)} busy`],
  },
  {
    title: "Cost",
    value: ({ all }) => [money(all?.cost), ""],
    lines: ({ five, all }) => [
      `5 min ${money(all?.cost && five.cost)}`,
      all?.unpriced ? `${count(all.unpriced)} calls of unknown price` : "since start",
    ],
    curve: ["cost", (value) => `${money(value * 60)} per minute`],
  },
];

/** Fill the place for tiles; returns how they are brought up to date. */
export function tiles(place, history) {
  const updates = TILES.map((tile) => {
    const value = element("span");
    const unit = element("span", { class: "unit" });
    const lines = [element("span"), element("span")];
    const picture = element("div", { class: "picture" });
    const node = element("div", { class: "tile" }, element("h3", {}, tile.title), element("p", { class: "value" }, value, unit), element("p", { class: "lines" }, ...lines), picture);
    place.append(node);
    const [name, write] = tile.curve;
    const updateCurve = curve(() => ({
      values: history.of(name),
      told: (values) => describe(tile.title, values, write),
    }))(picture);
    return (figure) => {
      const [told, suffix] = tile.value(figure);
      setText(value, told);
      setText(unit, told === UNKNOWN ? "" : suffix);
      tile.lines(figure).forEach((line, place) => setText(lines[place], line));
      updateCurve();
    };
  });
  return ({ server }) => {
    const figure = {
      all: server.calls && figures(server.calls, 0),
      minute: figures(server.calls, 60),
      five: figures(server.calls, 300),
      overhead: { p50: seconds(server.gateway_overhead?.p50), p95: seconds(server.gateway_overhead?.p95) },
      busy: number(server.event_loop_busy_ratio),
    };
    updates.forEach((update) => update(figure));
  };
}

function describe(title, values, write) {
  const seen = values.filter((value) => value !== undefined);
  if (!seen.length) return `${title}: no curve yet`;
  return `${title} since this page is open: now ${write(seen.at(-1))}, at most ${write(Math.max(...seen))}`;
}
