// Asks the server how it is every two seconds and shows the answer. When the
// server is away the page says since when, keeps the last figures, asks less
// often, and goes on by itself. Nobody is asked while nobody looks.

import { badge, element, now, setClock, setText, tick } from "./components.js";
import { UNKNOWN, bytes, count, duration, share, span, timeOfDay } from "./format.js";
import { number, read, seconds, time } from "./status.js";
import { makeTables, updateTables } from "./tables.js";
import { History, tiles } from "./traffic.js";

const EVERY = 2000;
const PATIENCE = 5000;
const SELDOM = 30_000;

const find = (id) => document.getElementById(id);

const history = new History();
const updateTiles = tiles(find("tiles"), history);
const updateReplica = replica(find("replica"));
const updateVerdict = verdict(find("verdict"));
const tables = makeTables();

let status;
let chosen = 0;

// ---- The connection ----

let timer;
let lost;
let failures = 0;
let skew;

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  const abort = new AbortController();
  const patience = setTimeout(() => abort.abort(), PATIENCE);
  let error;
  try {
    const answer = await fetch("status.json", { signal: abort.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    status = read(await answer.json());
  } catch (caught) {
    error = caught;
  } finally {
    clearTimeout(patience);
  }
  if (error) disconnected(error);
  else connected();
  clearTimeout(timer);
  timer = setTimeout(poll, Math.min(EVERY * 2 ** Math.max(0, failures - 1), SELDOM));
}

function connected() {
  lost = undefined;
  failures = 0;
  tell("live", "Live");
  // The least delayed answer tells the difference of the clocks best.
  const difference = status.snapshot - Date.now();
  skew = skew === undefined || Math.abs(difference - skew) > 5000 ? difference : Math.max(skew, difference);
  setClock(skew);
  history.add(status);
  show();
}

function disconnected(error) {
  lost ??= Date.now();
  failures += 1;
  const why = error.message.startsWith("the server") ? `, ${error.message}` : "";
  tell("lost", `No connection since ${timeOfDay(lost)}${why}`);
}

/** Said aloud by screen readers, so only what is new is written. */
function tell(state, said) {
  find("connection").dataset.state = state;
  find("main").dataset.state = state;
  setText(find("connection"), said);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) poll();
});
globalThis.addEventListener("online", poll);

// ---- What is shown ----

function show() {
  const { server, leftOut } = status;
  setText(find("instance"), server.instance ?? "");
  updateVerdict(status);
  updateReplica(server);
  updateTiles(status);
  updateTables(tables, status, chosen);
  const cut = Object.entries(leftOut).map(([list, rows]) => `${count(rows)} ${list.replace("_", " ")}`);
  find("left-out").hidden = !cut.length;
  setText(find("left-out"), `Not shown, since there are so many: ${cut.join(", ")}.`);
}

/** The facts about this replica. */
function replica(place) {
  const facts = [
    ["Version", (server) => server.version ?? UNKNOWN],
    ["Up for", (server) => (server.start_time ? span((now() - time(server.start_time)) / 1000) : UNKNOWN)],
    ["Open streams", (server) => count(Number(server.active_streams ?? 0))],
    ["Waiting for limits", (server) => count(Number(server.queued_calls ?? 0))],
    ["Waiting for a place", (server) => count(server.calls ? Number(server.calls_without_place ?? 0) : undefined)],
    ["Memory", (server) => bytes(number(server.resident_bytes))],
    ["Loop busy", (server) => share(server.calls ? Number(server.event_loop_busy_ratio ?? 0) : undefined)],
    ["Loop lag", (server) => duration(seconds(server.event_loop_lag))],
  ];
  const updates = facts.map(([title, get]) => {
    const value = element("dd");
    place.append(element("div", {}, element("dt", {}, title), value));
    return (server) => setText(value, get(server));
  });
  return (server) => updates.forEach((update) => update(server));
}

/** Is everything well, and if not, what is wrong: a line for each kind of trouble. */
function verdict(place) {
  const troubles = [
    ["bad", "fault in a changed configuration, the one before is in force", "faults in a changed configuration, the one before is in force", ({ server }) => texts(server.configuration?.faults)],
    ["warn", "setting waits for a restart", "settings wait for a restart", ({ server }) => texts(server.configuration?.waiting_for_restart)],
    ["bad", "provider unhealthy", "providers unhealthy", ({ providers }) => providers.filter(({ health }) => health.kind === "bad")],
    ["warn", "provider degraded", "providers degraded", ({ providers }) => providers.filter(({ health }) => health.kind === "warn")],
    ["bad", "circuit open", "circuits open", ({ providers }) => providers.filter(({ circuit }) => circuit && circuit.kind !== "good")],
    ["bad", "credential refused", "credentials refused", ({ credentials }) => credentials.filter(isRefused)],
    ["warn", "credential resting", "credentials resting", ({ credentials }) => credentials.filter((row) => isResting(row) && !isRefused(row))],
    ["warn", "credential full", "credentials full", ({ credentials }) => credentials.filter((row) => row.room?.kind === "bad" && !isResting(row) && !isRefused(row))],
  ];
  const lines = [...troubles, undefined].map(() => {
    const line = element("li");
    place.append(line);
    const update = badge((said) => said)(line);
    return (said) => {
      line.hidden = !said;
      if (said) update(said);
    };
  });
  return (status) => {
    const found = troubles.map(([kind, one, many, find]) => {
      const rows = find(status);
      return rows.length ? { kind, word: `${count(rows.length)} ${rows.length === 1 ? one : many}: ${names(rows)}` } : undefined;
    });
    const well = found.some(Boolean) ? undefined : wellness(status.providers.length);
    [...found, well].forEach((said, line) => lines[line](said));
    const { instance } = status.server;
    const trouble = status.providers.filter(({ health }) => health.kind === "bad" || health.kind === "warn").length;
    document.title = `${trouble ? `(${trouble}) ` : ""}Sluice${instance ? ` · ${instance}` : ""}`;
  };
}

const texts = (list) => (list ?? []).map((key) => ({ key }));
const isRefused = ({ state }) => state?.kind === "bad";
const isResting = ({ rests }) => rests > now();

function wellness(providers) {
  if (!providers) return { kind: "unknown", word: "No provider is configured." };
  return { kind: "good", word: providers === 1 ? "The provider is usable." : `All ${count(providers)} providers are usable.` };
}

/** "cerebras, groq": the first few. */
function names(rows) {
  const first = rows.slice(0, 3).map(({ key }) => key);
  return rows.length > 3 ? `${first.join(", ")} and others` : first.join(", ");
}

find("filter").addEventListener("input", ({ target }) => {
  for (const table of Object.values(tables)) table.setFilter(target.value);
});
for (const choice of document.querySelectorAll("input[name=window]")) {
  choice.addEventListener("change", () => {
    chosen = Number(choice.value);
    if (status) updateTables(tables, status, chosen);
  });
}

setInterval(() => {
  if (document.hidden) return;
  tick();
  if (status && !lost) updateReplica(status.server);
}, 1000);
await poll();
