// The columns of each table, and how rows of the status become rows of a table.

import { badge, element, moment, note, setText, stack, text } from "./components.js";
import { UNKNOWN, amount, count, duration, money, rate, share } from "./format.js";
import { limitList } from "./limits.js";
import { figures } from "./status.js";
import { Table } from "./table.js";

const DOWN = -1;

// ---- Columns that several tables have ----

const name = (title, order = (row) => row.key) => ({
  title,
  order,
  cell: (place) => {
    place.classList.add("name");
    return text((row) => row.title ?? row.key)(place);
  },
});

const calls = {
  title: "Calls",
  number: true,
  start: DOWN,
  order: (row) => row.figures.calls,
  cell: text((row) => count(row.figures.calls)),
};

const errors = {
  title: "Failed",
  number: true,
  start: DOWN,
  order: (row) => row.figures.errorRate,
  cell: stack(
    text((row) => share(row.figures.errorRate)),
    note((row) => (row.figures.errors ? count(row.figures.errors) : "")),
  ),
};

const firstOutput = {
  title: "First output",
  number: true,
  start: DOWN,
  order: (row) => row.figures.firstOutput,
  cell: stack(
    text((row) => duration(row.figures.firstOutput)),
    note((row) => (row.figures.firstOutputSlow === undefined ? "" : `p95 ${duration(row.figures.firstOutputSlow)}`)),
  ),
};

const latency = {
  title: "Whole call",
  number: true,
  start: DOWN,
  order: (row) => row.figures.latency,
  cell: stack(
    text((row) => duration(row.figures.latency)),
    note((row) => (row.figures.latencySlow === undefined ? "" : `p95 ${duration(row.figures.latencySlow)}`)),
  ),
};

function tokensOf(value, { perSecond }) {
  return perSecond && value !== undefined ? `${rate(value)}/s` : amount(value);
}

const tokens = {
  title: "Tokens",
  number: true,
  start: DOWN,
  order: ({ figures: { inputTokens, outputTokens } }) =>
    inputTokens === undefined && outputTokens === undefined ? undefined : (inputTokens ?? 0) + (outputTokens ?? 0),
  cell: stack(
    text((row) => (row.figures.inputTokens === undefined ? UNKNOWN : `${tokensOf(row.figures.inputTokens, row.figures)} in`)),
    note((row) => (row.figures.outputTokens === undefined ? "" : `${tokensOf(row.figures.outputTokens, row.figures)} out`)),
  ),
};

const cost = {
  title: "Cost",
  number: true,
  start: DOWN,
  order: (row) => row.figures.cost,
  cell: stack(
    text((row) => money(row.figures.cost)),
    note((row) => {
      const { wasted, unpriced } = row.figures;
      const parts = [wasted ? `${money(wasted)} wasted` : "", unpriced ? `${count(unpriced)} unpriced` : ""];
      return parts.filter(Boolean).join(", ");
    }),
  ),
};

const lastError = {
  title: "Last failure",
  wide: true,
  start: DOWN,
  order: (row) => row.lastError,
  cell: stack(moment((row) => row.lastError), note((row) => (row.lastError === undefined ? UNKNOWN : row.lastReason))),
};

// ---- The tables ----

const providers = {
  noun: ["provider", "providers"],
  empty: "No provider is configured.",
  sorted: "Health",
  search: (row) => `${row.key} ${row.health.word} ${row.message} ${row.circuit?.word ?? ""} ${row.lastReason ?? ""}`,
  columns: [
    name("Provider"),
    {
      title: "Health",
      start: DOWN,
      order: (row) => row.health.rank,
      cell: stack(badge((row) => row.health), note((row) => row.message), moment((row) => (row.health.kind === "good" ? undefined : row.judged), { lead: "judged" })),
    },
    {
      title: "Circuit",
      start: DOWN,
      order: (row) => row.circuit?.rank,
      cell: badge((row) => row.circuit),
    },
    calls,
    errors,
    firstOutput,
    latency,
    tokens,
    cost,
    lastError,
  ],
};

const credentials = {
  noun: ["holder of limits", "holders of limits"],
  empty: "No credential is configured, and no limit is known.",
  sorted: "Credential",
  search: (row) => `${row.key} ${row.state?.word ?? ""} ${row.room?.word ?? ""} ${row.limits.map((each) => `${each.model} ${each.what}`).join(" ")}`,
  columns: [
    // Callers, who are at no provider, come after all providers.
    name("Credential", (row) => `${row.provider ? 0 : 1} ${row.key}`),
    {
      title: "State",
      start: DOWN,
      order: (row) => row.state?.rank,
      cell: stack(
        badge((row) => row.state),
        moment((row) => row.rests, { style: "until", lead: "rests for" }),
        moment((row) => row.expires, { style: "until", lead: "token ends in" }),
        note(refreshed),
      ),
    },
    {
      title: "Headroom",
      start: DOWN,
      order: (row) => (row.room ? row.room.rank + (row.room.utilization ?? 0) : undefined),
      cell: stack(
        badge((row) => row.room),
        moment((row) => row.room?.until, { style: "until", lead: "room in" }),
        note((row) => (row.room?.utilization === undefined ? "" : `${share(row.room.utilization)} used`)),
      ),
    },
    {
      title: "Limits",
      wide: true,
      start: 1,
      order: (row) => row.limits.reduce((least, { left = 2 }) => Math.min(least, left), 2),
      cell: limitList((row) => row.limits),
    },
    calls,
    errors,
    cost,
  ],
};

function refreshed({ refreshes = 0, refreshFailures = 0 }) {
  if (!refreshes && !refreshFailures) return "";
  const told = refreshes === 1 ? "1 refresh" : `${count(refreshes)} refreshes`;
  return refreshFailures ? `${told}, ${count(refreshFailures)} failed` : told;
}

const models = {
  noun: ["model", "models"],
  empty: "No call has ended yet.",
  sorted: "Calls",
  search: (row) => row.key,
  columns: [name("Model"), calls, errors, firstOutput, latency, tokens, cost, lastError],
};

const callers = {
  noun: ["caller", "callers"],
  empty: "Nobody has called yet.",
  sorted: "Cost",
  search: (row) => row.title ?? row.key,
  columns: [name("Caller"), calls, errors, firstOutput, latency, tokens, cost, lastError],
};

const labels = { ...callers, noun: ["label", "labels"], columns: [name("Label"), ...callers.columns.slice(1)] };

const times = (title, get) => ({
  title,
  number: true,
  start: DOWN,
  order: get,
  cell: text((row) => count(get(row))),
});

const failures = {
  noun: ["reason", "reasons"],
  empty: "Nothing has failed.",
  sorted: "Last 5 min",
  search: (row) => `${row.key} ${row.where.map(({ provider }) => provider).join(" ")}`,
  columns: [
    name("Reason"),
    times("Last minute", (row) => row.minute),
    times("Last 5 min", (row) => row.five),
    times("Since start", (row) => row.total),
    times("Calls lost", (row) => row.callers),
    {
      title: "At",
      wide: true,
      order: (row) => row.where[0]?.provider,
      cell: places,
    },
    { ...lastError, title: "Last seen", order: (row) => row.last, cell: stack(moment((row) => row.last), note((row) => (row.last === undefined ? UNKNOWN : ""))) },
  ],
};

/** The providers where most of it happened. */
function places(place) {
  const node = element("span");
  place.append(node);
  return ({ where }) => {
    const first = where.slice(0, 3).map(({ provider, times: often }) => `${provider} ${count(often)}`);
    const others = where.length > 3 ? [`${count(where.length - 3)} more`] : [];
    setText(node, [...first, ...others].join(", ") || UNKNOWN);
  };
}

const ALL = { providers, credentials, models, callers, labels, failures };

/** Make all tables in their sections; returns them by name. */
export function makeTables() {
  return Object.fromEntries(
    Object.entries(ALL).map(([id, columns]) => [id, new Table(document.getElementById(id), columns)]),
  );
}

/** Bring all tables up to date with a status, for figures of so many seconds; 0 is all. */
export function updateTables(tables, status, window) {
  const shown = (row) => ({
    ...row,
    figures: figures(row.calls, window),
    lastError: row.calls?.last_error_time && Date.parse(row.calls.last_error_time),
    lastReason: row.calls?.last_error_reason,
  });
  for (const id of ["providers", "credentials", "models", "callers", "labels"]) tables[id].update(status[id].map(shown));
  tables.failures.update(status.failures);
  document.getElementById("labels").hidden = !status.labels.length;
}
